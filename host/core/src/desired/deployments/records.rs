//! What Jackfield remembers of the deployments that it applied: which they are, so that nobody else's are ever pruned, and
//! what was wanted of each, so that it can be exported. What they are now only their orchestrator knows.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jackfield_registry::Digest;
use jackfield_store::{Bucket, Expect, Mutation, Store};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::form::Params;
use crate::{Error, Result, clock::now_ms, desired::documents::DesiredDeployment, faults, registrar::encode, state};

/// How many are read at a time.
const PAGE: usize = 500;

/// What is stored of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct DeploymentRecord {
    /// What names it to its orchestrator.
    pub(super) target: Params,
    /// What was applied last; none where a first attempt is not made yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) applied: Option<DesiredDeployment>,
    /// Counts the writes that came to an end, so that the same wish is another write the next time. It begins with the time: of
    /// one that was removed nothing is kept, and applied again it must be another write too.
    pub(super) writes: u64,
}

/// An integration's incarnation, and what names a deployment to it.
type Key = (String, String);

/// Whether two targets may be one: what both say is the same. One version of a plugin may say more than another of what goes
/// without saying.
pub(super) fn may_be_one(one: &Params, other: &Params) -> bool {
    one.iter().all(|(name, value)| other.get(name).is_none_or(|other| other == value))
}

/// Whether one of two targets says all that the other says.
fn is_fuller(one: &Params, other: &Params) -> bool {
    let within = |less: &Params, more: &Params| less.iter().all(|(name, value)| more.get(name) == Some(value));
    within(one, other) || within(other, one)
}

/// Every record, as it is stored.
#[derive(Debug, Default)]
pub(crate) struct Deployments(Mutex<BTreeMap<Key, DeploymentRecord>>);

/// Where the records of an incarnation stand, in [`Bucket::Meta`].
pub(crate) fn prefix(incarnation: &str) -> String {
    format!("deployment/{incarnation}/")
}

fn name(target: &Params) -> String {
    Digest::of(Value::Object(target.clone()).to_string().as_bytes()).hex()
}

impl Deployments {
    /// Reads what is stored. A record that cannot be read is told and left alone; one of a deployment that is not there any more,
    /// as they were kept once, is deleted.
    pub(crate) async fn load(store: &dyn Store) -> Result<Self> {
        let mut all = BTreeMap::new();
        let mut after: Option<String> = None;
        let mut over = Vec::new();
        loop {
            let page = store.list(Bucket::Meta, "deployment/", after.as_deref(), PAGE).await.map_err(faults::store)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (key, record) in page {
                let Some((incarnation, name)) = key.strip_prefix("deployment/").and_then(|key| key.split_once('/'))
                else {
                    continue;
                };
                match serde_json::from_slice::<DeploymentRecord>(&record.value) {
                    Ok(record) if record.applied.is_none() => over.push(Mutation::delete(Bucket::Meta, key)),
                    Ok(record) => drop(all.insert((incarnation.to_owned(), name.to_owned()), record)),
                    Err(error) => tracing::error!(key, %error, "what is remembered of a deployment cannot be read"),
                }
            }
        }
        for over in over.chunks(PAGE) {
            store.commit(over.to_vec()).await.map_err(faults::store)?;
        }
        Ok(Self(Mutex::new(all)))
    }

    /// What is remembered of one.
    pub(super) fn get(&self, incarnation: &str, target: &Params) -> DeploymentRecord {
        let found = self.locked().get(&(incarnation.to_owned(), name(target))).cloned();
        found.unwrap_or_else(|| {
            let writes = u64::try_from(now_ms()).unwrap_or_default();
            DeploymentRecord { target: target.clone(), applied: None, writes }
        })
    }

    /// Those of an integration that were applied.
    pub(super) fn of(&self, incarnation: &str) -> Vec<DeploymentRecord> {
        let records = self.locked();
        let own = records.iter().filter(|((of, _), record)| of == incarnation && record.applied.is_some());
        own.map(|(_, record)| record.clone()).collect()
    }

    /// Remembers one: on the disk before this returns. Fails where the integration is gone.
    pub(super) async fn set(&self, store: &dyn Store, incarnation: &str, record: DeploymentRecord) -> Result<()> {
        self.replace(store, incarnation, record, &|_| false).await
    }

    /// Remembers one that is there, and forgets it under the other names that it had: of those that say more or less of it, the
    /// ones whose block names the same.
    pub(super) async fn replace(
        &self,
        store: &dyn Store,
        incarnation: &str,
        record: DeploymentRecord,
        names_it: &(dyn Fn(&DesiredDeployment) -> bool + Sync),
    ) -> Result<()> {
        let is_it = |other: &DeploymentRecord| {
            other.target != record.target
                && is_fuller(&other.target, &record.target)
                && other.applied.as_ref().is_some_and(names_it)
        };
        let former: Vec<String> =
            self.of(incarnation).iter().filter(|other| is_it(other)).map(|other| name(&other.target)).collect();
        let key = (incarnation.to_owned(), name(&record.target));
        if former.is_empty() && self.locked().get(&key) == Some(&record) {
            return Ok(());
        }
        let mut mutations = vec![
            Mutation::require(Bucket::Meta, state::marker(incarnation), Expect::Present),
            Mutation::set(Bucket::Meta, prefix(incarnation) + &key.1, encode(&record)?),
        ];
        mutations.extend(former.iter().map(|name| Mutation::delete(Bucket::Meta, prefix(incarnation) + name)));
        store.commit(mutations).await.map_err(|error| {
            let message = format!("what was applied cannot be remembered, so it is not applied: {error}");
            Error { message, ..faults::store(error) }
        })?;
        let mut records = self.locked();
        records.insert(key, record);
        for name in former {
            records.remove(&(incarnation.to_owned(), name));
        }
        Ok(())
    }

    /// Forgets one that is not there any more: on the disk before this returns.
    pub(super) async fn drop(&self, store: &dyn Store, incarnation: &str, target: &Params) -> Result<()> {
        let key = (incarnation.to_owned(), name(target));
        let mutation = Mutation::delete(Bucket::Meta, prefix(incarnation) + &key.1);
        store.commit(vec![mutation]).await.map_err(faults::store)?;
        self.locked().remove(&key);
        Ok(())
    }

    /// Forgets those of an incarnation that is gone.
    pub(crate) fn forget(&self, incarnation: &str) {
        self.locked().retain(|(of, _), _| of != incarnation);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, DeploymentRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use jackfield_store::MemoryStore;
    use serde_json::json;

    use super::*;

    fn target(name: &str) -> Params {
        json!({ "name": name }).as_object().unwrap().clone()
    }

    #[tokio::test]
    async fn what_is_remembered_is_there_after_a_restart_and_goes_with_its_integration() {
        let store = MemoryStore::new();
        store.commit(vec![Mutation::set(Bucket::Meta, state::marker("a"), "")]).await.unwrap();
        let records = Deployments::load(&store).await.unwrap();
        let wanted: DesiredDeployment = serde_json::from_value(json!({"name": "shop", "orchestrator": "o"})).unwrap();
        let record = DeploymentRecord { applied: Some(wanted), writes: 3, ..records.get("a", &target("shop")) };
        records.set(&store, "a", record.clone()).await.unwrap();
        let tried = DeploymentRecord { writes: 1, ..records.get("a", &target("gone")) };
        records.set(&store, "a", tried).await.unwrap();
        let again = Deployments::load(&store).await.unwrap();
        assert_eq!(again.of("a"), vec![record.clone()]);
        let left = store.list(Bucket::Meta, "deployment/", None, PAGE).await.unwrap();
        assert_eq!((left.len(), again.of("b").len()), (1, 0), "of what is not there nothing is kept");
        let begins = again.get("a", &target("gone")).writes;
        assert!(begins > 1, "applied again it is another write than the first time: {begins}");
        again.drop(&store, "a", &target("shop")).await.unwrap();
        assert!(again.of("a").is_empty() && Deployments::load(&store).await.unwrap().of("a").is_empty());
        again.set(&store, "a", record.clone()).await.unwrap();
        again.forget("a");
        assert!(again.of("a").is_empty());
        assert!(again.set(&store, "b", record).await.is_err(), "there is no such integration");
    }

    #[tokio::test]
    async fn one_that_is_named_more_fully_is_the_same_one() {
        let store = MemoryStore::new();
        store.commit(vec![Mutation::set(Bucket::Meta, state::marker("a"), "")]).await.unwrap();
        let records = Deployments::load(&store).await.unwrap();
        let wanted: DesiredDeployment = serde_json::from_value(json!({"name": "shop", "orchestrator": "o"})).unwrap();
        let of = |target: Params| DeploymentRecord { applied: Some(wanted.clone()), ..records.get("a", &target) };
        let full = json!({"namespace": "default", "name": "shop"}).as_object().unwrap().clone();
        let other = json!({"namespace": "b", "name": "shop"}).as_object().unwrap().clone();
        records.set(&store, "a", of(target("shop"))).await.unwrap();
        records.set(&store, "a", of(other.clone())).await.unwrap();
        records.replace(&store, "a", of(full.clone()), &|_| false).await.unwrap();
        assert_eq!(records.of("a").len(), 3, "another block may name another one");
        records.replace(&store, "a", of(full.clone()), &|block| *block == wanted).await.unwrap();
        let again = Deployments::load(&store).await.unwrap();
        for records in [&records, &again] {
            let mut left: Vec<_> = records.of("a").into_iter().map(|record| record.target).collect();
            left.sort_by_key(|target| target["namespace"] == "default");
            assert_eq!(left, [other.clone(), full.clone()]);
        }
        assert!(may_be_one(&target("shop"), &full) && may_be_one(&full, &target("shop")));
        assert!(!may_be_one(&full, &other) && !may_be_one(&target("shop"), &target("till")));
    }
}
