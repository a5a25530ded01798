//! What can be wrong with WIT, with a component, or with JSON.

use crate::drift::Difference;

/// Why a component or a WIT text could not be reflected.
#[derive(Debug, thiserror::Error)]
pub enum ReflectError {
    /// The bytes are not a component.
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(String),
    /// The WIT text does not parse.
    #[error("the WIT does not parse: {0}")]
    Wit(String),
    /// A type is nested too deeply.
    #[error("the type `{name}` is nested deeper than {limit} levels")]
    TooDeep {
        /// The type at which the limit was reached.
        name: String,
        /// The limit.
        limit: usize,
    },
    /// A type is too large, its parts counted as often as they are used.
    #[error("{name} has more than {limit} parts, those that are used again counted again")]
    TooLarge {
        /// The type at which the limit was reached, or what else was counted.
        name: String,
        /// The limit.
        limit: usize,
    },
    /// A value of the type takes too much memory, before any list or text in it.
    #[error("a value of the type `{name}` takes more than {limit} bytes; use a list where it holds many of one kind")]
    TooWide {
        /// The type.
        name: String,
        /// The limit.
        limit: usize,
    },
    /// There are too many functions.
    #[error("it has more than {limit} functions; make several plugins of it")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// A capability's interface is not described by the WIT that came with the component.
    #[error(
        "the component exports `{interface}`, but no WIT that came with it describes that interface; pack it again with the WIT of its capabilities"
    )]
    Undescribed {
        /// The interface.
        interface: String,
    },
    /// The component and the WIT disagree.
    #[error("the component does not match the WIT beside it; rebuild it after a change of the WIT. In the component:{}", list(.0))]
    Drift(Vec<Difference>),
    /// An operation cannot be served.
    #[error("`{operation}` cannot be served: {reason}")]
    Unservable {
        /// Interface and function.
        operation: String,
        /// Why, and what to do instead.
        reason: String,
    },
}

fn list(differences: &[Difference]) -> String {
    differences.iter().map(|d| format!("\n  - {d}")).collect()
}

/// What is wrong with a JSON text, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", place(.pointer))]
pub struct JsonError {
    /// JSON Pointer (RFC 6901) to the value; empty for the whole text.
    pub pointer: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl JsonError {
    /// An error about the whole text.
    pub fn new(message: impl Into<String>) -> Self {
        Self { pointer: String::new(), message: message.into() }
    }
}

/// Why an answer was not written as JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The text would be longer than it may.
    #[error("the answer is longer than {most} bytes; ask for less of it")]
    TooLong {
        /// The bound, in bytes.
        most: usize,
    },
    /// There is more in the answer than may be looked at.
    #[error("the answer has more than {most} values; ask for less of it")]
    TooMany {
        /// The bound.
        most: usize,
    },
    /// What the guest left in its memory is no such value.
    #[error("the plugin's answer is broken {0}")]
    Invalid(JsonError),
}

fn place(pointer: &str) -> String {
    if pointer.is_empty() { String::new() } else { format!("at `{pointer}`: ") }
}

/// The longest name in a path, in bytes: a member that should not be there may have a name of megabytes.
const MAX_SEGMENT: usize = 100;

/// A path that is built from the inside out while an error travels up.
#[derive(Debug, Default)]
pub(crate) struct Trail(Vec<String>);

impl Trail {
    pub(crate) fn push(&mut self, segment: impl ToString) {
        let mut segment = segment.to_string();
        if segment.len() > MAX_SEGMENT {
            segment.truncate(segment.floor_char_boundary(MAX_SEGMENT));
            segment.push('…');
        }
        self.0.push(segment);
    }

    pub(crate) fn pointer(&self) -> String {
        pointer(self.0.iter().rev())
    }
}

/// A JSON Pointer of these segments, the outermost first.
pub(crate) fn pointer(segments: impl Iterator<Item = impl AsRef<str>>) -> String {
    segments.map(|segment| format!("/{}", segment.as_ref().replace('~', "~0").replace('/', "~1"))).collect()
}
