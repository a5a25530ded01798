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
mod recovery;
mod schedule;
mod secrets;

use std::sync::Arc;

use async_trait::async_trait;

pub(crate) use self::{schedule::run, secrets::CallSecrets};
use jackfield_engine::issuer::Wish;
pub use plan::{Issued, IssuerInfo, IssuerSettings, IssuingFailure};

use crate::{
    Error, ErrorKind, ErrorSource, EventKind, NewCredential, Result, Rotation,
    clock::{now_ms, random_name},
    credentials, faults,
    rotation::{self, Observer, Step},
    shared::{About, Shared},
};
use ask::{Fields, Issuer, Made};
use plan::{LEAST_EVERY, Plan};

/// What the operations are called in which credentials are issued.
pub(crate) const OPERATIONS: &str = "credential-issuer.";
/// The longest that parameters may be, in bytes of JSON.
const MOST_PARAMETERS: usize = 16 << 10;
/// So many may wait to be taken back; where there are more, no other is made before.
const MOST_WITHDRAWN: usize = 32;

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
        if before.as_ref().is_some_and(|plan| plan.info.asked.is_some() || plan.info.ended) {
            let message = format!(
                "the last wish for `{name}` is still open, since its answer was lost, or what was made is still to be taken \
                 back; both happen by themselves, see `jackfield credential issuer {name}`"
            );
            return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message));
        }
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
    let asked = plan.info.asked.iter().map(|key| format!("whatever came of the wish `{key}`"));
    let left = plan.info.issued.iter().map(|issued| format!("`{}`", issued.handle)).chain(asked);
    let left = left.collect::<Vec<_>>().join(", ");
    let message = match left.is_empty() {
        true => format!("the credential `{name}` is no longer made by a plugin"),
        false => format!(
            "the credential `{name}` is no longer made by a plugin; what it made is left to the operator: {left}"
        ),
    };
    let work = async {
        plan.forget(&*shared.store).await?;
        Ok(((), message.clone()))
    };
    shared.act(EventKind::CredentialChanged, About::credential(name), &message, work).await
}

/// A credential was deleted: what a plugin made for it is taken back, at once or as soon as that can be.
pub(crate) async fn deleted(shared: &Shared, name: &str) -> Result<()> {
    let _turn = shared.rotating.lock().await;
    let Some(mut plan) = Plan::read(&*shared.store, name).await? else { return Ok(()) };
    plan.info.issued.iter_mut().for_each(|issued| issued.withdrawn = true);
    // A wish of which nobody knows what came of it is asked once more, to be taken back.
    (plan.info.ended, plan.info.due_at) = (true, None);
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
    let made = match make(shared, &mut plan).await {
        Ok(made) => made,
        Err(error) => return Err((error, plan)),
    };
    // What was made is looked for as long as it can be used: until it is in the vault, or was taken back again.
    let _secrets = made.secrets;
    match put_to_use(shared, &mut plan, made.fields).await {
        Ok(mut rotation) => {
            let taken_back = schedule::settle(shared, plan).await;
            rotation.revoked = rotation.previous.is_some() && taken_back == rotation.previous;
            rotation.credential =
                credentials::show(shared, &rotation.credential.credential.name).unwrap_or(rotation.credential);
            Ok(rotation)
        }
        Err(error) => {
            let name = plan.name.clone();
            schedule::settle(shared, plan).await;
            match Plan::read(&*shared.store, &name).await {
                Ok(Some(plan)) => Err((error, plan)),
                // Nothing of it is left.
                Ok(None) => Err((error, Plan::gone(&name))),
                Err(unread) => Err((unread, Plan::gone(&name))),
            }
        }
    }
}

/// Has one made, and puts it on the list. What cannot be used is on it to be taken back.
async fn make(shared: &Shared, plan: &mut Plan) -> Result<Made> {
    let store = &*shared.store;
    if plan.info.ended && plan.info.asked.is_none() {
        return Err(deleted_already(&plan.name));
    }
    let settings = plan.info.settings.clone();
    let issuer = Issuer::making(shared, &settings.integration, settings.kind)?;
    // The vault must be open, or what is made could not be kept.
    shared.vault.require_open().map_err(faults::vault)?;
    if plan.info.issued.iter().filter(|issued| issued.withdrawn).count() >= MOST_WITHDRAWN {
        let message = format!("{MOST_WITHDRAWN} that were made before could not be taken back; see to them first");
        return Err(Error::new(ErrorKind::Unavailable, ErrorSource::Plugin, message));
    }
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
    plan.info.asked = None;
    if plan.info.has(&settings.integration, &made.handle) {
        plan.save(store).await?;
        let message = format!("the plugin has issued `{}` before; each has a handle of its own", made.handle);
        return Err(Error::new(ErrorKind::Internal, ErrorSource::Plugin, message));
    }
    let now = now_ms();
    plan.info.issued.push(Issued {
        handle: made.handle.clone(),
        integration: settings.integration,
        version: None,
        made_at: now,
        lifetime_s: made.lifetime_s,
        ends_at: made.lifetime_s.map(|seconds| now.saturating_add_unsigned(seconds.saturating_mul(1000))),
        replaces: None,
        withdrawn: made.fields.is_err() || plan.info.ended,
        failed: None,
    });
    plan.save(store).await?;
    Ok(made)
}

fn deleted_already(name: &str) -> Error {
    let message = format!("the credential `{name}` was deleted; what was made for it is being taken back");
    Error::new(ErrorKind::NotFound, ErrorSource::Caller, message)
}

/// Has what was made last tried out and used.
async fn put_to_use(shared: &Shared, plan: &mut Plan, fields: Result<Fields>) -> Result<Rotation> {
    let kind = plan.info.settings.kind;
    let rotated = match fields {
        _ if plan.info.ended => Err(deleted_already(&plan.name)),
        Err(error) => Err(error),
        Ok(fields) => {
            let new = NewCredential { kind, fields, sources: Default::default(), staged: true };
            match shared.vault.credential(&plan.name) {
                Ok(_) => {
                    let name = plan.name.clone();
                    // The vault's copy of the old one is forgotten when the outside system has taken it back, not before: until
                    // then it is looked for.
                    rotation::carry_out(shared, &name, new, false, &mut Noting { shared, plan }).await
                }
                Err(_) => first(shared, plan, new).await,
            }
        }
    };
    match rotated {
        Ok(rotation) => {
            // The one before is kept where it is not certain that the new one works for everybody.
            let certain = rotation.drained && rotation.untested.is_empty();
            let kept = [Some(rotation.version), rotation.previous.filter(|_| !certain)];
            for issued in &mut plan.info.issued {
                issued.withdrawn |= !kept.contains(&issued.version);
                issued.replaces = None;
            }
            plan.info.failed = None;
            plan.info.schedule(Some(rotation.version));
            plan.save(&*shared.store).await?;
            Ok(rotation)
        }
        Err(error) => {
            if let Some(made) = plan.info.issued.last_mut() {
                made.withdrawn = true;
            }
            plan.save(&*shared.store).await?;
            Err(error)
        }
    }
}

/// Notes what has been done with what was made last, before the next is done.
struct Noting<'a> {
    shared: &'a Shared,
    plan: &'a mut Plan,
}

#[async_trait]
impl Observer for Noting<'_> {
    async fn done(&mut self, step: Step) -> Result<()> {
        if let Some(made) = self.plan.info.issued.last_mut() {
            match step {
                Step::Staged(version) => made.version = Some(version),
                Step::Tried(replaces) => made.replaces = replaces,
            }
        }
        self.plan.save(&*self.shared.store).await
    }
}

/// The first version of a credential, which nobody uses yet.
async fn first(shared: &Shared, plan: &mut Plan, new: NewCredential) -> Result<Rotation> {
    let version = credentials::add(shared, &plan.name, new).await?;
    Noting { shared, plan: &mut *plan }.done(Step::Staged(version)).await?;
    let credential = credentials::show(shared, &plan.name)?;
    let (verified, untested) = (Vec::new(), Vec::new());
    Ok(Rotation { version, previous: None, verified, untested, drained: true, revoked: false, credential })
}

async fn failed(shared: &Shared, mut plan: Plan, error: &Error) -> Result<()> {
    let message = format!("the credential `{}` could not be rotated: {}", plan.name, error.message);
    if !plan.is_gone() {
        plan.info.failed = Some(IssuingFailure::after(plan.info.failed.as_ref(), now_ms(), error.message.clone()));
        plan.save(&*shared.store).await?;
    }
    shared.done(EventKind::RotationFailed, About::credential(&plan.name), message).await;
    Ok(())
}
