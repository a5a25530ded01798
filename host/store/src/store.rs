//! The contract of a store, whatever is behind it.

use async_trait::async_trait;

use crate::{Bucket, Mutation, Record, StoreError, Usage};

/// A durable map with atomic, conditional commits.
///
/// All methods may be called at once from many tasks. A commit is seen by every read that starts after it returned.
/// Dropping a future never undoes a commit that is under way: it may still happen.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Reads one key.
    async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<Record>, StoreError>;

    /// Reads keys that start with `prefix`, in the order of their bytes, from the first one after `after`, at most
    /// `limit`. All of one answer is of one moment; two pages need not be.
    async fn list(
        &self,
        bucket: Bucket,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, StoreError>;

    /// Makes all changes or none, and returns the store's new revision once they are durable. Expectations are judged
    /// against the state before the commit, quotas against the state after it. A key may occur once.
    async fn commit(&self, mutations: Vec<Mutation>) -> Result<u64, StoreError>;

    /// How much the keys that start with `prefix` take.
    async fn usage(&self, bucket: Bucket, prefix: &str) -> Result<Usage, StoreError>;

    /// What the store has done since it was opened.
    fn stats(&self) -> StoreStats;

    /// Ends the store: finishes what was asked before, lets go of its files. Afterwards everything fails with
    /// [`StoreError::Closed`].
    async fn close(&self);
}

/// What a store has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Commits made.
    pub commits: u64,
    /// Commits refused: an expectation or a quota did not hold.
    pub refused: u64,
    /// Writes to the disk: commits that come together share one.
    pub transactions: u64,
}
