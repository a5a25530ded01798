//! The trust policy that the host holds to: what an operator set, from the next installation on.

use std::sync::Arc;

use jackfield_registry::Digest;
use jackfield_store::{Bucket, Mutation, Store};
use jackfield_trust::TrustPolicy;

use crate::{
    Error, ErrorKind, ErrorSource, EventKind, Result, faults,
    registrar::{Change, Decision},
    shared::Shared,
    view::View,
};

/// Where it stands, in [`Bucket::Meta`].
const KEY: &str = "trust-policy";

/// The policy of one moment. One that is stored and cannot be read lets nothing in.
#[derive(Clone, Debug)]
pub(crate) struct Trust(Arc<Result<TrustPolicy>>);

impl Default for Trust {
    /// Without rules nothing is trusted but files of which an operator says so.
    fn default() -> Self {
        Self(Arc::new(Ok(TrustPolicy::default())))
    }
}

impl Trust {
    /// The policy.
    pub(crate) fn policy(&self) -> Result<&TrustPolicy> {
        self.0.as_ref().as_ref().map_err(Clone::clone)
    }

    /// Whether nothing was set in between.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What is stored; the policy without rules where nothing is.
pub(crate) async fn load(store: &dyn Store) -> Result<Trust> {
    let Some(stored) = store.get(Bucket::Meta, KEY).await.map_err(faults::store)? else { return Ok(Trust::default()) };
    let policy = TrustPolicy::from_json(&stored.value).map_err(|error| {
        tracing::error!(%error, "the trust policy cannot be read; nothing is installed until another is set");
        let message = format!("{error}; nothing is installed until another is set (`jackfield trust set FILE`)");
        Error::new(ErrorKind::Unavailable, ErrorSource::Host, message)
    });
    Ok(Trust(Arc::new(policy)))
}

/// Sets another; returns whether it is another.
pub(crate) async fn set(shared: &Shared, policy: TrustPolicy) -> Result<bool> {
    let trust = Trust(Arc::new(Ok(policy)));
    shared.registrar.change(move |view| decide(view, trust)).await
}

fn decide(view: &View, trust: Trust) -> Result<Decision> {
    let document = trust.policy()?.to_json();
    if view.trust.policy().is_ok_and(|now| now.to_json() == document) {
        return Ok(Decision::Nothing);
    }
    let digest = |document: &serde_json::Value| Digest::of(document.to_string().as_bytes()).to_string();
    let before = view.trust.policy().map_or("one that cannot be read".to_owned(), |policy| digest(&policy.to_json()));
    let rules = trust.policy()?.rules().len();
    let told = format!("the trust policy was set: {}, of {rules} rules; before: {before}", digest(&document));
    Ok(Decision::Change(Change {
        mutations: vec![Mutation::set(Bucket::Meta, KEY, document.to_string())],
        apply: Box::new(move |view, _| view.trust = trust),
        event: (EventKind::TrustPolicySet, None, None, told),
    }))
}
