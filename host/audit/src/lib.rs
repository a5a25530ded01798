//! The audit trail: what is recorded, how records are bound to one another, and how anybody can see later that nothing was
//! changed, removed or put between.
//!
//! A trail is lines of JSON. Each begins with its number and the SHA-256 of the line before it (its bytes, without the line's
//! end), so a line that is changed, removed or moved is noticed by the next. A whole end that is cut off, or a trail made
//! anew from some line on, no chain can show; so every so often the host signs (Ed25519) how far the trail has come, and an
//! export ends with such a signature. Whoever keeps an earlier head, a number and a hash, can tell that today's trail is the
//! one of then.
//!
//! The crate stores nothing and decides nothing about what is recorded. `sha256sum` and any Ed25519 verifier can follow it.
//!
//! ```
//! use jackfield_audit::{Chain, Expectations, Key, Kind, Record, verify};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = Key::generate()?;
//! let mut chain = Chain::begin("5f0c", &key);
//! let mut trail = chain.header().to_line();
//! for action in ["key-value.put", "key-value.get"] {
//!     trail.push_str(&chain.append(&Record::new(Kind::Call, action)).text);
//! }
//! trail.push_str(&chain.close(1_700_000_000_000, &key));
//! let verified = verify(trail.as_bytes(), &Expectations::default())?;
//! assert_eq!((verified.records, verified.head.seq), (2, 2));
//!
//! let forged = trail.replace("key-value.put", "key-value.get");
//! assert_eq!(verify(forged.as_bytes(), &Expectations::default()).unwrap_err().seq, Some(1));
//! # Ok(())
//! # }
//! ```

mod chain;
mod key;
mod mask;
mod parameters;
mod record;
mod verify;

pub use chain::{Chain, Head, Header, Line, hash_of};
pub use key::{Key, KeyError};
pub use mask::Mask;
pub use parameters::Parameters;
pub use record::{CredentialUse, Kind, Outcome, Record, Request};
pub use verify::{Expectations, Fault, Verified, What, verify};

/// The longest line that is read, in bytes: far more than any record is.
pub const MAX_LINE: usize = 256 << 10;
