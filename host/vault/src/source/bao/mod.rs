//! OpenBao and Vault: secrets that they keep (KV) and such that they make for whoever asks (dynamic secrets), with leases.
//!
//! The host asks with a token of its own, which may read far more than any one credential needs; so the operator says, for
//! each server, below which paths credentials may be read, and below which they may be asked for by a write, as PKI and
//! SSH want it: a write elsewhere could change what is kept there. API: <https://openbao.org/api-docs/>.

mod answer;
mod client;
mod login;
mod path;
mod spec;

pub(crate) use client::Client;
pub use path::BaoField;
pub(crate) use path::BaoPath;
pub use spec::{BaoServer, Login};
