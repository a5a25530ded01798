//! Plugins in OCI registries: a small, bounded client of the OCI Distribution Specification 1.1.
//!
//! It pulls and pushes manifests and blobs, lists tags and referrers, logs in, and knows how a WebAssembly component is
//! laid out as an artifact ([`wasm`]). It does not decide whom to trust, nor what a plugin is. A registry is a stranger:
//! everything that is read from one is bounded in bytes and time before it is read, what has a digest is hashed, where
//! one may lead to is decided in one place, and credentials go to the registry that they are for and to nobody else.
//!
//! It is built on [`jackfield_net`] and not on the crate `oci-client`, because that one reads manifests, tokens and
//! errors whole before any bound could hold, follows redirects wherever they lead, and brings a second HTTP stack with a
//! TLS configuration of its own.
//!
//! ```no_run
//! use std::sync::Arc;
//! use jackfield_net::Dialer;
//! use jackfield_oci::{Client, Credentials, Options, wasm};
//!
//! # async fn pull() -> Result<(), jackfield_oci::OciError> {
//! let options = Options { credentials: Credentials::docker_default(), ..Options::default() };
//! let client = Client::new(Arc::new(Dialer::new()), options)?;
//! let reference = "oci://ghcr.io/acme/etcd:1.2.0".parse()?;
//! let pulled = wasm::pull(&client, &reference, 64 << 20).await?;
//! println!("{} has {} bytes", reference.pinned(pulled.digest), pulled.bytes.len());
//! # Ok(())
//! # }
//! ```

mod challenge;
mod client;
mod credentials;
mod descriptor;
mod error;
mod home;
mod listing;
mod mirror;
mod proxy;
mod pull;
mod push;
mod reach;
mod reference;
mod referrers;
mod token;
mod transport;
pub mod wasm;

pub use client::{Client, Options, Timeouts};
pub use credentials::Credentials;
pub use descriptor::{Descriptor, EMPTY, EMPTY_BYTES, IMAGE_INDEX, IMAGE_MANIFEST, ImageManifest};
pub use error::OciError;
pub use listing::MAX_TAGS;
pub use mirror::Mirror;
pub use proxy::Proxy;
pub use pull::{MAX_MANIFEST_BYTES, Manifest};
pub use reference::{Reference, ReferenceError, Repository};
pub use referrers::MAX_REFERRERS;
