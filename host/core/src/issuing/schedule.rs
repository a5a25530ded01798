//! When something is due: a credential to be renewed or made anew, or one to be taken back that could not be before.

use std::{sync::Arc, time::Duration};

use jackfield_vault::VersionState;

use super::{Issued, Issuer, IssuingFailure, Plan, failed, recovery, rotate_now};
use crate::{
    ErrorKind, EventKind, Result,
    clock::now_ms,
    credentials,
    shared::{About, Shared},
    tasks,
};

/// Clocks are set, and machines sleep: what is due is looked for at least so often.
const LOOK: Duration = Duration::from_secs(60);
/// And at most so often.
const LEAST: Duration = Duration::from_secs(1);

/// Does what is due until the host stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    loop {
        let wait = due(&shared).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "it could not be seen which credentials are to be rotated");
            Some(LOOK)
        });
        let waited = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait.min(LOOK)).await,
                // There is none: nothing happens until somebody asks for one.
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tasks::stopped(&mut stop) => return,
            () = shared.issuing.notified() => {}
            () = waited => {}
        }
    }
}

/// Does what is due; returns how long nothing will be, or nothing where there is no plan.
async fn due(shared: &Arc<Shared>) -> Result<Option<Duration>> {
    let mut wait: Option<Duration> = None;
    for Plan { name, .. } in Plan::all(&*shared.store).await? {
        // One at a time: others have their turns between, and one that fails keeps no other from its own.
        let turn = shared.rotating.lock().await;
        if let Err(error) = one(shared, &name).await {
            tracing::warn!(credential = name, %error, "it could not be seen to");
        }
        drop(turn);
        let Some(plan) = Plan::read(&*shared.store, &name).await? else { continue };
        let left = plan.info.wake().map(|wake| u64::try_from(wake - now_ms()).unwrap_or(0));
        let left = left.map_or(LOOK, |ms| Duration::from_millis(ms).max(LEAST));
        wait = Some(wait.map_or(left, |wait| wait.min(left)));
    }
    Ok(wait)
}

/// Does what is due for one credential. Whatever is found half done is what an earlier process has left: this one has the turn.
async fn one(shared: &Arc<Shared>, name: &str) -> Result<()> {
    // A vault that is sealed can neither be used nor changed.
    if !shared.vault.is_open() {
        return Ok(());
    }
    let Some(mut plan) = Plan::read(&*shared.store, name).await? else { return Ok(()) };
    look_after(shared, &mut plan).await?;
    act(shared, plan).await
}

/// Finds what is half done, and what has happened to the credential since.
async fn look_after(shared: &Shared, plan: &mut Plan) -> Result<()> {
    let versions = shared.vault.credential(&plan.name).map(|credential| credential.versions).unwrap_or_default();
    let before = plan.info.clone();
    for untried in recovery::recover(&mut plan.info, &versions) {
        credentials::revoke(shared, &plan.name, untried).await?;
    }
    if plan.info == before { Ok(()) } else { plan.save(&*shared.store).await }
}

async fn act(shared: &Arc<Shared>, mut plan: Plan) -> Result<()> {
    if plan.info.next().is_none_or(|next| next > now_ms()) {
        settle(shared, plan).await;
        return Ok(());
    }
    if plan.info.asked.is_none() && renewed(shared, &mut plan).await? {
        return Ok(());
    }
    let ended = plan.info.ended;
    match rotate_now(shared, plan).await {
        Ok(_) => Ok(()),
        // What came of the last wish was taken back.
        Err((_, plan)) if ended && plan.is_gone() => Ok(()),
        Err((error, plan)) => failed(shared, plan, &error).await,
    }
}

/// Has the one that is used live longer, where its life is why something is due.
async fn renewed(shared: &Shared, plan: &mut Plan) -> Result<bool> {
    let now = now_ms();
    let current = credentials::current(shared, &plan.name);
    let Some(used) = current.and_then(|version| plan.info.used(version)).cloned() else { return Ok(false) };
    let every = plan.info.settings.every_s;
    let is_old = every.is_some_and(|seconds| now >= used.made_at.saturating_add_unsigned(seconds.saturating_mul(1000)));
    let Some(lifetime) = used.lifetime_s.filter(|_| !is_old) else { return Ok(false) };
    let Ok(issuer) = Issuer::of(shared, &used.integration) else { return Ok(false) };
    let left = match issuer.renew(&plan.name, &used.handle).await {
        Ok(left) => left,
        Err(error) => {
            if error.kind != ErrorKind::Unsupported {
                tracing::info!(credential = plan.name, %error, "a credential cannot be renewed, so another is made");
            }
            return Ok(false);
        }
    };
    // Near the end of all it is given less and less: then it is time for another.
    if left.is_some_and(|seconds| seconds < lifetime / 2) {
        return Ok(false);
    }
    for issued in plan.info.issued.iter_mut().filter(|issued| **issued == used) {
        issued.lifetime_s = left;
        issued.ends_at = left.map(|seconds| now.saturating_add_unsigned(seconds.saturating_mul(1000)));
    }
    plan.info.failed = None;
    plan.info.schedule(current);
    plan.save(&*shared.store).await?;
    Ok(true)
}

/// Has one taken back that is not to be used any more, if there is one and it can be now; the version of the credential that
/// held it. The others have their turn a moment later. A plan without a credential is forgotten once nothing is left of it.
pub(super) async fn settle(shared: &Shared, mut plan: Plan) -> Option<u64> {
    let now = now_ms();
    let due = |issued: &Issued| issued.withdrawn && issued.failed.as_ref().is_none_or(|failed| failed.again_at <= now);
    let place = plan.info.issued.iter().position(due);
    let mut taken_back = None;
    if let Some(mut issued) = place.map(|place| plan.info.issued.remove(place)) {
        let revoked = match Issuer::of(shared, &issued.integration) {
            Ok(issuer) => issuer.revoke(&plan.name, &issued.handle).await,
            Err(error) => Err(error),
        };
        match revoked {
            Ok(()) => {
                taken_back = issued.version;
                forget(shared, &plan.name, issued.version).await;
            }
            Err(error) => {
                let message = format!("`{}` could not be taken back: {}", issued.handle, error.message);
                let told = format!("of the credential `{}`, {message}", plan.name);
                issued.failed = Some(IssuingFailure::after(issued.failed.as_ref(), now_ms(), message));
                plan.info.issued.push(issued);
                shared.done(EventKind::RotationFailed, About::credential(&plan.name), told).await;
            }
        }
    }
    let over = plan.info.issued.is_empty() && plan.info.asked.is_none();
    // Another credential may have its name by now.
    let done = match over && (plan.info.ended || shared.vault.credential(&plan.name).is_err()) {
        true => plan.forget(&*shared.store).await,
        false if place.is_some() => plan.save(&*shared.store).await,
        false => Ok(()),
    };
    if let Err(error) = done {
        tracing::warn!(%error, "it could not be noted which credentials were taken back");
    }
    taken_back
}

/// Forgets what a version holds that is good for nothing any more.
async fn forget(shared: &Shared, name: &str, version: Option<u64>) {
    let Some(version) = version else { return };
    let versions = shared.vault.credential(name).map(|credential| credential.versions).unwrap_or_default();
    let state = versions.iter().find(|held| held.version == version).map(|held| held.state);
    if matches!(state, Some(VersionState::Staged | VersionState::Previous))
        && let Err(error) = credentials::revoke(shared, name, version).await
    {
        tracing::warn!(credential = name, version, %error, "a version that is good for nothing could not be revoked");
    }
}
