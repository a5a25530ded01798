//! What Jackfield remembers of the deployments that it applied: which they are, so that nobody else's are ever pruned, and
//! what was wanted of each, so that it can be exported. What they are now only their orchestrator knows.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jackfield_registry::Digest;
use jackfield_store::{Bucket, Expect, Mutation, Store};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::form::Params;
use crate::{Error, Result, desired::documents::DesiredDeployment, faults, registrar::encode, state};

/// How many are read at a time.
const PAGE: usize = 500;

/// What is stored of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct DeploymentRecord {
    /// What names it to its orchestrator.
    pub(super) target: Params,
    /// What was applied last; none where nothing was, or it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) applied: Option<DesiredDeployment>,
    /// Counts the writes that came to an end, so that the same wish is another write the next time.
    pub(super) writes: u64,
}

/// An integration's incarnation, and what names a deployment to it.
type Key = (String, String);

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
    /// Reads what is stored. A record that cannot be read is told and left alone.
    pub(crate) async fn load(store: &dyn Store) -> Result<Self> {
        let mut all = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let page = store.list(Bucket::Meta, "deployment/", after.as_deref(), PAGE).await.map_err(faults::store)?;
            let Some((last, _)) = page.last() else { return Ok(Self(Mutex::new(all))) };
            after = Some(last.clone());
            for (key, record) in page {
                let Some((incarnation, name)) = key.strip_prefix("deployment/").and_then(|key| key.split_once('/'))
                else {
                    continue;
                };
                match serde_json::from_slice(&record.value) {
                    Ok(record) => drop(all.insert((incarnation.to_owned(), name.to_owned()), record)),
                    Err(error) => tracing::error!(key, %error, "what is remembered of a deployment cannot be read"),
                }
            }
        }
    }

    /// What is remembered of one.
    pub(super) fn get(&self, incarnation: &str, target: &Params) -> DeploymentRecord {
        let found = self.locked().get(&(incarnation.to_owned(), name(target))).cloned();
        found.unwrap_or_else(|| DeploymentRecord { target: target.clone(), ..DeploymentRecord::default() })
    }

    /// Those of an integration that were applied.
    pub(super) fn of(&self, incarnation: &str) -> Vec<DeploymentRecord> {
        let records = self.locked();
        let own = records.iter().filter(|((of, _), record)| of == incarnation && record.applied.is_some());
        own.map(|(_, record)| record.clone()).collect()
    }

    /// Remembers one: on the disk before this returns. Fails where the integration is gone.
    pub(super) async fn set(&self, store: &dyn Store, incarnation: &str, record: DeploymentRecord) -> Result<()> {
        if self.get(incarnation, &record.target) == record {
            return Ok(());
        }
        let name = name(&record.target);
        let mutations = vec![
            Mutation::require(Bucket::Meta, state::marker(incarnation), Expect::Present),
            Mutation::set(Bucket::Meta, prefix(incarnation) + &name, encode(&record)?),
        ];
        store.commit(mutations).await.map_err(|error| {
            let message = format!("what was applied cannot be remembered, so it is not applied: {error}");
            Error { message, ..faults::store(error) }
        })?;
        self.locked().insert((incarnation.to_owned(), name), record);
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
        records.set(&store, "a", DeploymentRecord { writes: 1, ..records.get("a", &target("gone")) }).await.unwrap();
        let again = Deployments::load(&store).await.unwrap();
        assert_eq!(again.of("a"), vec![record.clone()]);
        assert_eq!((again.get("a", &target("gone")).writes, again.of("b").len()), (1, 0));
        again.forget("a");
        assert!(again.of("a").is_empty());
        assert!(again.set(&store, "b", record).await.is_err(), "there is no such integration");
    }
}
