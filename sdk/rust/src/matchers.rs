//! Label matchers as the `alerting` capabilities have them: `severity="critical"`, `zone!="a"`, `team=~"db|infra"`,
//! `team!~"test.*"`. One text is one matcher. The value may stand without quotation marks where it has neither spaces nor
//! marks of its own; a name that is not made of letters, digits, `_` and `:` stands in quotation marks too. Between
//! quotation marks `\"`, `\\` and `\n` are escapes; before anything else a backslash stands for itself, so that a regular
//! expression can be written as it is. Regular expressions are not judged here: each outside system has its own dialect.

use std::fmt;

use crate::types::{Error, Result};

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// `=`: the label is the value.
    Equal,
    /// `!=`: the label is not the value.
    NotEqual,
    /// `=~`: the whole label matches the regular expression.
    Matches,
    /// `!~`: the whole label does not match the regular expression.
    MatchesNot,
}

/// One matcher.
///
/// ```
/// use jackfield_sdk::matchers::{Matcher, Op};
/// let matcher = Matcher::parse(r#"team=~"db|infra""#).unwrap();
/// assert_eq!((matcher.name.as_str(), matcher.op, matcher.value.as_str()), ("team", Op::Matches, "db|infra"));
/// assert_eq!(Matcher::parse("team=~db|infra").unwrap().to_string(), r#"team=~"db|infra""#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Matcher {
    /// The label's name.
    pub name: String,
    /// How it compares.
    pub op: Op,
    /// The value or the regular expression.
    pub value: String,
}

/// All matchers of a parameter. An `invalid` error points at the first one that is wrong: `field` is the pointer to the
/// list, e.g. `/filter/matchers`.
pub fn parse_all(texts: &[String], field: &str) -> Result<Vec<Matcher>> {
    let one = |(index, text): (usize, &String)| {
        Matcher::parse(text).map_err(|why| Error::invalid(format!("{field}/{index}"), format!("`{text}`: {why}")))
    };
    texts.iter().enumerate().map(one).collect()
}

impl Matcher {
    /// Reads a matcher; the error says what is wrong with it.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let text = text.trim();
        let (name, rest) = if text.starts_with('"') {
            quoted(text)?
        } else {
            let end = text.find(|c: char| !is_name_char(c)).unwrap_or(text.len());
            (text[..end].to_owned(), &text[end..])
        };
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) && !text.starts_with('"') {
            return Err("a matcher starts with the name of a label, e.g. `severity=\"critical\"`".to_owned());
        }
        let (op, rest) = op(rest.trim_start())?;
        let rest = rest.trim_start();
        let value = if rest.starts_with('"') {
            let (value, after) = quoted(rest)?;
            if !after.is_empty() {
                return Err(format!("`{after}` follows the matcher; one text is one matcher"));
            }
            value
        } else {
            bare(rest)?.to_owned()
        };
        Ok(Self { name, op, value })
    }
}

/// The text that [`Matcher::parse`] reads back.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.name.chars().all(is_name_char) && !self.name.starts_with(|c: char| c.is_ascii_digit());
        if plain {
            f.write_str(&self.name)?
        } else {
            quote(f, &self.name)?
        }
        f.write_str(match self.op {
            Op::Equal => "=",
            Op::NotEqual => "!=",
            Op::Matches => "=~",
            Op::MatchesNot => "!~",
        })?;
        quote(f, &self.value)
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':')
}

fn op(text: &str) -> std::result::Result<(Op, &str), String> {
    // The longer ones first: `=~` begins like `=`.
    [("=~", Op::Matches), ("!~", Op::MatchesNot), ("!=", Op::NotEqual), ("=", Op::Equal)]
        .into_iter()
        .find_map(|(sign, op)| Some((op, text.strip_prefix(sign)?)))
        .ok_or_else(|| "after the name comes one of `=`, `!=`, `=~`, `!~`".to_owned())
}

/// A text in quotation marks at the start of `text`, and what follows it.
fn quoted(text: &str) -> std::result::Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => {
                let escaped = chars.peek().and_then(|(_, next)| match next {
                    '"' => Some('"'),
                    '\\' => Some('\\'),
                    'n' => Some('\n'),
                    _ => None,
                });
                value.push(escaped.unwrap_or('\\'));
                if escaped.is_some() {
                    chars.next();
                }
            }
            other => value.push(other),
        }
    }
    Err("a quotation mark is not closed".to_owned())
}

/// A value without quotation marks.
fn bare(text: &str) -> std::result::Result<&str, String> {
    if text.is_empty() {
        return Err("the value is missing; the empty text is written `\"\"`".to_owned());
    }
    match text
        .chars()
        .find(|c| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '`' | '\\' | ',' | '{' | '}'))
    {
        Some(c) => Err(format!("a value with `{}` in it stands in quotation marks: `\"…\"`", c.escape_debug())),
        None => Ok(text),
    }
}

fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            other => write!(f, "{other}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ErrorKind;

    fn parsed(text: &str) -> (String, Op, String) {
        let matcher = Matcher::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        (matcher.name, matcher.op, matcher.value)
    }

    #[test]
    fn every_form_of_a_matcher_is_read() {
        for (text, name, op, value) in [
            (r#"a="b""#, "a", Op::Equal, "b"),
            (r#" a != "" "#, "a", Op::NotEqual, ""),
            (r#"a=~"x|y.*""#, "a", Op::Matches, "x|y.*"),
            (r#"a!~"\d+\.\\""#, "a", Op::MatchesNot, r"\d+\.\"),
            (r#"a="=~\"quoted\"\nline""#, "a", Op::Equal, "=~\"quoted\"\nline"),
            ("_a:9=critical", "_a:9", Op::Equal, "critical"),
            ("path=/a-b.c?d=e", "path", Op::Equal, "/a-b.c?d=e"),
            (r#""http.status ü"="200""#, "http.status ü", Op::Equal, "200"),
        ] {
            assert_eq!(parsed(text), (name.to_owned(), op, value.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for name in ["a", "A:_9", "9a", "ü", "a b", "a\"b", "a\\"] {
            for value in ["", "x", "\\", "\"", "\n", "\\n", "\\\"", "a\\d\nß\t", "\\\\\\"] {
                for op in [Op::Equal, Op::NotEqual, Op::Matches, Op::MatchesNot] {
                    let matcher = Matcher { name: name.into(), op, value: value.into() };
                    assert_eq!(Matcher::parse(&matcher.to_string()).as_ref(), Ok(&matcher), "{matcher}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_matcher_is_refused() {
        for text in [
            "",
            " ",
            "a",
            "=\"b\"",
            "9a=b",
            "a b=c",
            "a==~",
            "a=",
            "a~\"b\"",
            "a=\"b",
            "a=\"b\\\"",
            "a=\"b\"c",
            "\"\"=\"b\"",
            "a=b c",
            "a='b'",
            "{a=\"b\"}",
            "a=\"b\",c=\"d\"",
            "a=b,c=d",
            "\"a=b",
            "ü=\"b\"",
        ] {
            // `a==~` is the label `a` compared with the text `=~`, which is odd but plain.
            assert_eq!(Matcher::parse(text).is_ok(), text == "a==~", "{text}");
        }
    }

    #[test]
    fn the_error_points_at_the_matcher_that_is_wrong() {
        let error = parse_all(&["a=\"b\"".into(), "c".into()], "/filter/matchers").unwrap_err();
        assert!(matches!(&error.kind, ErrorKind::Invalid(at) if at.field == "/filter/matchers/1"), "{error:?}");
    }
}
