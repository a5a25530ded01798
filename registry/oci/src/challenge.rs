//! What a registry demands with a 401: the header `www-authenticate`, several of which may be one after another in one
//! line. A stranger wrote it, so what cannot be read ends the reading, and what was read until then counts.

use http::{HeaderMap, header};

/// The longest header that is read, in bytes.
const MAX_HEADER: usize = 8 << 10;
/// The most challenges, and the most parameters of one, that are kept.
const MOST: usize = 16;

/// One way in which credentials are demanded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// In lower case.
    pub(crate) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// The challenges of an answer, in its order.
pub(crate) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let texts = headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    texts.filter(|text| text.len() <= MAX_HEADER).flat_map(parse).take(MOST).collect()
}

fn parse(text: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = Rest(text);
    loop {
        rest.skip(|c| matches!(c, ' ' | '\t' | ','));
        let word = rest.take(is_token).to_ascii_lowercase();
        if word.is_empty() || found.len() > MOST {
            return found;
        }
        rest.skip(|c| matches!(c, ' ' | '\t'));
        match (rest.eat('='), found.last_mut()) {
            (false, _) => found.push(Challenge { scheme: word, parameters: Vec::new() }),
            (true, None) => return found,
            (true, Some(challenge)) => {
                rest.skip(|c| matches!(c, ' ' | '\t'));
                let Some(value) = rest.value() else { return found };
                if challenge.parameters.len() < MOST {
                    challenge.parameters.push((word, value));
                }
            }
        }
    }
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/:".contains(c)
}

/// What is still to be read.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let (taken, rest) = self.0.split_at(self.0.find(|c| !wanted(c)).unwrap_or(self.0.len()));
        self.0 = rest;
        taken
    }

    fn skip(&mut self, unwanted: impl Fn(char) -> bool) {
        self.take(unwanted);
    }

    fn eat(&mut self, c: char) -> bool {
        let rest = self.0.strip_prefix(c);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// A word, or a text in quotes.
    fn value(&mut self) -> Option<String> {
        if !self.eat('"') {
            return Some(self.take(is_token).to_owned());
        }
        let mut value = String::new();
        let mut chars = self.0.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => value.push(chars.next()?),
                c => value.push(c),
            }
        }
        self.0 = chars.as_str();
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_registries_say_is_understood() {
        let text = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push", error=invalid_token"#;
        let [bearer] = &parse(text)[..] else { panic!() };
        assert_eq!(bearer.scheme, "bearer");
        assert_eq!(bearer.parameter("realm"), Some("https://auth.docker.io/token"));
        assert_eq!(bearer.parameter("scope"), Some("repository:a/b:pull,push"));
        assert_eq!(bearer.parameter("error"), Some("invalid_token"));
        assert_eq!(bearer.parameter("nonce"), None);
    }

    #[test]
    fn several_challenges_in_one_line_are_told_apart() {
        let found = parse(r#"Negotiate, BASIC Realm = "a, b=\"c\"" , bearer realm=x,service="""#);
        assert_eq!(found.iter().map(|c| c.scheme.as_str()).collect::<Vec<_>>(), ["negotiate", "basic", "bearer"]);
        assert_eq!(found[1].parameter("realm"), Some(r#"a, b="c""#));
        assert_eq!((found[2].parameter("realm"), found[2].parameter("service")), (Some("x"), None));
    }

    #[test]
    fn what_cannot_be_read_ends_the_reading() {
        for (text, schemes) in
            [("", 0), ("=", 0), ("a=b", 0), ("Basic realm=\"x", 1), ("Basic realm=\"x\\", 1), ("Basic \u{1}", 1)]
        {
            assert_eq!(parse(text).len(), schemes, "{text:?}");
        }
        assert!(parse(&"a,".repeat(2000)).len() <= MOST + 1);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_reading_ends(text in "[a-zB=\", \\\\\\t/é]{0,60}") {
            parse(&text);
        }

        #[test]
        fn a_quoted_value_comes_back(value in "[ -~]{1,40}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let found = parse(&format!("Bearer a=b, realm=\"{quoted}\", c=d"));
            assert_eq!(found[0].parameter("realm"), Some(value.as_str()));
            assert_eq!(found[0].parameter("c"), Some("d"));
        }
    }
}
