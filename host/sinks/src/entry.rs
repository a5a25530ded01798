//! A record on its way to a sink: its line as it is chained, and what of it a sink's own form names.

use jackfield_audit::{Head, hash_of};
use serde::Deserialize;

/// One line of the trail, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) seq: u64,
    /// What it follows.
    pub(crate) prev: String,
    pub(crate) line: String,
}

#[derive(Deserialize)]
struct Beginning {
    seq: u64,
    prev: String,
}

impl Entry {
    pub(crate) fn read(line: &str) -> Option<Self> {
        let Beginning { seq, prev } = serde_json::from_str(line).ok()?;
        Some(Self { seq, prev, line: line.to_owned() })
    }

    /// How far a trail has come that ends with it.
    pub(crate) fn head(&self) -> Head {
        Head { seq: self.seq, hash: hash_of(&self.line) }
    }

    /// What it follows, as a head.
    pub(crate) fn before(&self) -> Head {
        Head { seq: self.seq.saturating_sub(1), hash: self.prev.clone() }
    }

    pub(crate) fn facts(&self) -> Facts {
        serde_json::from_str(&self.line).unwrap_or_default()
    }
}

/// What forms that have members of their own say of a record; the whole of it goes beside them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Facts {
    pub(crate) at: i64,
    pub(crate) kind: String,
    pub(crate) subject: String,
    pub(crate) action: String,
    pub(crate) target: Option<String>,
    pub(crate) call: Option<u64>,
    pub(crate) outcome: Option<Outcome>,
}

/// How it ended.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct Outcome {
    pub(crate) result: String,
    pub(crate) kind: Option<String>,
    pub(crate) source: Option<String>,
}

/// How much attention a record asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// What is normal.
    Info,
    /// What is normal and changes the host.
    Notice,
    /// What failed.
    Warning,
    /// What nobody knows the end of, and what was lost.
    Error,
}

impl Facts {
    pub(crate) fn severity(&self) -> Severity {
        match (self.outcome.as_ref().map(|outcome| outcome.result.as_str()), self.kind.as_str()) {
            (Some("unknown"), _) => Severity::Error,
            (Some("error"), _) => Severity::Warning,
            (_, "administration" | "host") => Severity::Notice,
            _ => Severity::Info,
        }
    }
}
