//! Upgrades in parts: a share of the calls goes to the new version while the old one has the rest, until the share is moved, the
//! new version has all, or it is taken back. Both serve: they have the integration's state, journal, health and counters in
//! common, and each its own instances and connections.
//!
//! Reads are told out in turn. A write goes by its idempotency key, so that the same write goes to the same version while the
//! share stands; where it moved meanwhile, to the version that the journal says had it first. Change feeds, checks, and what
//! the host asks by itself stay with the old version until the new one has all.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use jackfield_registry::Digest;
use jackfield_store::{Bucket, Expect, Mutation};
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{
    Integration, IntegrationRecord, build,
    build::For,
    judge, moved_on, same,
    upgrade::{Probation, leaving},
};
use crate::{
    Error, ErrorKind, ErrorSource, EventKind, Result, TimestampMs,
    clock::now_ms,
    health,
    idempotency::Named,
    journal,
    metrics::Tally,
    plugins::Installed,
    registrar::{Change, Decision, encode},
    shared::Shared,
    versions::{self, Target},
    view::View,
};

/// All calls, in parts.
const ALL: u8 = 100;

/// What is stored of a share, with its integration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ShareRecord {
    pub(crate) plugin_version: Version,
    pub(crate) plugin_digest: Digest,
    /// What the new version runs with.
    pub(crate) config: Map<String, Value>,
    /// Of a hundred calls so many.
    pub(super) percent: u8,
    /// The new version found its outside system healthy.
    health: bool,
    began_at: TimestampMs,
    /// The revision with which the new version was given its first calls, where that is not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
}

/// A version that has a share of an integration's calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ShareSummary {
    /// The plugin's version.
    pub plugin_version: Version,
    /// Of a hundred calls so many.
    pub percent: u8,
    /// Since when it has a share.
    pub since: TimestampMs,
    /// Its calls since then that have ended, or since the host was started.
    pub calls: u64,
    /// Those that failed, and not by what their callers did.
    pub failed: u64,
}

/// What serves a share of an integration's calls.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) next: Arc<Integration>,
    percent: u8,
    told_out: Arc<AtomicU64>,
}

/// What is wanted of a share.
pub(super) struct Wanted<'a> {
    pub(super) plugin: &'a Arc<Installed>,
    pub(super) config: Map<String, Value>,
    pub(super) percent: u8,
    pub(super) checked: bool,
    pub(super) dry_run: bool,
}

impl Share {
    /// What runs for a share of an integration's calls.
    fn new(
        shared: &Shared,
        old: &Integration,
        record: &ShareRecord,
        plugin: &Arc<Installed>,
        same_since: Option<u64>,
    ) -> Result<Self> {
        let next = leaving(&old.record, plugin, record.config.clone());
        // Watched as long as it stands: nobody said yet that it may stay.
        let probation = Some(Probation { until: TimestampMs::MAX, health: record.health });
        let next = IntegrationRecord { probation, same_since, shadow: None, share: None, ..next };
        let runtime = build::runtime(shared, &old.name, &next, plugin, &old.live, For::Calls)?;
        let next = Integration {
            name: old.name.clone(),
            record: next,
            revision: old.revision,
            runtime: Ok(Arc::new(runtime)),
            live: old.live.clone(),
            shadow: None,
            share: None,
        };
        Ok(Self { next: Arc::new(next), percent: record.percent, told_out: Arc::default() })
    }

    /// Makes what had a share when the host ended.
    pub(super) fn again(shared: &Shared, old: &Integration, view: &View) -> Option<Arc<Self>> {
        let record = old.record.share.as_ref()?;
        let plugin = view.exactly(&old.record.plugin, &record.plugin_version, record.plugin_digest);
        let since = record.since.or(Some(old.revision));
        let share = old.running().and(plugin).and_then(|plugin| Self::new(shared, old, record, plugin, since));
        share
            .inspect_err(|error| tracing::error!(integration = &*old.name, %error, "a version that had a share of the calls cannot run"))
            .ok()
            .map(Arc::new)
    }

    /// The same with another percentage, at a revision.
    fn moved(&self, percent: u8, revision: u64) -> Arc<Self> {
        let Integration { name, record, runtime, live, .. } = &*self.next;
        let (name, record, runtime, live) = (name.clone(), record.clone(), runtime.clone(), live.clone());
        let record = IntegrationRecord { same_since: record.same_since.or(Some(revision)), ..record };
        let next = Integration { name, record, revision, runtime, live, shadow: None, share: None };
        Arc::new(Self { next: Arc::new(next), percent, told_out: self.told_out.clone() })
    }

    /// What a call means in the new version: the same as in the old one, which understands it as `old`. A caller who names no
    /// version of a capability is understood in the one that the old version speaks, whichever of them has his call, and is
    /// answered in it. None where the new version does not offer the operation, of the same kind, or cannot be asked so.
    pub(crate) fn target<'s>(
        &'s self,
        view: &View,
        old: &Target<'_>,
        capability: &str,
        operation: &str,
    ) -> Option<Target<'s>> {
        let runtime = self.next.running().ok()?;
        let offered = runtime.capability(capability).ok()?.operation(operation).ok()?.operation();
        let known = &old.operation().capability;
        let target = if offered.capability == *known {
            versions::target(view, &self.next, runtime, capability, operation)
        } else {
            versions::target(view, &self.next, runtime, &known.to_string(), operation)
        };
        target.ok().filter(|target| target.served.operation().kind == old.served.operation().kind)
    }

    /// Whether the next read is one of the new version's.
    fn has_next(&self) -> bool {
        in_turn(self.told_out.fetch_add(1, Ordering::Relaxed), self.percent)
    }
}

/// Whether the read of this number is one of so many in a hundred, which are spread evenly.
fn in_turn(number: u64, percent: u8) -> bool {
    let until = |number: u64| number * u64::from(percent) / u64::from(ALL);
    let number = number % u64::from(ALL);
    until(number + 1) > until(number)
}

/// Whether a key is one of so many in a hundred. It stays one when there are more.
fn of_key(key: &str, percent: u8) -> bool {
    let digest = Sha256::digest(key.as_bytes());
    let number = digest.iter().take(4).fold(0u32, |number, byte| number << 8 | u32::from(*byte));
    number % u32::from(ALL) < u32::from(percent)
}

impl Integration {
    /// The version that a read goes to, of which a share goes to the new one.
    pub(crate) fn for_read<'i>(self: &'i Arc<Self>, share: &'i Share) -> &'i Arc<Self> {
        if share.has_next() { &share.next } else { self }
    }

    /// The version that a write goes to, of which a share goes to the new one.
    pub(crate) async fn for_write<'i>(
        self: &'i Arc<Self>,
        shared: &Shared,
        share: &'i Share,
        write: &Named,
    ) -> Result<&'i Arc<Self>> {
        let before = match write.fresh || write.dry_run {
            true => None,
            false => journal::taken_by(shared, &self.record.incarnation, &write.key).await?,
        };
        let is =
            |version: &Self| before.as_ref().is_some_and(|digest| *digest == version.record.plugin_digest.to_string());
        let next = if is(self) { false } else { is(&share.next) || of_key(&write.key, share.percent) };
        Ok(if next { &share.next } else { self })
    }

    /// What has a share of its calls.
    pub(crate) fn share_summary(&self) -> Option<ShareSummary> {
        let record = self.record.share.as_ref()?;
        let plugin_version = record.plugin_version.clone();
        let watch = self.share.as_ref().and_then(|share| share.next.runtime.as_ref().ok()?.watch.as_ref());
        let Tally { ended, failed } = watch.map(|watch| watch.tally()).unwrap_or_default();
        Some(ShareSummary { plugin_version, percent: record.percent, since: record.began_at, calls: ended, failed })
    }
}

/// Gives a version a share of an integration's calls, or another share.
pub(super) async fn give(shared: &Shared, old: &Arc<Integration>, wanted: Wanted<'_>) -> Result<()> {
    let Wanted { plugin, config, percent, checked, dry_run } = wanted;
    old.enabled()?;
    old.running()?;
    let goes_on = old.record.share.as_ref().zip(old.share.as_ref()).filter(|(record, _)| record.config == config);
    let message = format!(
        "{percent} of 100 calls of `{}` go to `{}`, after {}",
        old.name,
        plugin.id(),
        old.record.plugin_version
    );
    if let Some((record, share)) = goes_on {
        let since = record.since.or(Some(old.revision));
        let record = ShareRecord { percent, since, ..record.clone() };
        return if dry_run { Ok(()) } else { commit(shared, old, Some((record, share.clone())), message).await };
    }
    let record = ShareRecord {
        plugin_version: plugin.version().clone(),
        plugin_digest: plugin.record.digest,
        config,
        percent,
        health: checked,
        began_at: now_ms(),
        since: None,
    };
    let share = Share::new(shared, old, &record, plugin, None)?;
    judge(&old.name, share.next.running()?, plugin).await?;
    if checked {
        let tried = build::runtime(shared, &old.name, &share.next.record, plugin, &old.live, For::Version)?;
        health::try_out(old, &tried).await.map_err(|error| {
            let message = format!(
                "`{}` stays at {}: {} finds its outside system not healthy: {}. Upgrade it when that is well, or with `--unchecked`",
                old.name,
                old.record.plugin_version,
                plugin.version(),
                error.message
            );
            Error { message, ..error }
        })?;
    }
    if dry_run {
        return Ok(());
    }
    commit(shared, old, Some((record, Arc::new(share))), message).await
}

/// Takes a share back: all calls go to the version that had them before. `why`: what the new version did.
pub(super) async fn take_back(shared: &Shared, old: &Arc<Integration>, why: Option<&str>) -> Result<()> {
    let Some(record) = &old.record.share else { return Ok(()) };
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    let message = format!(
        "`{}` runs with {} alone, and no more with {}{why}",
        old.name, old.record.plugin_version, record.plugin_version
    );
    commit(shared, old, None, message).await
}

/// Whether a change may be made of an integration of whose calls a version has a share: only that version may have all.
pub(super) fn may_change(old: &Integration, to: Digest) -> Result<()> {
    let Some(share) = old.record.share.as_ref().filter(|share| share.plugin_digest != to) else {
        return Ok(());
    };
    let message = format!(
        "{} of 100 calls of `{}` go to {}, so it is not changed otherwise: give that version all (`jackfield integration upgrade {}`), or take it back (`jackfield integration rollback {}`)",
        share.percent, old.name, share.plugin_version, old.name, old.name
    );
    let error = Error::new(ErrorKind::Conflict, ErrorSource::Caller, message);
    Err(Error { code: Some("upgrade-shared".to_owned()), ..error })
}

async fn commit(
    shared: &Shared,
    old: &Arc<Integration>,
    to: Option<(ShareRecord, Arc<Share>)>,
    message: String,
) -> Result<()> {
    let kind = if to.is_some() { EventKind::IntegrationShared } else { EventKind::IntegrationRolledBack };
    let (record, share) = to.unzip();
    let same_since = Some(old.sends_since());
    let record = IntegrationRecord { share: record, same_since, shadow: None, ..old.record.clone() };
    let needed = match &record.share {
        Some(share) => {
            let (version, digest) = (&share.plugin_version, share.plugin_digest);
            Some(shared.view.load().exactly(&record.plugin, version, digest)?.clone())
        }
        None => None,
    };
    let value = encode(&record)?;
    let old = old.clone();
    let decide = move |view: &View| {
        let current = view.integration(&old.name)?;
        if current.revision != old.revision {
            return Err(moved_on(&old.name, None, current.revision));
        }
        if let Some(share) = &record.share {
            view.pins.allow(&record.plugin, &share.plugin_version).map_err(|e| e.at("/version"))?;
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
                let percent = record.share.as_ref().map_or(0, |share| share.percent);
                let share = share.map(|share| share.moved(percent, revision));
                let (name, runtime, live) = (old.name.clone(), old.runtime.clone(), old.live.clone());
                let integration = Integration { name, record, revision, runtime, live, shadow: None, share };
                view.integrations.insert(old.name.to_string(), Arc::new(integration));
            }),
        }))
    };
    shared.registrar.change(decide).await.map(drop)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn of_a_hundred_reads_in_turn_a_share_has_exactly_its_part(percent in 1u8..100, from in 0u64..1000) {
            let has = (from..from + 100).filter(|number| in_turn(*number, percent)).count();
            prop_assert_eq!(has, usize::from(percent));
        }

        #[test]
        fn a_key_that_a_share_has_is_had_by_every_larger_one(key in "[a-z0-9]{1,20}", percent in 1u8..100, more in 1u8..100) {
            let (less, more) = (percent.min(more), percent.max(more));
            prop_assert!(!of_key(&key, less) || of_key(&key, more));
            prop_assert!(of_key(&key, ALL) && !of_key(&key, 0));
        }
    }

    #[test]
    fn of_many_keys_a_share_has_about_its_part() {
        let has = (0..10_000).filter(|number| of_key(&format!("key-{number}"), 10)).count();
        assert!((900..1100).contains(&has), "{has}");
    }
}
