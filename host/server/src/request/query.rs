//! Query strings: pairs in order, repetition kept, decoded strictly. A lenient decoder would turn a broken escape into
//! another key than the one that was meant, so a broken escape is an error.

use http::Uri;
use jackfield_reflect::did_you_mean;

use crate::problem::Problem;

/// Names and values as they come.
pub(crate) type Pairs = Vec<(String, String)>;

/// Reads the query string of a request.
pub(crate) fn pairs(uri: &Uri) -> Result<Pairs, Problem> {
    let query = uri.query().unwrap_or_default();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

fn decode(text: &str) -> Result<String, Problem> {
    let wrong = |what: &str| Problem::invalid(format!("the query string is wrong: `{text}` {what}"));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let [high, low, tail @ ..] = tail else { return Err(wrong("ends in an unfinished escape")) };
                let digit = |d: &u8| char::from(*d).to_digit(16);
                let (Some(high), Some(low)) = (digit(high), digit(low)) else {
                    return Err(wrong("has a `%` that no two hexadecimal digits follow; write a plain `%` as `%25`"));
                };
                bytes.push((high * 16 + low) as u8);
                rest = tail;
            }
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8"))
}

/// The parameters of a route that knows them by name.
pub(crate) struct Known {
    pairs: Pairs,
    known: &'static [&'static str],
}

impl Known {
    /// Reads the query string and refuses what the route does not know.
    pub(crate) fn read(uri: &Uri, known: &'static [&'static str]) -> Result<Self, Problem> {
        let pairs = pairs(uri)?;
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(Self { pairs, known }),
            Some((name, _)) if known.is_empty() => {
                Err(Problem::invalid(format!("`{name}` is not known here: this takes no query parameters"))
                    .at(pointer(name)))
            }
            Some((name, _)) => {
                let hint = did_you_mean(name, known.iter().copied());
                let known = known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                Err(Problem::invalid(format!(
                    "the query parameter `{name}` is not known here; there are {known}.{hint}"
                ))
                .at(pointer(name)))
            }
        }
    }

    /// A parameter that is `true` or `false`; `false` where it is not given.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::invalid(format!("`{name}` is `true` or `false`")).at(pointer(name))),
        }
    }

    /// A parameter that may be given once.
    pub(crate) fn one<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, Problem> {
        debug_assert!(self.known.contains(&name));
        let mut values = self.all(name);
        let value = values.next();
        match values.next() {
            None => Ok(value),
            Some(_) => {
                Err(Problem::invalid(format!("the query parameter `{name}` is given more than once")).at(pointer(name)))
            }
        }
    }

    /// A parameter that may be given often.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// Where a query parameter is in the request, as a problem's `field`.
pub(crate) fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Pairs, Problem> {
        pairs(&format!("/x?{query}").parse().unwrap())
    }

    #[test]
    fn escapes_are_decoded_and_repetition_is_kept() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            read("a=1&a=2+3&b%3D=%C3%BC&c").unwrap(),
            [pair("a", "1"), pair("a", "2 3"), pair("b=", "ü"), pair("c", "")]
        );
        assert_eq!(read("").unwrap(), []);
        assert_eq!(read("&&a=b=c&").unwrap(), [pair("a", "b=c")]);
    }

    #[test]
    fn a_broken_escape_is_an_error_and_not_another_text() {
        for bad in ["a=%", "a=%4", "a=%zz", "a=%+1", "a=%ff", "%c3=1"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unknown_parameter_is_refused_with_the_nearest_known_one() {
        let error = Known::read(&"/x?limits=5".parse().unwrap(), &["cursor", "limit"]).err().unwrap();
        assert!(error.detail().contains("Did you mean `limit`?"), "{}", error.detail());
    }
}
