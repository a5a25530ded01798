//! An operation as it is named on the command line, and what the API says of it.

use std::fmt;

use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    api::{Api, Request, segment},
    failure::{Failure, Problem},
    params::{Assignment, Subject, build},
    schema::{Kind, Schema},
    suggest,
};

/// What the API says of a capability.
#[derive(Debug, Deserialize)]
pub(super) struct Capability {
    pub(super) name: String,
    pub(super) operations: Vec<Operation>,
}

/// What the API says of an operation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Operation {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) feed: bool,
    pub(super) deprecated: Option<Deprecated>,
    pub(super) request_schema: Value,
    pub(super) response_schema: Value,
}

/// That an operation is not to be used any more.
#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct Deprecated {
    since: String,
    removal: String,
}

impl Deprecated {
    /// Reads it from an answer's header `Jackfield-Deprecated`: `since="0.2.0", removal="0.3.0"`.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get("jackfield-deprecated")?.to_str().ok()?;
        let member = |wanted: &str| {
            let mut members = text.split(',').filter_map(|member| member.trim().split_once('='));
            members.find(|(name, _)| *name == wanted).map(|(_, value)| value.trim_matches('"').to_owned())
        };
        Some(Self { since: member("since")?, removal: member("removal")? })
    }
}

impl fmt::Display for Deprecated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deprecated since {}, removed in {} at the earliest", self.since, self.removal)
    }
}

/// `CAPABILITY.OPERATION`; the operation may be left out. A version has dots too, but no letter behind its last.
pub(super) fn split(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once('.') {
        Some((capability, name)) if name.starts_with(|c: char| c.is_ascii_alphabetic()) && !capability.is_empty() => {
            (capability, Some(name))
        }
        _ => (text, None),
    }
}

/// Asks for a capability.
pub(super) async fn capability(api: &Api, name: &str) -> Result<Capability, Failure> {
    let answer = api.request(Request::get(format!("/v1/capabilities/{}", segment(name)))).await?;
    serde_json::from_slice(&answer.body)
        .map_err(|e| Failure::Failed(format!("what {} says of `{name}` is not understood: {e}", api.name())))
}

impl Capability {
    /// One of its operations.
    pub(super) fn operation(&self, name: &str) -> Result<&Operation, Failure> {
        self.operations.iter().find(|operation| operation.name == name).ok_or_else(|| {
            let known: Vec<_> = self.operations.iter().map(|operation| operation.name.as_str()).collect();
            let hint = suggest::hint(name, known.iter().copied());
            not_found(format!("the capability `{}` has no operation `{name}`{hint}", self.name))
        })
    }

    /// Its change feed: the one that is named, or the only one.
    pub(super) fn feed(&self, name: Option<&str>) -> Result<&Operation, Failure> {
        let feeds: Vec<_> = self.operations.iter().filter(|operation| operation.feed).collect();
        let capability = &self.name;
        if let Some(name) = name {
            let operation = self.operation(name)?;
            return if operation.feed {
                Ok(operation)
            } else {
                Err(not_found(format!("`{capability}.{name}` is no change feed; call it instead of watching it")))
            };
        }
        match feeds.as_slice() {
            [only] => Ok(only),
            [] => Err(not_found(format!("the capability `{capability}` has no change feed to watch"))),
            several => {
                let names: Vec<_> = several.iter().map(|o| format!("`{capability}.{}`", o.name)).collect();
                Err(Failure::Usage(format!(
                    "`{capability}` has several change feeds; name one of {}",
                    names.join(", ")
                )))
            }
        }
    }
}

fn not_found(detail: String) -> Failure {
    Failure::Api(Problem::not_found(detail))
}

impl Operation {
    /// The body that assignments make.
    pub(super) fn body(&self, capability: &str, assignments: &[Assignment]) -> Result<Map<String, Value>, Failure> {
        let owner = format!("`{capability}.{}`", self.name);
        let subject = Subject { owner: &owner, noun: "parameter" };
        Ok(build(Schema::new(&self.request_schema), subject, assignments)?)
    }

    /// The parameter that says how a write is carried out; none for a read.
    pub(super) fn options(&self) -> Option<&str> {
        let Kind::Object(parameters) = Schema::new(&self.request_schema).kind() else { return None };
        let is_options = |schema: Schema<'_>| schema.refers_to() == Some("types.write-options");
        let named = parameters.properties().find(|(_, schema)| is_options(*schema)).map(|(name, _)| name);
        named.filter(|_| self.kind == "write")
    }

    /// The schema of one change of a feed.
    pub(super) fn change_schema(&self) -> Option<Schema<'_>> {
        Schema::new(&self.response_schema).member("changes")?.item()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_says_of_a_deprecated_operation_is_told_in_words() {
        let said = |text: &'static str| {
            let headers = HeaderMap::from_iter([(
                http::HeaderName::from_static("jackfield-deprecated"),
                http::HeaderValue::from_static(text),
            )]);
            Deprecated::of(&headers).map(|deprecated| deprecated.to_string())
        };
        let words = "deprecated since 0.2.0, removed in 0.3.0 at the earliest";
        assert_eq!(said("since=\"0.2.0\", removal=\"0.3.0\"").as_deref(), Some(words));
        assert_eq!(said("removal=\"0.3.0\",since=\"0.2.0\", more=1").as_deref(), Some(words));
        assert_eq!(said("soon"), None);
        assert_eq!(Deprecated::of(&HeaderMap::new()), None);
    }

    #[test]
    fn a_version_is_not_taken_for_an_operation() {
        for (text, expected) in [
            ("key-value.get", ("key-value", Some("get"))),
            ("jackfield:key-value@0.1.0.get", ("jackfield:key-value@0.1.0", Some("get"))),
            ("jackfield:key-value@0.1.0", ("jackfield:key-value@0.1.0", None)),
            ("key-value", ("key-value", None)),
            ("key-value.", ("key-value.", None)),
            (".get", (".get", None)),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
    }
}
