//! One `k=v`: its path, and where its value comes from.

use std::io::Read as _;

use serde_json::Value;

use super::ParamError;

/// A path and the value given for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assignment {
    /// `a`, or `a.b` for a member.
    pub(crate) path: String,
    pub(crate) given: Given,
}

/// A value before it has a type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Given {
    /// Text from the command line.
    Text(String),
    /// A file's content.
    File(Vec<u8>),
    /// JSON.
    Json(Value),
}

/// A `k=v` as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Written<'a> {
    path: &'a str,
    json: bool,
    value: Origin<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin<'a> {
    Here(&'a str),
    File(&'a str),
    Stdin,
}

impl Assignment {
    /// Reads what was written, and the files it names. Standard input can be read once.
    pub(crate) fn read_all(written: &[String], mut stdin_taken: bool) -> Result<Vec<Self>, ParamError> {
        written.iter().map(|text| Self::read(text, &mut stdin_taken)).collect()
    }

    fn read(text: &str, stdin_taken: &mut bool) -> Result<Self, ParamError> {
        let Written { path, json, value } = written(text)?;
        let content = match value {
            Origin::Here(text) if json => Given::Json(parse_json(path, text.as_bytes())?),
            Origin::Here(text) => Given::Text(text.to_owned()),
            Origin::File(file) => Given::File(
                std::fs::read(file)
                    .map_err(|e| ParamError(format!("`{path}`: the file `{file}` cannot be read: {e}")))?,
            ),
            Origin::Stdin if *stdin_taken => {
                return Err(ParamError("standard input can be read once only: `-` or `@-` is given twice".into()));
            }
            Origin::Stdin => {
                *stdin_taken = true;
                let mut bytes = Vec::new();
                std::io::stdin()
                    .read_to_end(&mut bytes)
                    .map_err(|e| ParamError(format!("`{path}`: standard input cannot be read: {e}")))?;
                Given::File(bytes)
            }
        };
        let given = match content {
            Given::File(bytes) if json => Given::Json(parse_json(path, &bytes)?),
            other => other,
        };
        Ok(Self { path: path.to_owned(), given })
    }
}

fn parse_json(path: &str, text: &[u8]) -> Result<Value, ParamError> {
    serde_json::from_slice(text)
        .map_err(|e| ParamError(format!("`{path}:=` takes JSON: {e} (for plain text write `{path}=`)")))
}

fn written(text: &str) -> Result<Written<'_>, ParamError> {
    let form = "write `name=value`, `name:=json`, `name=@file` or `member.of=value`";
    let Some((path, value)) = text.split_once('=') else {
        return Err(ParamError(format!("`{text}` has no `=`; {form}")));
    };
    let (path, json) = path.strip_suffix(':').map_or((path, false), |path| (path, true));
    if path.is_empty() || path.split('.').any(str::is_empty) {
        return Err(ParamError(format!("`{text}` has no name before the `=`, or an empty one; {form}")));
    }
    let value = match value.strip_prefix('@') {
        Some("-") => Origin::Stdin,
        Some("") => return Err(ParamError(format!("`{text}` names no file after the `@`; {path}=@@ is the text `@`"))),
        Some(literal) if literal.starts_with('@') => Origin::Here(literal),
        Some(file) => Origin::File(file),
        None => Origin::Here(value),
    };
    Ok(Written { path, json, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_write_a_value_is_told_apart() {
        let here = |path, json, text| Written { path, json, value: Origin::Here(text) };
        for (text, expected) in [
            ("k=v", here("k", false, "v")),
            ("k=", here("k", false, "")),
            ("k=a=b", here("k", false, "a=b")),
            ("a.b=v", here("a.b", false, "v")),
            ("k:=[1]", here("k", true, "[1]")),
            ("k=:=", here("k", false, ":=")),
            ("k=@@x", here("k", false, "@x")),
            ("k=@-", Written { path: "k", json: false, value: Origin::Stdin }),
            ("k:=@f", Written { path: "k", json: true, value: Origin::File("f") }),
        ] {
            assert_eq!(written(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_assignment_says_how_to_write_one() {
        for text in ["", "k", "=v", ":=1", ".a=1", "a..b=1", "a.=1", "k=@"] {
            assert!(written(text).is_err(), "{text}");
        }
        assert!(written("k").unwrap_err().0.contains("name=value"));
    }

    #[test]
    fn standard_input_is_read_at_most_once() {
        let error = Assignment::read_all(&["k=@-".into()], true).unwrap_err();
        assert!(error.0.contains("once only"), "{error}");
    }

    #[test]
    fn json_that_is_none_points_at_the_plain_form() {
        let error = Assignment::read_all(&["k:=hello".into()], false).unwrap_err();
        assert!(error.0.contains("`k=`"), "{error}");
    }
}
