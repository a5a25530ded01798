//! Schemes that sign a whole request instead of putting a secret in it.

mod payload;
pub(crate) mod sigv4;

pub use payload::Payload;
