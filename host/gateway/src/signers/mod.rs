//! Schemes that sign a whole request instead of putting a secret in it.

pub(crate) mod sigv4;
