//! The playground: a key-value store with transactions, leases and locks, a service registry and an orchestrator that runs
//! nothing, kept wholly in the plugin's own state. It needs no outside system, so it is what a newcomer tries first, what tests of the host run on,
//! and what a plugin author reads.
//!
//! Everything goes through the module `store`: one operation reads what it needs, decides, and commits all its changes at once,
//! starting over when another call came first. There, too, are the change log that `poll-changes` reads, the expiry of
//! leases and registrations, and the memory of idempotency keys. The other modules are one interface each and hold only
//! what is peculiar to it.
//!
//! With `dry-run` everything is checked and answered as if it had happened, except that what would be written has the
//! revision `0`, which no key ever has.

mod discovery;
mod feed;
mod kv;
mod leases;
mod limits;
mod locks;
mod orchestrator;
mod store;
mod transactions;

use jackfield_sdk::prelude::*;

jackfield_sdk::plugin!(Playground);

/// The plugin.
pub struct Playground;

impl Plugin for Playground {
    fn check_health() -> Result<Health> {
        store::read(|_| Ok(Health::healthy("the playground's data can be read")))
    }
}
