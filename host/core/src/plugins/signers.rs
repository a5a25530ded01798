//! Who signed versions of each plugin. It is kept when the last of them is removed: what was signed once is not taken from anybody
//! because nothing of it is installed at the moment.

use std::{collections::BTreeMap, sync::Arc};

use jackfield_store::{Bucket, Mutation, Store};
use jackfield_trust::Signer;

use super::{Installed, PluginId};
use crate::{Result, faults, registrar::encode};

/// What stands before a plugin's name, in [`Bucket::Meta`].
const PREFIX: &str = "plugin-signers/";

/// Who signed versions of each plugin, by its name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signers(BTreeMap<String, Vec<Signer>>);

impl Signers {
    /// Who signed versions of a plugin; nobody where none was.
    pub(super) fn of(&self, name: &str) -> &[Signer] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Who has signed versions of a plugin after one more is installed.
    pub(super) fn after(&self, name: &str, signer: Option<&Signer>) -> Vec<Signer> {
        let mut signers = self.of(name).to_vec();
        if let Some(signer) = signer.filter(|signer| !signers.iter().any(|other| signer.is(other))) {
            signers.push(signer.clone());
        }
        signers
    }

    /// What keeps them.
    pub(super) fn mutation(name: &str, signers: &[Signer]) -> Result<Mutation> {
        Ok(Mutation::set(Bucket::Meta, format!("{PREFIX}{name}"), encode(&signers)?))
    }

    pub(super) fn set(&mut self, name: &str, signers: Vec<Signer>) {
        self.0.insert(name.to_owned(), signers);
    }
}

/// What is kept, with those of installed plugins.
pub(crate) async fn load(store: &dyn Store, installed: &BTreeMap<PluginId, Arc<Installed>>) -> Result<Signers> {
    let mut signers = Signers::default();
    for (key, stored) in store.list(Bucket::Meta, PREFIX, None, usize::MAX).await.map_err(faults::store)? {
        let Some(name) = key.strip_prefix(PREFIX) else { continue };
        match serde_json::from_slice(&stored.value) {
            Ok(read) => signers.set(name, read),
            Err(error) => tracing::error!(plugin = name, %error, "who signed it before cannot be read"),
        }
    }
    for (id, plugin) in installed {
        let all = signers.after(&id.name, plugin.record.provenance.signer.as_ref());
        signers.set(&id.name, all);
    }
    Ok(signers)
}
