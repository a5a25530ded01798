//! The package format: a plugin is one file, a WebAssembly component with its manifest and its WIT inside, and with its
//! README, its license and its bill of materials where it has them. `docs/package.md` tells it section by section.
//!
//! The crate knows how a manifest is written ([`Manifest`]), how a component becomes a plugin ([`pack`]) and how a plugin
//! is read ([`Package`]), and how the plugins of an installation are pinned ([`Lock`]). It decides what can be understood, and refuses the rest with the line, the key and the remedy;
//! what a plugin may do is decided elsewhere. Without the feature `package` only the manifest is left, which is all the
//! SDK's macro needs.

mod capability;
mod manifest;
mod wit_folders;

#[cfg(feature = "package")]
mod digest;
#[cfg(feature = "package")]
mod lock;
#[cfg(feature = "package")]
mod pack;
#[cfg(feature = "package")]
mod package;
#[cfg(feature = "package")]
mod rights;
#[cfg(feature = "package")]
mod sbom;
#[cfg(feature = "package")]
mod sections;
#[cfg(feature = "package")]
mod wit_text;

pub use capability::{CapabilityRef, CapabilityRefError};
#[cfg(feature = "package")]
pub use digest::{Digest, DigestError, Hashing};
#[cfg(feature = "package")]
pub use lock::{Drift, LOCK_FILE, Lock, LockError, LockedPlugin, LockedSigner, MAX_LOCK_BYTES};
pub use manifest::{
    Compatibility, EndpointRule, Limits, Manifest, ManifestError, ManifestFault, PluginSection, Writes,
};
#[cfg(feature = "package")]
pub use pack::{Contents, PackError, pack, strip};
#[cfg(feature = "package")]
pub use package::{MAX_PACKAGE_BYTES, Package, PackageError};
#[cfg(feature = "package")]
pub use rights::{Right, Rights};
#[cfg(feature = "package")]
pub use sbom::{Sbom, SbomError, SbomFormat};
pub use wit_folders::{FIRST_PARTY_WIT_DIR, FIRST_PARTY_WIT_FOLDERS, first_party_wit, wit_folders};
