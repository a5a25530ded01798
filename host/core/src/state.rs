//! A plugin's own small store, kept in the host's.
//!
//! The keys of one integration stand under its *incarnation*, a random name it gets when it is added and never shares: an
//! integration that is removed and added again under the same name starts empty, and a call of the old one that is still
//! under way can write to nothing any more, because every commit requires the incarnation to be there.

use std::sync::Arc;

use async_trait::async_trait;
use jackfield_engine::{StateExpect, StateItem, StateMutation, StateStore, Versioned, types};
use jackfield_store::{Bucket, Expect, Mutation, Quota, Store, StoreError};

use crate::{
    bounds::{Bound, Bounds},
    leaks::Watch,
    track::Tracks,
};

/// The longest key of a guest's, in bytes.
const MAX_KEY: usize = 512;
/// The most keys of one integration.
const MAX_KEYS: u64 = 20_000;

/// The state of one integration.
pub(crate) struct GuestState {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) incarnation: String,
    pub(crate) max_bytes: u64,
    /// Nothing is kept: what runs is only tried out.
    pub(crate) read_only: bool,
    pub(crate) tracks: Arc<Tracks>,
    pub(crate) bounds: Arc<Bounds>,
    pub(crate) leaks: Arc<Watch>,
    /// One request to the store at a time: the store is everybody's, and its queue is served in order, so an integration
    /// stands in it once, however many of its calls want something.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

/// What says that an incarnation lives, in [`Bucket::Meta`].
pub(crate) fn marker(incarnation: &str) -> String {
    format!("incarnation/{incarnation}")
}

/// Where an incarnation's keys stand, in [`Bucket::State`].
pub(crate) fn prefix(incarnation: &str) -> String {
    format!("{incarnation}/")
}

impl GuestState {
    fn key(&self, key: &str) -> Result<String, types::Error> {
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(invalid(format!("a key of the state has 1 to {MAX_KEY} bytes, this one has {}", key.len())));
        }
        Ok(prefix(&self.incarnation) + key)
    }

    fn quota(&self) -> Quota {
        Quota { prefix: prefix(&self.incarnation), max_bytes: self.max_bytes, max_keys: MAX_KEYS }
    }

    fn fault(&self, error: StoreError) -> types::Error {
        match error {
            StoreError::Conflict { bucket: Bucket::State, key, found } => {
                let key = key.strip_prefix(&prefix(&self.incarnation)).unwrap_or(&key);
                let at = found.map_or("is not there".to_owned(), |revision| format!("is at revision {revision}"));
                fault(types::ErrorKind::Conflict, format!("the key `{key}` of the state {at}"))
            }
            StoreError::Conflict { .. } => {
                fault(types::ErrorKind::Unavailable, "the integration was removed; its state is gone".into())
            }
            StoreError::Quota { keys, bytes, .. } => {
                let message = format!(
                    "the integration's state would hold {keys} keys and {bytes} bytes; at most {MAX_KEYS} keys and {} bytes are kept: remove something, or raise `state-kib` in the plugin's limits",
                    self.max_bytes
                );
                self.bounds.hit(Bound::State, || message.clone());
                types::Error { code: Some("state-quota".into()), ..invalid(message) }
            }
            StoreError::Invalid(message) => invalid(message),
            error => {
                tracing::error!(%error, "the state of an integration cannot be used");
                fault(types::ErrorKind::Unavailable, "the host cannot read or write its store now".into())
            }
        }
    }
}

#[async_trait]
impl StateStore for GuestState {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, types::Error> {
        let _turn = self.turn.lock().await;
        let found = self.store.get(Bucket::State, &self.key(key)?).await.map_err(|e| self.fault(e))?;
        Ok(found.map(|record| Versioned { value: record.value, revision: record.revision }))
    }

    async fn list(&self, start: &str, after: Option<&str>, limit: u32) -> Result<Vec<StateItem>, types::Error> {
        let own = prefix(&self.incarnation);
        let (start, after) = (format!("{own}{start}"), after.map(|after| format!("{own}{after}")));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let _turn = self.turn.lock().await;
        let found = self.store.list(Bucket::State, &start, after.as_deref(), limit).await;
        let items = found.map_err(|e| self.fault(e))?.into_iter().map(|(key, record)| StateItem {
            key: key.strip_prefix(&own).unwrap_or_default().to_owned(),
            value: record.value,
            revision: record.revision,
        });
        Ok(items.collect())
    }

    async fn commit(&self, mutations: Vec<StateMutation>) -> Result<u64, types::Error> {
        if self.read_only {
            self.tracks.refuse_commit();
            let message = "nothing is kept while a version is tried out; it can be once it runs";
            return Err(fault(types::ErrorKind::PermissionDenied, message.into()));
        }
        let expect = |expect| match expect {
            StateExpect::Any => Expect::Any,
            StateExpect::Absent => Expect::Absent,
            StateExpect::Revision(revision) => Expect::Revision(revision),
        };
        let mut all = vec![Mutation::require(Bucket::Meta, marker(&self.incarnation), Expect::Present)];
        for mutation in mutations {
            all.push(match mutation {
                StateMutation::Set(set) => {
                    let value = self.leaks.bytes("state", "what the plugin keeps", set.value);
                    Mutation::set(Bucket::State, self.key(&set.key)?, value)
                        .expect(expect(set.expect))
                        .quota(self.quota())
                }
                StateMutation::Delete(delete) => {
                    Mutation::delete(Bucket::State, self.key(&delete.key)?).expect(expect(delete.expect))
                }
            });
        }
        let _turn = self.turn.lock().await;
        self.tracks.state_commit();
        self.store.commit(all).await.map_err(|e| self.fault(e))
    }
}

fn invalid(message: String) -> types::Error {
    fault(types::ErrorKind::Invalid(types::FieldViolation { field: String::new() }), message)
}

fn fault(kind: types::ErrorKind, message: String) -> types::Error {
    types::Error { kind, message, source: types::ErrorSource::Plugin, code: None }
}

#[cfg(test)]
mod tests {
    use jackfield_engine::{DeleteMutation, SetMutation};
    use jackfield_store::MemoryStore;

    use super::*;
    use crate::events::{Events, Teller};

    async fn state(store: &Arc<MemoryStore>, incarnation: &str) -> GuestState {
        store.commit(vec![Mutation::set(Bucket::Meta, marker(incarnation), "")]).await.unwrap();
        let (store, incarnation) = (store.clone(), incarnation.to_owned());
        let teller = Teller { integration: "test".into(), plugin: "test".into(), events: Events::new() };
        let leaks = Arc::new(Watch::new(Arc::default(), teller.clone()));
        let bounds = Arc::new(Bounds::new(teller));
        let (tracks, turn) = (Arc::default(), tokio::sync::Mutex::default());
        GuestState { store, incarnation, max_bytes: 100, read_only: false, tracks, bounds, leaks, turn }
    }

    fn set(key: &str, value: &str, expect: StateExpect) -> Vec<StateMutation> {
        vec![StateMutation::Set(SetMutation { key: key.into(), value: value.into(), expect })]
    }

    #[tokio::test]
    async fn two_integrations_do_not_see_each_others_keys() {
        let store = Arc::new(MemoryStore::new());
        let (a, b) = (state(&store, "a").await, state(&store, "b").await);
        a.commit(set("k", "1", StateExpect::Any)).await.unwrap();
        b.commit(set("k", "2", StateExpect::Absent)).await.unwrap();
        assert_eq!(a.get("k").await.unwrap().unwrap().value, b"1");
        let keys: Vec<String> = b.list("", None, 10).await.unwrap().into_iter().map(|item| item.key).collect();
        assert_eq!(keys, ["k"]);
        assert!(b.get("../a/k").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_key_that_changed_is_a_conflict_that_names_the_guests_own_key() {
        let store = Arc::new(MemoryStore::new());
        let state = state(&store, "a").await;
        let revision = state.commit(set("k", "1", StateExpect::Absent)).await.unwrap();
        let error = state.commit(set("k", "2", StateExpect::Absent)).await.unwrap_err();
        assert!(matches!(error.kind, types::ErrorKind::Conflict));
        assert_eq!(error.message, format!("the key `k` of the state is at revision {revision}"));
        let expect = StateExpect::Revision(revision);
        let delete = StateMutation::Delete(DeleteMutation { key: "k".into(), expect });
        state.commit(vec![delete]).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_too_much_is_refused_with_the_limit_to_raise() {
        let store = Arc::new(MemoryStore::new());
        let state = state(&store, "a").await;
        let error = state.commit(set("k", &"x".repeat(101), StateExpect::Any)).await.unwrap_err();
        assert!(error.message.contains("state-kib"), "{}", error.message);
        assert!(state.commit(set(&"k".repeat(513), "", StateExpect::Any)).await.is_err());
        assert!(state.commit(set("", "", StateExpect::Any)).await.is_err());
    }

    #[tokio::test]
    async fn a_call_that_outlives_its_integration_leaves_nothing_behind() {
        let store = Arc::new(MemoryStore::new());
        let state = state(&store, "a").await;
        store.commit(vec![Mutation::delete(Bucket::Meta, marker("a"))]).await.unwrap();
        let error = state.commit(set("k", "1", StateExpect::Any)).await.unwrap_err();
        assert!(matches!(error.kind, types::ErrorKind::Unavailable), "{}", error.message);
        assert!(store.list(Bucket::State, "", None, 10).await.unwrap().is_empty());
    }
}
