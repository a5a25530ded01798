//! A plugin of the plugin folder that somebody installs as well: it then came another way too, so it stays when its file leaves
//! the folder.

use std::sync::Arc;

use jackfield_registry::Digest;
use jackfield_store::{Bucket, Mutation};

use super::{Installed, NewPlugin, PluginId, PluginRecord, provenance, provenance::Provenance};
use crate::{
    EventKind, Result, folder,
    registrar::{Change, Decision, encode},
    shared::Shared,
    view::View,
};

/// Keeps in mind that a plugin which is installed came another way than by the plugin folder too, where the trust policy would
/// let it in that way.
pub(super) async fn came(
    shared: &Shared,
    id: PluginId,
    digest: Digest,
    new: NewPlugin,
    judged: Result<Provenance>,
) -> Result<()> {
    let Ok(provenance) = judged else { return Ok(()) };
    if folder::brought(&provenance) {
        return Ok(());
    }
    let decide = move |view: &View| {
        let of_the_folder =
            |there: &&Arc<Installed>| there.record.digest == digest && folder::brought(&there.record.provenance);
        let Some(there) = view.plugins.get(&id).filter(of_the_folder) else { return Ok(Decision::Nothing) };
        let Ok(other_signer) = provenance::goes_on(view, &id.name, &new, &provenance) else {
            return Ok(Decision::Nothing);
        };
        let told = provenance::told(&provenance, other_signer);
        let record = PluginRecord { provenance, ..there.record.clone() };
        let mutations = vec![Mutation::set(Bucket::Plugins, id.to_string(), encode(&record)?)];
        let installed = Arc::new(Installed { record, code: there.code.clone() });
        let sentence = format!("`{id}`, which the plugin folder brought, was installed{told}");
        Ok(Decision::Change(Change {
            mutations,
            event: (EventKind::PluginInstalled, None, Some(id.name.clone()), sentence),
            apply: Box::new(move |view, _| drop(view.plugins.insert(id, installed))),
        }))
    };
    shared.registrar.change(decide).await.map(drop)
}
