//! Credentials that come from elsewhere: who sees to them as long as the host runs, what is recorded and told of it, and the
//! leases that an operator can look at.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jackfield_audit::Outcome;
use jackfield_vault::{ActKind, LeaseInfo, SourceAct};

use crate::{
    Error, EventKind, Result, faults,
    shared::{About, Shared},
    tasks,
};

/// How often it is looked whether something is to be done.
const LOOK: Duration = Duration::from_secs(1);

/// Sees to what credentials have from elsewhere, until the host ends.
pub(crate) async fn tend(shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    loop {
        match &mut *shared.tender.lock().await {
            Some(tender) => {
                if tender.has_work() {
                    tender.tend(&bound(&shared));
                }
                note(&shared, tender.acts()).await;
            }
            None => return,
        }
        tokio::select! {
            () = tasks::stopped(&mut stop) => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Gives back what was granted, as far as that is possible now: while what is done can still be recorded.
pub(crate) async fn end(shared: &Shared) {
    if let Some(mut tender) = shared.tender.lock().await.take() {
        tender.end().await;
        note(shared, tender.acts()).await;
    }
}

/// The credentials that integrations are bound to, or sinks of the audit trail.
fn bound(shared: &Shared) -> BTreeSet<String> {
    let view = shared.view.load();
    let settings = view.integrations.values().flat_map(|integration| integration.record.endpoints.values());
    let bound = settings.filter_map(|settings| settings.credential.as_ref()).map(|bound| &bound.name);
    bound.chain(&shared.sink_credentials).cloned().collect()
}

/// Records what was done, and tells of what failed.
async fn note(shared: &Shared, acts: Vec<SourceAct>) {
    for act in acts {
        let failed = act.kind.is_failure();
        if let Some(audit) = &shared.audit {
            let unavailable = || Outcome::Error { kind: "unavailable".to_owned(), source: "downstream".to_owned() };
            let outcome = if failed { unavailable() } else { Outcome::Ok };
            audit.by_itself(act.kind.as_str(), &act.credential, outcome, act.message()).await;
        }
        match act.kind {
            ActKind::RevokeFailed => shared.events.emit(EventKind::LeaseStuck, None, None, act.message()),
            ActKind::FetchFailed | ActKind::RenewFailed => {
                shared.events.emit(EventKind::SourceFailed, None, None, act.message());
            }
            ActKind::Fetched | ActKind::Renewed | ActKind::Revoked => {}
        }
    }
}

/// The leases that were granted to the host and are not given back.
pub(crate) fn leases(shared: &Shared) -> Vec<LeaseInfo> {
    shared.vault.leases()
}

/// Gives a lease back, or forgets it.
pub(crate) async fn revoke(shared: &Shared, id: &str, force: bool) -> Result<()> {
    let credential = shared.vault.leases().into_iter().find(|lease| lease.id == id).map(|lease| lease.credential);
    let credential = credential.unwrap_or_default();
    let told = |what| format!("the lease {id} of the credential `{credential}` {what}, as an operator asked");
    let work = async {
        // To the end, even if nobody waits for it any more.
        let (vault, lease) = (shared.vault.clone(), id.to_owned());
        let revoked = shared.runtime.spawn(async move { vault.revoke_lease(&lease, force).await });
        let given_back = revoked.await.map_err(|error| Error::internal(error.to_string()))?.map_err(faults::vault)?;
        Ok(((), told(if given_back { "was given back" } else { "cannot be given back and was forgotten" })))
    };
    let wanted = told(if force { "was given back or forgotten" } else { "was given back" });
    shared.act(EventKind::LeaseRevoked, About::credential(&credential), &wanted, work).await
}
