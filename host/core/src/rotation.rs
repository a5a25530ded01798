//! Rotation of a credential: the new version is staged, tried out by every integration that uses the credential, promoted
//! where all of them work with it, and the old one revoked once nobody uses it any more. A new version that does not work
//! changes nothing: the old one was never out of use.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::Serialize;

use crate::{
    CredentialUse, Error, ErrorKind, ErrorSource, NewCredential, Result, credentials, health,
    integrations::{self, Integration},
    shared::Shared,
};

/// How often it is looked whether the calls that began with the old version have ended.
const LOOK: Duration = Duration::from_millis(20);

/// What came of a rotation.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Rotation {
    /// The version that is used now.
    pub version: u64,
    /// The one before.
    pub previous: Option<u64>,
    /// The integrations whose outside systems took the new version before it was used.
    pub verified: Vec<String>,
    /// The integrations that use the credential, but whose checks asked nothing with it: nobody knows whether it works there.
    pub untested: Vec<String>,
    /// Every call that had begun with the old version has ended.
    pub drained: bool,
    /// The old version was revoked.
    pub revoked: bool,
    /// The credential as it is now.
    pub credential: CredentialUse,
}

/// Rotates a credential, to the end even if nobody waits for it any more. `revoke`: the old version is revoked at the end,
/// if it is certain that the new one works.
pub(crate) async fn rotate(shared: &Arc<Shared>, name: &str, new: NewCredential, revoke: bool) -> Result<Rotation> {
    let (runtime, shared, name) = (shared.runtime.clone(), shared.clone(), name.to_owned());
    let rotated = runtime.spawn(async move {
        // One at a time: what is tried out is what is used.
        let _turn = shared.rotating.lock().await;
        carry_out(&shared, &name, new, revoke, &mut Nobody).await
    });
    rotated.await.map_err(|error| Error::internal(error.to_string()))?
}

/// What has been done of a rotation that is under way.
pub(crate) enum Step {
    /// There is a new version, which nobody uses yet.
    Staged(u64),
    /// Everybody has tried it out, and it is used next. The version that it surely takes the place of; none where somebody's
    /// check asked nothing with the new one.
    Tried(Option<u64>),
}

/// Who hears of each step of a rotation when it is done, and may refuse to go on.
#[async_trait]
pub(crate) trait Observer: Send {
    async fn done(&mut self, step: Step) -> Result<()>;
}

struct Nobody;

#[async_trait]
impl Observer for Nobody {
    async fn done(&mut self, _: Step) -> Result<()> {
        Ok(())
    }
}

/// The same, for whoever has the turn.
pub(crate) async fn carry_out(
    shared: &Shared,
    name: &str,
    new: NewCredential,
    revoke: bool,
    observer: &mut dyn Observer,
) -> Result<Rotation> {
    // One that is not there cannot be rotated; it would be made.
    credentials::show(shared, name)?;
    let previous = credentials::current(shared, name);
    let staged = credentials::add(shared, name, NewCredential { staged: true, ..new }).await?;
    if let Err(error) = observer.done(Step::Staged(staged)).await {
        credentials::revoke(shared, name, staged).await?;
        return Err(error);
    }
    let (verified, untested) = prove(shared, name, staged).await?;
    if let Err(error) = observer.done(Step::Tried(previous.filter(|_| untested.is_empty()))).await {
        credentials::revoke(shared, name, staged).await?;
        return Err(error);
    }
    credentials::promote(shared, name, Some(staged)).await?;
    let version = staged;
    let drained = drain(&users(shared, name)).await;
    let certain = revoke && drained && untested.is_empty();
    let revoked = match previous.filter(|_| certain) {
        Some(previous) => credentials::revoke(shared, name, previous).await.is_ok(),
        None => false,
    };
    let credential = credentials::show(shared, name)?;
    Ok(Rotation { version, previous, verified, untested, drained, revoked, credential })
}

/// Has a staged version tried out by every integration that uses the credential: those where it works, and those that asked
/// nothing with it. One that does not work somewhere is revoked.
pub(crate) async fn prove(shared: &Shared, name: &str, staged: u64) -> Result<(Vec<String>, Vec<String>)> {
    let (mut verified, mut untested) = (Vec::new(), Vec::new());
    let mut tried: Vec<(String, u64)> = Vec::new();
    loop {
        let users = users(shared, name);
        // Whoever was bound to it meanwhile is tried, too.
        let next = users.iter().find(|user| !tried.contains(&(user.name.to_string(), user.revision)));
        let Some(integration) = next else { break };
        tried.push((integration.name.to_string(), integration.revision));
        match try_out(shared, integration, name, staged).await {
            Ok(proof) => {
                let list = if proof { &mut verified } else { &mut untested };
                list.push(integration.name.to_string());
            }
            Err(error) => {
                credentials::revoke(shared, name, staged).await?;
                let still = credentials::current(shared, name);
                let still = still.map_or(String::new(), |version| format!(", and version {version} is still used"));
                let message = format!(
                    "`{}` does not work with the new version of the credential `{name}`, so it was revoked{still}: {}",
                    integration.name, error.message
                );
                credentials::changed(shared, name, &format!("was not rotated: {message}")).await?;
                let error = Error::new(ErrorKind::Conflict, ErrorSource::Caller, message);
                return Err(Error { code: Some("rotation-refused".to_owned()), ..error });
            }
        }
    }
    Ok((verified, untested))
}

/// The integrations that use a credential and run.
fn users(shared: &Shared, name: &str) -> Vec<Arc<Integration>> {
    let view = shared.view.load();
    let uses = |integration: &Integration| {
        let mut bound = integration.record.endpoints.values().filter_map(|settings| settings.credential.as_ref());
        integration.runtime.is_ok() && bound.any(|bound| bound.name == name)
    };
    view.integrations.values().filter(|integration| uses(integration)).cloned().collect()
}

/// Has an integration's plugin check its outside system with a version, beside the calls that use the current one. Returns
/// whether the system took it: the host sees what was answered, whatever the plugin makes of it.
async fn try_out(shared: &Shared, integration: &Integration, credential: &str, version: u64) -> Result<bool> {
    let runtime = integrations::beside(shared, integration, credential, version)?;
    let (requests, _) = health::try_out(integration, &runtime).await?;
    let with_it = requests.iter().filter(|request| {
        request.credential.as_ref().is_some_and(|used| used.name == credential && used.version == version)
    });
    let mut proof = false;
    for request in with_it {
        match request.status {
            Some(status @ (401 | 403)) => {
                let message = format!("its outside system answers {status} to it");
                return Err(Error::new(ErrorKind::Unauthenticated, ErrorSource::Downstream, message));
            }
            Some(status) => proof |= status < 400,
            None => {}
        }
    }
    Ok(proof)
}

/// Waits until the calls that run now have ended: whatever begins from now on uses the new version.
async fn drain(users: &[Arc<Integration>]) -> bool {
    let mut patience = Duration::ZERO;
    let mut running = Vec::new();
    for integration in users {
        if let Ok(runtime) = &integration.runtime {
            patience = patience.max(runtime.limits.call_timeout);
        }
        running.push((integration, integration.live.tracks.running()));
    }
    let ended = async {
        for (integration, calls) in running {
            while calls.iter().any(|call| integration.live.tracks.is_running(*call)) {
                tokio::time::sleep(LOOK).await;
            }
        }
    };
    tokio::time::timeout(patience + LOOK, ended).await.is_ok()
}
