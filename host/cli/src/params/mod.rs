//! From `k=v` on the command line to JSON. The schema says what a text means, so that `limit=5` is a number and
//! `value=hello` the bytes of a text; nothing is guessed from how the text looks. Everything here is pure but
//! [`Assignment::read`], which fetches `@file`.
//!
//! | written | means |
//! |---|---|
//! | `k=text` | the text, as the schema types it |
//! | `k=@file`, `k=@-` | the file's or standard input's content; `k=@@x` is the text `@x` |
//! | `k:=json`, `k:=@file` | the JSON as it is (bytes are base64) |
//! | `a.b=text` | the member `b` of `a`, or the case `b` of the variant `a` |
//! | `k=a k=b` | a list |

mod assignment;
mod build;
mod merge;
#[cfg(test)]
mod tests;
mod typed;

pub(crate) use assignment::{Assignment, Given};
pub(crate) use build::build;
pub(crate) use merge::merge;

/// What is said about a `k=v` that cannot be used: always the caller's to correct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParamError(pub(crate) String);

impl std::fmt::Display for ParamError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the names belong to, for errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    /// Who takes them, e.g. `key-value.put`.
    pub(crate) owner: &'a str,
    /// What they are: `parameter` or `setting`.
    pub(crate) noun: &'a str,
}
