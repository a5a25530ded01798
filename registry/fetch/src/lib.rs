//! Where plugins come from: a repository of an OCI registry, or a file on a web server. What is fetched from there is a
//! plugin's file with the signatures that are found beside it; neither is believed here. Whether it may be installed is the
//! trust policy's to say, of [`Fetched::origin`], [`Fetched::signed`] and [`Fetched::evidence`].
//!
//! In a registry signatures are where cosign has them: bundles refer to the plugin's manifest, and signatures in cosign's older
//! form are under a tag that is made of its digest. On a web server the bundle lies beside the file: `etcd.wasm.sigstore.json`.
//!
//! An index's files are read from here too, from its server or its folder ([`IndexPlace`]), and a mirror's copies of plugins.

mod error;
mod fetch;
mod index;
mod kept;
mod place;
mod publish;
mod signatures;
mod web;

pub use error::FetchError;
pub use fetch::{Fetched, Fetcher};
pub use index::{IndexPlace, IndexPlaceError};
pub use jackfield_oci::{Options, Reference, ReferenceError};
pub use place::{Place, PlaceError, SIGNATURE_SUFFIX, WebFile};
pub use web::Content;
