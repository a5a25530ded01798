//! How a rehearsal begins and ends: recorded, in one commit each, and stored with the integration, so that a host that is started
//! again goes on with it.

use std::sync::{Arc, atomic::Ordering};

use jackfield_store::{Bucket, Expect, Mutation};

use super::{NewShadow, Remembered, Shadow, ShadowRecord, ShadowReport, ShadowState, told_end};
use crate::{
    Error, ErrorKind, ErrorSource, EventKind, Host, Result,
    clock::now_ms,
    config, health,
    integrations::{Integration, IntegrationRecord, at_revision, judge, moved_on, same, share, upgrade},
    registrar::{Change, Decision, encode},
    shared::Shared,
    view::View,
};

/// How long a rehearsal goes on, in seconds, unless told otherwise.
const USUAL: u32 = 600;
/// A day.
const LONGEST: u32 = 86_400;

impl Host {
    /// Rehearses another version of an integration's plugin: it stands beside the one that runs, and what callers read is read
    /// through both and compared. Callers notice nothing of it. The same version with the same settings goes on, for as long
    /// as is said now; another takes its place. Fails with `conflict` where the integration runs with that version, is
    /// disabled, or is recorded or replayed.
    pub async fn shadow_integration(&self, name: &str, wanted: NewShadow) -> Result<ShadowReport> {
        self.shared().open()?;
        start(self.shared(), name, wanted).await
    }

    /// What the rehearsal of an integration has found, or the latest one since the host was started; fails with `not-found` where
    /// there was none.
    pub fn shadow(&self, name: &str) -> Result<ShadowReport> {
        let view = self.shared().view.load();
        let integration = view.integration(name)?;
        match integration.live.shadow() {
            Some(Remembered::Goes(shadow)) => Ok(shadow.report(None)),
            Some(Remembered::Ended(report)) => Ok(*report),
            None => {
                let message = format!(
                    "no upgrade of `{name}` is rehearsed, nor was one since the host was started; begin with `jackfield integration shadow {name} --to VERSION`"
                );
                Err(Error::not_found(message))
            }
        }
    }

    /// Ends the rehearsal of an integration, if there is one. What it has found can still be read.
    pub async fn end_shadow(&self, name: &str) -> Result<()> {
        self.shared().open()?;
        stop(self.shared(), name, None, "it was ended").await
    }
}

/// Whether an integration's reads can be compared.
pub(super) fn comparable(integration: &Integration) -> Result<()> {
    if integration.live.tape.is_some() {
        let message = format!(
            "`{}` is recorded or replayed, and what another version asks must not come between; start the host without that",
            integration.name
        );
        return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message));
    }
    Ok(())
}

async fn start(shared: &Shared, name: &str, wanted: NewShadow) -> Result<ShadowReport> {
    let view = shared.view.load_full();
    let old = view.integration(name)?.clone();
    at_revision(&old, wanted.revision)?;
    old.enabled()?;
    old.running()?;
    comparable(&old)?;
    share::may_change(&old, old.record.plugin_digest)?;
    let seconds = wanted.for_seconds.unwrap_or(USUAL);
    if !(1..=LONGEST).contains(&seconds) {
        let message = format!("a rehearsal goes on for 1 to {LONGEST} seconds, a day, not {seconds}");
        return Err(Error::invalid(message).at("/for-seconds"));
    }
    let plugin = upgrade::wanted_plugin(&view, &old, wanted.version.as_ref())?;
    if plugin.record.digest == old.record.plugin_digest {
        let message = format!(
            "`{name}` runs with {} already, so there is nothing to rehearse; name another version that is installed",
            plugin.version()
        );
        return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message).at("/version"));
    }
    let before = view.plugin_of(&old.record)?;
    let mut config = upgrade::migrated(&old, before, plugin).await?;
    if let Some(patch) = &wanted.config {
        config::merge(&mut config, patch);
    }
    let now = now_ms();
    let record = ShadowRecord {
        plugin_version: plugin.version().clone(),
        plugin_digest: plugin.record.digest,
        settings: wanted.config.filter(|settings| !settings.is_empty()),
        config,
        started_at: now,
        until: now + i64::from(seconds) * 1000,
    };
    let goes_on = old.shadow.as_ref().zip(old.record.shadow.as_ref()).filter(|(shadow, running)| {
        !shadow.is_over() && running.plugin_digest == record.plugin_digest && running.config == record.config
    });
    if let Some((shadow, running)) = goes_on.filter(|_| !wanted.dry_run) {
        let record = ShadowRecord { started_at: running.started_at, ..record };
        let shadow = shadow.clone();
        change(shared, &old, (record, shadow.clone())).await?;
        return Ok(shadow.report(None));
    }
    let shadow = Shadow::new(shared, &old, &record, (before, plugin))?;
    let runtime = shadow.candidate.running()?;
    judge(name, runtime, plugin).await?;
    if !wanted.unchecked {
        health::try_out(&shadow.candidate, runtime).await.map_err(|error| {
            let message = format!(
                "{} is not rehearsed: it finds the outside system of `{name}` not healthy: {}. Rehearse it when that is well, or with `--unchecked`",
                plugin.version(),
                error.message
            );
            Error { message, ..error }
        })?;
    }
    if wanted.dry_run {
        return Ok(shadow.report(Some(ShadowState::Tried)));
    }
    change(shared, &old, (record, shadow.clone())).await?;
    Ok(shadow.report(None))
}

/// Ends a rehearsal, if there is one.
pub(super) async fn stop(shared: &Shared, name: &str, revision: Option<u64>, why: &str) -> Result<()> {
    let old = shared.view.load().integration(name)?.clone();
    at_revision(&old, revision)?;
    let Some(record) = &old.record.shadow else { return Ok(()) };
    let message = told_end(name, &record.plugin_version, why);
    commit(shared, &old, (EventKind::ShadowEnded, message), None, why).await
}

async fn change(shared: &Shared, old: &Arc<Integration>, to: (ShadowRecord, Arc<Shadow>)) -> Result<()> {
    let version = &to.0.plugin_version;
    let message = format!("{version} is rehearsed for `{}`, which runs with {}", old.name, old.record.plugin_version);
    commit(shared, old, (EventKind::ShadowStarted, message), Some(to), "another rehearsal took its place").await
}

/// Commits that an integration is rehearsed so, or no longer. What runs is the same before and after. `why`: another rehearsal that
/// there was is over.
async fn commit(
    shared: &Shared,
    old: &Arc<Integration>,
    (kind, message): (EventKind, String),
    to: Option<(ShadowRecord, Arc<Shadow>)>,
    why: &str,
) -> Result<()> {
    let (wanted, shadow) = to.unzip();
    // A write that is sent again may be: it goes where it went before.
    let record = IntegrationRecord { shadow: wanted, same_since: Some(old.sends_since()), ..old.record.clone() };
    let needed = match &record.shadow {
        Some(shadow) => {
            let (version, digest) = (&shadow.plugin_version, shadow.plugin_digest);
            Some(shared.view.load().exactly(&record.plugin, version, digest)?.clone())
        }
        None => None,
    };
    let value = encode(&record)?;
    let (old, why) = (old.clone(), why.to_owned());
    let decide = move |view: &View| {
        let current = view.integration(&old.name)?;
        if current.revision != old.revision {
            return Err(moved_on(&old.name, None, current.revision));
        }
        let mut mutations =
            vec![Mutation::set(Bucket::Integrations, &*old.name, value).expect(Expect::Revision(old.revision))];
        if let Some(plugin) = needed {
            same(view, &plugin)?;
            mutations.push(Mutation::require(Bucket::Plugins, plugin.id().to_string(), Expect::Present));
        }
        Ok(Decision::Change(Change {
            mutations,
            event: (kind, Some(old.name.to_string()), Some(record.plugin.clone()), message),
            apply: Box::new(move |view, revision| {
                let ends = |other: &&Arc<Shadow>| shadow.as_ref().is_none_or(|next| !Arc::ptr_eq(next, other));
                if let Some(other) = old.shadow.as_ref().filter(ends) {
                    other.end(&old, &why);
                }
                if let (Some(shadow), Some(wanted)) = (&shadow, &record.shadow) {
                    shadow.until.store(wanted.until, Ordering::Relaxed);
                    old.live.remember_shadow(Remembered::Goes(shadow.clone()));
                }
                let (name, runtime, live) = (old.name.clone(), old.runtime.clone(), old.live.clone());
                let integration = Integration { name, record, revision, runtime, live, shadow, share: None };
                view.integrations.insert(old.name.to_string(), Arc::new(integration));
            }),
        }))
    };
    shared.registrar.change(decide).await.map(drop)
}
