//! Where the host keeps its state: the [`Store`] trait, its SQLite form for one process, and one in memory.
//!
//! A store is a handful of [`Bucket`]s of keys and bytes. What makes it more than a map: a [`Store::commit`] changes any
//! number of keys or none, only if what the caller expected of them still holds, and when it returns the change survives
//! a crash at any later moment. Everything above (no lost update, a state that goes with its integration, quotas) is
//! built from that. The store knows nothing of what the bytes mean.
//!
//! ```
//! use jackfield_store::{Bucket, Expect, MemoryStore, Mutation, Store, StoreError};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), StoreError> {
//! let store = MemoryStore::new();
//! let first = store.commit(vec![Mutation::set(Bucket::Meta, "motto", "plug in").expect(Expect::Absent)]).await?;
//! assert_eq!(store.get(Bucket::Meta, "motto").await?.map(|record| record.revision), Some(first));
//!
//! // Somebody else was quicker: nothing is changed, and the error says what was found.
//! let late = Mutation::set(Bucket::Meta, "motto", "plug out").expect(Expect::Absent);
//! assert!(matches!(store.commit(vec![late]).await, Err(StoreError::Conflict { found: Some(1), .. })));
//! # Ok(())
//! # }
//! ```

mod check;
mod error;
mod lock;
mod memory;
mod model;
mod private;
mod sqlite;
mod store;

pub use error::StoreError;
pub use lock::{DataLock, LOCK_FILE, LockInfo};
pub use memory::MemoryStore;
pub use model::{Bucket, Change, Expect, MAX_KEY_BYTES, MAX_MUTATIONS, Mutation, Quota, Record, Usage};
pub use private::make_private_file;
pub use sqlite::{DATABASE_FILE, SqliteStore};
pub use store::{Store, StoreStats};
