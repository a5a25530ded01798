//! Whether who speaks one version of a capability can call another, and how what is said is translated.
//!
//! It is decided by structure and never by number: an operation that is the same in 0.1 and 0.2 is the same, and one that
//! changed in a patch release is another. Two readings of an operation are compared where a value goes from one to the
//! other: parameters from the caller's form to the plugin's, the answer from the plugin's to the caller's. What comes out is
//! a [`Translation`] for each way, or the [`Mismatch`] that makes it impossible, in words that name both types.
//!
//! Nothing is guessed. What one form has and the other has not is left out where that says nothing false (a parameter that
//! may be left out, a field of an answer that nobody asked for), and refused where it would: a parameter that was given and
//! the plugin does not know, a case that the caller's form has no word for. Nothing is renamed.

mod plan;
mod walk;

use std::fmt;

use crate::{CapabilityId, JsonError, Operation, shape::Shape};
use plan::{Plan, Planner};

/// Which way a value goes. What may be left out of it depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From a caller to a plugin.
    Request,
    /// From a plugin to a caller.
    Answer,
}

/// How values of one type become values of another, as JSON.
#[derive(Clone, Debug)]
pub struct Translation {
    plan: Plan,
}

/// How an operation of a plugin that speaks one version is called by who speaks another.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// What becomes of the parameters.
    pub request: Translation,
    /// What becomes of the answer. Errors have one form in all versions, the host's own.
    pub answer: Translation,
}

/// Why two forms of an operation, or of a type, cannot be translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where: of the request, of the answer, or of the operation itself.
    pub part: Part,
    /// JSON Pointer to the place; `*` stands for each item of a list.
    pub pointer: String,
    /// What it is where the value comes from; none where there is no such thing.
    pub from: Option<String>,
    /// What it is where the value goes; none where there is no such thing.
    pub to: Option<String>,
    /// What is to be translated from and to, where that is an operation: the version where the value comes from first.
    pub versions: Option<Box<(CapabilityId, CapabilityId)>>,
}

/// What of an operation differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The parameters.
    Request,
    /// The answer.
    Answer,
    /// What kind of operation it is.
    Kind,
}

/// Why a value was not translated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TranslateError {
    /// It is not of the form that is translated.
    #[error(transparent)]
    Malformed(#[from] JsonError),
    /// It is, and the other form has nothing for it.
    #[error("at `{pointer}`: {what}")]
    Untranslatable {
        /// JSON Pointer to the place.
        pointer: String,
        /// What is said there that the other form cannot say.
        what: String,
    },
}

/// How `have` is called by who speaks `wanted`, another version's form of the same operation.
pub fn adapt(have: &Operation, wanted: &Operation) -> Result<Adapter, Box<Mismatch>> {
    let kind = |operation: &Operation| match (operation.kind.as_str(), operation.feed) {
        (_, true) => "a change feed",
        ("write", _) => "a write",
        _ => "a read",
    };
    let between = |from: &Operation, to: &Operation| Some(Box::new((from.capability.clone(), to.capability.clone())));
    if kind(have) != kind(wanted) {
        return Err(Box::new(Mismatch {
            part: Part::Kind,
            pointer: String::new(),
            from: Some(kind(wanted).to_owned()),
            to: Some(kind(have).to_owned()),
            versions: between(wanted, have),
        }));
    }
    let request = Planner::new(Direction::Request).params(&wanted.params, &have.params);
    let request = request.map_err(|mismatch| Mismatch { versions: between(wanted, have), ..mismatch })?;
    let answer = Planner::new(Direction::Answer).answer(have.ok.as_ref(), wanted.ok.as_ref());
    let answer = answer.map_err(|mismatch| Mismatch { versions: between(have, wanted), ..mismatch })?;
    Ok(Adapter { request: Translation { plan: request }, answer: Translation { plan: answer } })
}

impl Translation {
    /// How values of `from` become values of `to`.
    pub fn between(from: &Shape, to: &Shape, direction: Direction) -> Result<Self, Box<Mismatch>> {
        let plan = Planner::new(direction).shape(from, to)?;
        Ok(Self { plan })
    }

    /// Whether every value stays as it is.
    pub fn is_none(&self) -> bool {
        matches!(self.plan, Plan::Same)
    }

    /// Translates a JSON text. What needs no translation keeps its bytes.
    pub fn apply(&self, json: &[u8]) -> Result<Vec<u8>, TranslateError> {
        walk::translate(&self.plan, json)
    }
}

/// `at `/ttl` of the request: acme:dns@0.2.0 has `u32`, acme:dns@0.1.0 has no such thing`.
impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            Part::Request => "the request",
            Part::Answer => "the answer",
            Part::Kind => "the operation",
        };
        match self.pointer.as_str() {
            "" => write!(f, "{part}")?,
            pointer => write!(f, "at `{pointer}` of {part}")?,
        }
        let (from, to) = match self.versions.as_deref() {
            Some((from, to)) => (from.to_string(), to.to_string()),
            None => ("the one".to_owned(), "the other".to_owned()),
        };
        let words = |found: &Option<String>| found.clone().unwrap_or_else(|| "no such thing".to_owned());
        let verb = if self.part == Part::Kind { "is" } else { "has" };
        write!(f, ": {from} {verb} {}, {to} {verb} {}", words(&self.from), words(&self.to))
    }
}

impl std::error::Error for Mismatch {}
