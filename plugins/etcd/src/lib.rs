//! The etcd plugin: keys, transactions, leases, locks and services over etcd's v3 JSON gateway, which is HTTP and therefore
//! all a sandboxed plugin needs. Everything that must be true at one moment (preconditions, compare-and-set, idempotency,
//! the queue of a lock) is decided inside etcd, by one transaction; the plugin never reads, thinks and writes without
//! saying on which revision it thought.
//!
//! | module | what it is |
//! |---|---|
//! | `wire`, `client`, `errors` | etcd's messages, one request, what a refusal means |
//! | `once`, `fingerprint` | what makes a write with an idempotency key happen once |
//! | `kv`, `scan`, `span`, `transactions` | keys: one, many in pages, several at once |
//! | `feed`, `stream` | changes: polls and cursors, and the watch below them |
//! | `leases`, `locks`, `queue` | leases, and the locks that stand on them |
//! | `issuer` | users, made for credentials that the host rotates |
//! | `discovery` | services, by the convention of gRPC's etcd resolver |
//!
//! The key conventions are written down in `README.md` beside this crate, for those who read etcd with other tools.

mod client;
mod discovery;
mod errors;
mod feed;
mod fingerprint;
mod health;
mod issuer;
mod kv;
mod leases;
mod locks;
mod names;
mod once;
mod queue;
mod scan;
mod settings;
mod span;
mod stream;
mod transactions;
mod wire;

use jackfield_sdk::prelude::*;

jackfield_sdk::plugin!(EtcdPlugin);

/// The plugin.
pub struct EtcdPlugin;

impl Plugin for EtcdPlugin {
    fn check_health() -> Result<Health> {
        health::check(&client::Etcd::open()?)
    }

    fn validate_config(config: &str) -> Result<()> {
        config::parse::<settings::Settings>(config)?.check()
    }
}
