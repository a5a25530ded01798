//! Settled writes are remembered for a day, and the newest of each integration up to a bound; a write that is sent again
//! later than that is a new one. Open ones are remembered until somebody settles them.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jackfield_store::{Bucket, Store};

use super::entry::{Id, at_prefix, done_prefix, time_and_key};
use crate::{Result, TimestampMs, clock::now_ms, faults, shared::Shared, tasks};

/// How often it is looked what may be forgotten.
const INTERVAL: Duration = Duration::from_secs(60);
/// How long a settled write is remembered.
pub(super) const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// How many of one integration are, and how many bytes of them.
const MOST: u64 = 500_000;
const MOST_BYTES: u64 = 256 << 20;
/// Looked at in one go.
const AT_ONCE: usize = 512;

/// Forgets what may be, until the host stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    loop {
        tokio::select! {
            () = tasks::stopped(&mut stop) => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let view = shared.view.load_full();
        let incarnations: BTreeSet<_> = view.integrations.values().map(|i| i.record.incarnation.as_str()).collect();
        let forget_before = now_ms() - TimestampMs::try_from(REMEMBERED.as_millis()).unwrap_or(TimestampMs::MAX);
        for incarnation in incarnations {
            let swept = sweep(&*shared.store, incarnation, forget_before, MOST, MOST_BYTES).await;
            if let Err(error) = swept {
                tracing::warn!(%error, "old writes in the journal cannot be forgotten");
                break;
            }
        }
    }
}

/// Forgets the writes of an integration that were settled before a time, and the oldest beyond a bound.
async fn sweep(
    store: &dyn Store,
    incarnation: &str,
    forget_before: TimestampMs,
    most: u64,
    most_bytes: u64,
) -> Result<()> {
    let prefix = at_prefix(incarnation);
    let mut over = None;
    loop {
        let oldest = store.list(Bucket::Journal, &prefix, None, AT_ONCE).await.map_err(faults::store)?;
        // An integration that writes nothing costs one look.
        if oldest.is_empty() {
            return Ok(());
        }
        let over = match &mut over {
            Some(over) => over,
            over => {
                let usage = store.usage(Bucket::Journal, &done_prefix(incarnation)).await.map_err(faults::store)?;
                let by_size = usage.keys * usage.bytes.saturating_sub(most_bytes) / usage.bytes.max(1);
                over.insert(usage.keys.saturating_sub(most).max(by_size))
            }
        };
        let mut mutations = Vec::new();
        for (at, _) in &oldest {
            let Some((time, key)) = time_and_key(incarnation, at) else { continue };
            if time >= forget_before && *over == 0 {
                break;
            }
            *over = over.saturating_sub(1);
            mutations.extend(Id { incarnation: incarnation.to_owned(), key: key.to_owned() }.forget(time));
        }
        if mutations.is_empty() {
            return Ok(());
        }
        store.commit(mutations).await.map_err(faults::store)?;
    }
}

#[cfg(test)]
mod tests {
    use jackfield_store::{MemoryStore, Mutation};

    use super::*;

    async fn store_with(times: impl Iterator<Item = TimestampMs>) -> MemoryStore {
        let store = MemoryStore::new();
        for time in times {
            let (done, at) = (format!("done/i/{time}"), format!("at/i/{time:015}/{time}"));
            let mutations =
                vec![Mutation::set(Bucket::Journal, done, "12345678"), Mutation::set(Bucket::Journal, at, "")];
            store.commit(mutations).await.unwrap();
        }
        store
    }

    async fn left(store: &MemoryStore) -> Vec<String> {
        let all = store.list(Bucket::Journal, "", None, usize::MAX).await.unwrap();
        all.into_iter().filter_map(|(key, _)| key.strip_prefix("done/i/").map(str::to_owned)).collect()
    }

    #[tokio::test]
    async fn what_is_older_than_that_is_forgotten_and_nothing_else_is() {
        let store = store_with(0..1500).await;
        store.commit(vec![Mutation::set(Bucket::Journal, "open/i/x", "")]).await.unwrap();
        sweep(&store, "i", 1498, u64::MAX, u64::MAX).await.unwrap();
        assert_eq!(left(&store).await, ["1498", "1499"]);
        assert_eq!(
            store.usage(Bucket::Journal, "").await.unwrap().keys,
            5,
            "two writes with their times, and the open one"
        );
    }

    #[tokio::test]
    async fn the_newest_are_kept_where_there_are_too_many_or_they_are_too_large() {
        let store = store_with(100..110).await;
        sweep(&store, "i", 0, 3, u64::MAX).await.unwrap();
        assert_eq!(left(&store).await, ["107", "108", "109"]);
        // Eight bytes of value and three of key each.
        sweep(&store, "i", 0, 3, 22).await.unwrap();
        assert_eq!(left(&store).await, ["108", "109"]);
    }
}
