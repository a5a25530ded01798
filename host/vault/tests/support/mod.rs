//! A store that can break off at any commit.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use jackfield_store::{Bucket, MemoryStore, Mutation, Record, Store, StoreError, StoreStats, Usage};

/// A store whose process is killed: after so many commits nothing is stored any more, and the last commit's answer may be
/// lost although it was made.
pub(crate) struct Killed {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) left: AtomicUsize,
    pub(crate) answer_lost: bool,
}

#[async_trait]
impl Store for Killed {
    async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<Record>, StoreError> {
        self.store.get(bucket, key).await
    }

    async fn list(
        &self,
        bucket: Bucket,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, StoreError> {
        self.store.list(bucket, prefix, after, limit).await
    }

    async fn commit(&self, mutations: Vec<Mutation>) -> Result<u64, StoreError> {
        let killed = || StoreError::Io("killed".into());
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Err(_) => Err(killed()),
            Ok(1) if self.answer_lost => self.store.commit(mutations).await.and(Err(killed())),
            Ok(_) => self.store.commit(mutations).await,
        }
    }

    async fn usage(&self, bucket: Bucket, prefix: &str) -> Result<Usage, StoreError> {
        self.store.usage(bucket, prefix).await
    }

    fn stats(&self) -> StoreStats {
        self.store.stats()
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
