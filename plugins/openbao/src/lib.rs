//! The OpenBao plugin: the keys of a KV version 2 secrets engine, and tokens, made for credentials that the host rotates. It speaks
//! the HTTP API that OpenBao has in common with HashiCorp Vault. What must be true at one moment is decided inside OpenBao, by its
//! check-and-set on a secret's version; where the engine has no such means (deleting does not change the version), the module that
//! stands on it says what is left.
//!
//! | module | what it is |
//! |---|---|
//! | `client`, `wire`, `errors` | one request, its answer, what a refusal means |
//! | `names`, `value` | which keys there can be, and how bytes are kept in a secret |
//! | `kv`, `scan` | keys: one, and many in pages |
//! | `health` | whether OpenBao answers and the token may use the engine |
//! | `issuer`, `parameters` | tokens, and what the operator says of them |
//!
//! How values are kept, and the policies that tokens need, is written down in `README.md` beside this crate.

mod client;
mod errors;
mod health;
mod issuer;
mod kv;
mod names;
mod parameters;
mod scan;
mod settings;
mod value;
mod wire;

use jackfield_sdk::prelude::*;

jackfield_sdk::plugin!(OpenBaoPlugin);

/// The plugin.
pub struct OpenBaoPlugin;

impl Plugin for OpenBaoPlugin {
    fn check_health() -> Result<Health> {
        health::check(&client::OpenBao::open()?)
    }

    fn validate_config(config: &str) -> Result<()> {
        config::parse::<settings::Settings>(config)?.check()
    }
}
