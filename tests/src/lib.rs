//! The whole product against real systems: the built program is started as a server, driven over its command line and
//! its API, and compared with what the systems behind it say when they are asked directly.
//!
//! Nothing of the host is linked in; what these tests see is what a user sees. They fail by panicking, as tests do.

pub mod answer;
pub mod authorization_server;
pub mod certificates;
pub mod echoing;
pub mod fake;
pub mod fixture;
pub mod guarded;
pub mod load;
pub mod maker;
pub mod moto;
pub mod node;
pub mod outside;
pub mod soak;
mod stand;
pub mod troubled;
pub mod unruly;
pub mod web_folder;
mod wire;
pub mod witness;

pub use stand::{Stand, packed, plugins_folder, workspace};

use base64::{Engine, engine::general_purpose::STANDARD};

/// Base64, as `list<u8>` is written in JSON.
pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// The bytes behind a `list<u8>` in JSON, which must be text.
pub fn text(base64: &serde_json::Value) -> String {
    let bytes = STANDARD.decode(base64.as_str().expect("base64 is a string")).expect("base64");
    String::from_utf8(bytes).expect("text")
}
