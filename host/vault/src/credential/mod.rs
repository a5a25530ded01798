//! Credentials: what types there are, what a version holds, how it is stored.

mod about;
mod fields;
mod kind;
mod material;
mod record;

pub(crate) use about::about;
pub use fields::{Field, Form};
pub use kind::CredentialKind;
pub use material::Material;
pub use record::{CredentialInfo, VersionInfo, VersionState};
pub(crate) use record::{Record, Version, check_name};
