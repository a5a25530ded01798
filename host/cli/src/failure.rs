//! Why a command did not do what it was asked, and what a script learns of it. Four exit codes and no more: 0 it was done,
//! 1 the operation failed, 2 the command line is wrong, 3 no API could be reached. A person reads what, where and the
//! remedy; with `-o json` a program reads the API's own problem document.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::params::ParamError;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The API said no.
    Api(Box<Problem>),
    /// It failed here.
    Failed(String),
    /// The answer itself is the bad news, and it has been printed.
    Told,
    /// The command line is wrong.
    Usage(String),
    /// No API could be reached.
    Unreachable(String),
    /// Nobody reads the output any more, as with `… | head`.
    OutputClosed,
}

/// A problem document (RFC 9457) as the API sent it.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The document's bytes.
    pub(crate) body: Bytes,
    /// What was understood of it.
    pub(crate) parts: Parts,
}

/// The members of a problem document.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Parts {
    pub(crate) detail: String,
    pub(crate) kind: String,
    pub(crate) source: String,
    pub(crate) field: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) idempotency_key: Option<String>,
}

impl Problem {
    /// Reads a problem document; none where the bytes are something else.
    pub(crate) fn read(body: Bytes) -> Option<Box<Self>> {
        let parts: Parts = serde_json::from_slice(&body).ok()?;
        (!parts.kind.is_empty()).then(|| Box::new(Self { body, parts }))
    }

    /// What the caller named is not there; the API would say the same.
    pub(crate) fn not_found(detail: String) -> Box<Self> {
        let document = document("not-found", "caller", "Not found", Some(404), &detail);
        let parts = Parts { detail, kind: "not-found".into(), source: "caller".into(), ..Parts::default() };
        Box::new(Self { body: document, parts })
    }

    /// Whether the same request may succeed in a while.
    pub(crate) fn passes(&self) -> bool {
        matches!(self.parts.kind.as_str(), "unavailable" | "deadline-exceeded" | "rate-limited")
    }
}

impl Failure {
    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Api(_) | Self::Failed(_) | Self::Told => 1,
            Self::Usage(_) => 2,
            Self::Unreachable(_) => 3,
        }
    }

    /// What a program reads on standard error: the API's document as it came, or one in its likeness.
    pub(crate) fn document(&self) -> Option<Bytes> {
        let (kind, source, title, detail): (_, _, _, &str) = match self {
            Self::Api(problem) => return Some(problem.body.clone()),
            Self::Told | Self::OutputClosed => return None,
            Self::Failed(detail) => ("internal", "caller", "The command failed", detail),
            Self::Usage(detail) => ("invalid", "caller", "The command line is wrong", detail),
            Self::Unreachable(detail) => ("unavailable", "host", "No API could be reached", detail),
        };
        Some(document(kind, source, title, None, detail))
    }

    /// What a person reads on standard error, line by line: what, where, remedy.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Api(problem) => problem.lines(),
            Self::Told | Self::OutputClosed => Vec::new(),
            Self::Failed(message) | Self::Usage(message) | Self::Unreachable(message) => {
                vec![("error", message.clone())]
            }
        }
    }
}

impl Problem {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let Parts { detail, kind, source, field, code, retry_after_ms, idempotency_key } = &self.parts;
        let at_fault = match source.as_str() {
            "caller" => "the request",
            "host" => "Jackfield",
            "plugin" => "the plugin",
            "downstream" => "the outside system",
            other => other,
        };
        let kind_line = if at_fault.is_empty() { kind.clone() } else { format!("{kind}, by {at_fault}") };
        let mut lines = vec![("error", detail.clone()), ("kind", kind_line)];
        if let Some(field) = field.as_deref().filter(|field| !field.is_empty()) {
            lines.push(("where", field.to_owned()));
        }
        if let Some(code) = code {
            lines.push(("code", code.clone()));
        }
        if let Some(ms) = retry_after_ms {
            lines.push(("retry", format!("after {} ms", ms)));
        }
        // Whoever let it be made needs it now.
        if let Some(key) = idempotency_key.as_deref().filter(|_| kind == "outcome-unknown") {
            lines.push(("key", key.to_owned()));
        }
        if let Some(remedy) = remedy(kind, source, code.as_deref()) {
            lines.push(("try", remedy.to_owned()));
        }
        lines
    }
}

/// The next thing to do, where the kind alone tells it.
fn remedy(kind: &str, source: &str, code: Option<&str>) -> Option<&'static str> {
    if code == Some("not-fetched") {
        return Some("look whether the registry or the web server can be reached from where Jackfield runs");
    }
    Some(match (kind, source) {
        ("conflict", _) => "look at what is there now, then decide",
        ("outcome-unknown", _) => {
            "look whether it happened; `jackfield operation list --unknown` shows such writes, and `operation resolve` settles them"
        }
        ("deadline-exceeded", _) => "give it longer with --timeout, or ask for less",
        ("unauthenticated" | "permission-denied", "downstream") => {
            "give the integration's account the right in the outside system"
        }
        ("unavailable", "downstream") => "see `jackfield integration check NAME`, and whether the outside system is up",
        ("internal", "plugin") => {
            "report it to the plugin's author, with the plugin's version from `jackfield plugin list`"
        }
        _ => return None,
    })
}

/// A problem document of our own, in the form and the order of the API's. What no server answered has no status.
fn document(kind: &str, source: &str, title: &str, status: Option<u16>, detail: &str) -> Bytes {
    #[derive(Serialize)]
    struct Document<'a> {
        r#type: String,
        title: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        detail: &'a str,
        kind: &'a str,
        source: &'a str,
    }
    let r#type = format!("https://jackfield.dev/problems/{kind}");
    let document = Document { r#type, title, status, detail, kind, source };
    serde_json::to_vec(&document).unwrap_or_default().into()
}

impl From<ParamError> for Failure {
    fn from(error: ParamError) -> Self {
        Self::Usage(error.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &'static str) -> Box<Problem> {
        Problem::read(Bytes::from_static(text.as_bytes())).unwrap()
    }

    #[test]
    fn a_problem_is_told_as_what_where_and_remedy() {
        let problem = problem(
            r#"{"title":"T","detail":"the key moved on","kind":"conflict","source":"downstream","field":"/key","code":"E7","retry-after-ms":50}"#,
        );
        let lines = Failure::Api(problem).lines();
        let names: Vec<_> = lines.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["error", "kind", "where", "code", "retry", "try"]);
        assert_eq!(lines[1].1, "conflict, by the outside system");
    }

    #[test]
    fn a_program_gets_the_document_exactly_as_it_came() {
        let text = r#"{ "kind": "not-found",  "detail": "x" }"#;
        assert_eq!(Failure::Api(problem(text)).document().unwrap(), text);
    }

    #[test]
    fn an_answer_that_is_no_problem_document_is_not_taken_for_one() {
        for text in ["", "<html>", "{}", "[]", "{\"kind\": 7}"] {
            assert!(Problem::read(Bytes::from_static(text.as_bytes())).is_none(), "{text}");
        }
    }

    #[test]
    fn exit_codes_tell_the_four_outcomes_apart() {
        assert_eq!(Failure::OutputClosed.exit_code(), 0);
        assert_eq!(Failure::Failed(String::new()).exit_code(), 1);
        assert_eq!(Failure::Usage(String::new()).exit_code(), 2);
        assert_eq!(Failure::Unreachable(String::new()).exit_code(), 3);
    }
}
