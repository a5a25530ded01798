//! Credentials that a plugin makes: a user of its outside system with a password, a token. The host has a new one made when
//! it is due, has every integration that uses the credential try it out, uses it, and has the plugin take back the one
//! before. A plugin that makes credentials never sees one: [`secrets`] has names for them.
//!
//! Whatever the host and the outside system are doing when the power goes, nothing stays behind that nobody knows of: a wish
//! is stored before it is asked and asked again under the same key; what was made is stored before it is used; and what
//! is not to be used any more stays on the list until the outside system says that it is gone.

mod ask;
mod names;
mod plan;
mod schedule;
mod secrets;

use std::sync::Arc;

pub(crate) use self::{schedule::run, secrets::CallSecrets};
use jackfield_engine::issuer::Wish;
pub use plan::{Issued, IssuerInfo, IssuerSettings, IssuingFailure};

use crate::{
    Error, ErrorKind, ErrorSource, EventKind, NewCredential, Result, Rotation,
    clock::{now_ms, random_name},
    credentials, faults, rotation,
    shared::Shared,
};
use ask::Issuer;
use plan::Plan;

/// The longest that parameters may be, in bytes of JSON.
const MOST_PARAMETERS: usize = 16 << 10;
/// The shortest time between two rotations, in seconds: each is work for every integration that uses the credential.
const LEAST_EVERY: u64 = 10;

/// Who makes a credential.
pub(crate) async fn show(shared: &Shared, name: &str) -> Result<IssuerInfo> {
    Ok(planned(shared, name).await?.info)
}

/// Has a credential made by a plugin from now on, and the first one at once. One that is there already is rotated to it.
pub(crate) async fn begin(shared: &Arc<Shared>, name: &str, settings: IssuerSettings) -> Result<Rotation> {
    Issuer::making(shared, &settings.integration, settings.kind)?;
    jackfield_vault::check_name(name).map_err(faults::vault)?;
    let length = serde_json::to_vec(&settings.parameters).map_or(usize::MAX, |json| json.len());
    if length > MOST_PARAMETERS {
        return Err(Error::invalid("parameters are at most 16 KiB of JSON").at("/parameters"));
    }
    if settings.every_s.is_some_and(|seconds| seconds < LEAST_EVERY) {
        let message = format!("a credential is rotated every {LEAST_EVERY} seconds at most");
        return Err(Error::invalid(message).at("/every-s"));
    }
    let (host, name) = (shared.clone(), name.to_owned());
    apart(shared, async move {
        let before = Plan::read(&*host.store, &name).await?;
        let old = before.as_ref().map(|plan| plan.info.settings.clone());
        let plan = match before {
            Some(mut plan) => {
                // What another integration has made is taken back by that one.
                plan.info.settings = settings;
                plan
            }
            None => Plan::new(&name, settings),
        };
        match rotate_now(&host, plan).await {
            Ok(rotation) => Ok(rotation),
            // Nothing was made, so nothing has changed and there is nothing to remember.
            Err((error, plan)) if old.is_none() && plan.info.issued.is_empty() && plan.info.asked.is_none() => {
                plan.forget(&*host.store).await?;
                Err(error)
            }
            Err((error, mut plan)) => {
                if let Some(old) = old.filter(|_| plan.info.asked.is_none()) {
                    plan.info.settings = old;
                }
                failed(&host, plan, &error).await?;
                Err(error)
            }
        }
    })
    .await
}

/// Has the next one made now.
pub(crate) async fn rotate(shared: &Arc<Shared>, name: &str) -> Result<Rotation> {
    let (host, name) = (shared.clone(), name.to_owned());
    apart(shared, async move {
        let plan = planned(&host, &name).await?;
        match rotate_now(&host, plan).await {
            Ok(rotation) => Ok(rotation),
            Err((error, plan)) => {
                failed(&host, plan, &error).await?;
                Err(error)
            }
        }
    })
    .await
}

/// Has no more made. The credential stays as it is, and what was made is the operator's from now on.
pub(crate) async fn end(shared: &Shared, name: &str) -> Result<()> {
    let _turn = shared.rotating.lock().await;
    let plan = planned(shared, name).await?;
    let left = plan.info.issued.iter().map(|issued| format!("`{}`", issued.handle)).collect::<Vec<_>>().join(", ");
    plan.forget(&*shared.store).await?;
    let message = match left.is_empty() {
        true => format!("the credential `{name}` is no longer made by a plugin"),
        false => format!(
            "the credential `{name}` is no longer made by a plugin; what it made is left to the operator: {left}"
        ),
    };
    shared.done(EventKind::CredentialChanged, Some(name), None, None, message).await;
    Ok(())
}

/// A credential was deleted: what a plugin made for it is taken back, at once or as soon as that can be.
pub(crate) async fn deleted(shared: &Shared, name: &str) -> Result<()> {
    let _turn = shared.rotating.lock().await;
    let Some(mut plan) = Plan::read(&*shared.store, name).await? else { return Ok(()) };
    plan.info.issued.iter_mut().for_each(|issued| issued.withdrawn = true);
    (plan.info.asked, plan.info.due_at) = (None, None);
    plan.save(&*shared.store).await?;
    schedule::settle(shared, plan).await;
    shared.issuing.notify_one();
    Ok(())
}

/// Does it to the end, even if nobody waits for it any more, and while nothing else rotates.
async fn apart<R: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl Future<Output = Result<R>> + Send + 'static,
) -> Result<R> {
    let host = shared.clone();
    let done = shared.runtime.spawn(async move {
        let _turn = host.rotating.lock().await;
        let result = work.await;
        host.issuing.notify_one();
        result
    });
    done.await.map_err(|error| Error::internal(error.to_string()))?
}

async fn planned(shared: &Shared, name: &str) -> Result<Plan> {
    Plan::read(&*shared.store, name).await?.ok_or_else(|| {
        let message = format!(
            "the credential `{name}` is not made by a plugin; have one make it with `jackfield credential issue`"
        );
        Error::new(ErrorKind::NotFound, ErrorSource::Caller, message)
    })
}

/// Has one made, tried out and used, and the one before taken back. The plan is stored at each step.
async fn rotate_now(shared: &Arc<Shared>, mut plan: Plan) -> std::result::Result<Rotation, (Error, Plan)> {
    match attempt(shared, &mut plan).await {
        Ok(rotation) => {
            schedule::settle(shared, plan).await;
            Ok(rotation)
        }
        Err(error) => Err((error, plan)),
    }
}

async fn attempt(shared: &Arc<Shared>, plan: &mut Plan) -> Result<Rotation> {
    let store = &*shared.store;
    let settings = plan.info.settings.clone();
    let issuer = Issuer::making(shared, &settings.integration, settings.kind)?;
    // The vault must be open, or what is made could not be kept.
    shared.vault.require_open().map_err(faults::vault)?;
    let key = match &plan.info.asked {
        Some(key) => key.clone(),
        None => random_name()?,
    };
    plan.info.asked = Some(key.clone());
    plan.save(store).await?;
    let parameters = serde_json::to_string(&settings.parameters).unwrap_or_default();
    let wish = Wish { credential: plan.name.clone(), parameters, key };
    let made = issuer.issue(settings.kind, wish).await.inspect_err(|error| {
        // Else it is certain that nothing was made, and the next wish is another one.
        if error.kind != ErrorKind::OutcomeUnknown {
            plan.info.asked = None;
        }
    })?;
    let now = now_ms();
    plan.info.asked = None;
    plan.info.issued.push(Issued {
        handle: made.handle.clone(),
        integration: settings.integration,
        version: None,
        made_at: now,
        lifetime_s: made.lifetime_s,
        ends_at: made.lifetime_s.map(|seconds| now.saturating_add_unsigned(seconds.saturating_mul(1000))),
        withdrawn: false,
        failed: None,
    });
    plan.save(store).await?;
    let new = NewCredential { kind: settings.kind, fields: made.fields, sources: Default::default(), staged: true };
    let rotated = match shared.vault.credential(&plan.name) {
        Ok(_) => {
            let name = plan.name.clone();
            rotation::carry_out(shared, &name, new, true, async |version| {
                hold(shared, plan, &made.handle, version).await
            })
            .await
        }
        Err(_) => first(shared, plan, new, &made.handle).await,
    };
    match rotated {
        Ok(rotation) => {
            // The one before is kept where it is not certain that the new one works for everybody.
            let kept = [Some(rotation.version), rotation.previous.filter(|_| !rotation.revoked)];
            for issued in &mut plan.info.issued {
                issued.withdrawn |= !kept.contains(&issued.version);
            }
            plan.info.failed = None;
            plan.info.schedule(Some(rotation.version));
            plan.save(store).await?;
            Ok(rotation)
        }
        Err(error) => {
            let made = plan.info.issued.iter_mut().filter(|issued| issued.handle == made.handle);
            made.for_each(|issued| issued.withdrawn = true);
            plan.save(store).await?;
            Err(error)
        }
    }
}

/// Notes which version holds what was made, before anybody uses it.
async fn hold(shared: &Shared, plan: &mut Plan, handle: &str, version: u64) -> Result<()> {
    let issued = plan.info.issued.iter_mut().filter(|issued| issued.handle == handle);
    issued.for_each(|issued| issued.version = Some(version));
    plan.save(&*shared.store).await
}

/// The first version of a credential, which nobody uses yet.
async fn first(shared: &Shared, plan: &mut Plan, new: NewCredential, handle: &str) -> Result<Rotation> {
    let version = credentials::add(shared, &plan.name, new).await?;
    hold(shared, plan, handle, version).await?;
    let credential = credentials::show(shared, &plan.name)?;
    let (verified, untested) = (Vec::new(), Vec::new());
    Ok(Rotation { version, previous: None, verified, untested, drained: true, revoked: false, credential })
}

async fn failed(shared: &Shared, mut plan: Plan, error: &Error) -> Result<()> {
    let message = format!("the credential `{}` could not be rotated: {}", plan.name, error.message);
    plan.info.failed = Some(IssuingFailure::after(plan.info.failed.as_ref(), now_ms(), error.message.clone()));
    plan.save(&*shared.store).await?;
    shared.done(EventKind::RotationFailed, Some(&plan.name), None, None, message).await;
    Ok(())
}
