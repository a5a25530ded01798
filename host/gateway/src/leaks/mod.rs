//! Secrets on their way to a plugin, or into a log: found in whatever form they come, and made unreadable.
//!
//! An outside system that repeats a request's headers, in an error page, a redirect, a slice of itself, hands the plugin the
//! secret that it was never given. The host knows every secret it holds, so it looks for each in everything that comes back:
//! as it is, in base64 at any offset, in hexadecimal, and all of that once more behind percent or JSON escapes, across the
//! borders of pieces, after undoing compression. What is found is replaced by [`REDACTED`].
//!
//! What it cannot find: a secret that the outside system encrypts, hashes, or spells in a way of its own. Against a system
//! that is hostile itself there is no defence here: it has the secret already.

mod decode;
mod filter;
mod forms;
mod known;
mod needles;
mod scan;
mod views;

pub use decode::DecodeError;
use decode::Decoder;
pub(crate) use filter::Filter;
pub use known::Known;
pub use needles::Needles;
pub use scan::Scan;

/// What stands where a secret stood.
pub const REDACTED: &str = "[redacted]";

/// Shorter secrets are not looked for: they would be found in ordinary text.
pub const SHORTEST: usize = 6;
