//! The plugin index: which versions of which plugins there are, where, with which known faults, and which of them will do.
//!
//! An index is a folder of static files, anywhere: on a web server, in a folder. Its root ([`Root`]) is signed ([`verify`])
//! and has the digest of each plugin's page ([`Page`]); `docs/index.md` tells the format. The crate reads and writes these
//! files and decides. It asks no network, and knows the time from whoever calls: fetching is the caller's.
//!
//! ```
//! use jackfield_index::{Page, Root, Timestamp};
//! # let page = br#"{"format": 1, "name": "etcd", "description": "Keys", "releases": []}"#;
//! # let root = format!(r#"{{"format": 1, "name": "acme", "description": "Ours", "serial": 7,
//! #   "published": "2026-11-28T10:00:00Z", "expires": "2027-02-28T10:00:00Z",
//! #   "plugins": {{"etcd": {{"page": "{}", "size": 75, "description": "Keys"}}}}}}"#, jackfield_registry::Digest::of(page));
//! # let root = root.as_bytes();
//! let index = Root::read(root)?;
//! index.is_fresh("2026-12-24T00:00:00Z".parse()?)?;
//! let seen = index.seen(root); // To be remembered: a later root must follow it.
//! index.follows(root, &seen)?;
//! assert_eq!(index.page("etcd", page)?.releases.len(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod advisory;
mod build;
mod error;
mod folder;
mod json;
mod location;
mod mirror;
mod page;
mod ranges;
mod resolve;
mod root;
mod signature;
mod source;
mod text;
mod timestamp;
mod want;

use jackfield_registry::Digest;
pub use jackfield_trust::{Severity, SeverityError};

pub use advisory::{Advisory, Subject, SubjectError};
pub use build::{Build, BuildError, Built, Outcome};
pub use error::{IndexError, IndexFile};
pub use location::{Location, LocationError};
pub use mirror::Mirror;
pub use page::{Deprecation, MAX_PAGE_BYTES, Page, Release};
pub use resolve::{Change, Choice, Conflict, Excluded, Nearest, Problem, Reason, Site, Source, Unmet, resolve};
pub use root::{Listing, MAX_ROOT_BYTES, Root, Seen};
pub use signature::verify;
pub use source::{Notes, ReleaseNotes, Settings};
pub use timestamp::{Timestamp, TimestampError};
pub use want::{Need, Want, WantError, Wanted};

/// The format of indexes that is read and written.
pub const FORMAT: u64 = 1;
/// The root's path in an index.
pub const ROOT_FILE: &str = "index.json";
/// The path of the root's signature.
pub const SIGNATURE_FILE: &str = "index.json.sigstore.json";

/// The path of a plugin's page in an index.
pub fn page_path(plugin: &str) -> String {
    format!("plugins/{plugin}.json")
}

/// The path at which a file of this digest may lie in an index, and does in a mirror. It is looked for there first, wherever
/// the release says that it is; its signature lies beside it, with `.sigstore.json` behind the name.
pub fn package_path(digest: &Digest) -> String {
    format!("packages/sha256/{}.wasm", digest.hex())
}
