//! What is stored of a credential that a plugin makes: who makes it, when the next is due, and every one that was made and not
//! taken back yet. What is wanted of an outside system is noted before it is asked, and what it made before that is used,
//! so that a crash leaves nothing behind that nobody knows of.

use jackfield_store::{Bucket, Expect, Mutation, Store};
use jackfield_vault::CredentialKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, Result, TimestampMs, faults};

/// Where plans stand among what the host remembers.
const PREFIX: &str = "issuer/";
/// A plan that fails is tried again after this long, in milliseconds, twice as long after the next failure, and so on.
const FIRST_PAUSE: i64 = 10_000;
/// But at least so often: what ends is replaced when a third of its life is left.
const MOST_PAUSE: i64 = 300_000;
/// The shortest time between two rotations, in seconds: each is work for every integration that uses the credential.
pub(super) const LEAST_EVERY: u64 = 10;

/// Who makes a credential, and how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct IssuerSettings {
    /// The integration whose plugin makes it. What that plugin may do at the outside system its own credential says.
    pub integration: String,
    /// What it consists of.
    #[serde(rename = "type")]
    pub kind: CredentialKind,
    /// What the plugin is told: its documentation says what it understands.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// How long one is used until the next is made, in seconds. One that ends earlier is renewed or replaced before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_s: Option<u64>,
}

/// One that was made and not taken back yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Issued {
    /// What the plugin knows it by.
    pub handle: String,
    /// The integration whose plugin made it.
    pub integration: String,
    /// The version of the credential that holds it; none for a moment.
    pub version: Option<u64>,
    /// When it was made.
    pub made_at: TimestampMs,
    /// How long it lives by itself, in seconds, counted from when it was made or renewed.
    pub lifetime_s: Option<u64>,
    /// When it ends by itself.
    pub ends_at: Option<TimestampMs>,
    /// The version that is taken back once this one is used, while that is happening.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u64>,
    /// It is not to be used any more; it is there only because the outside system has not taken it back yet.
    pub withdrawn: bool,
    /// Why it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<IssuingFailure>,
}

/// Why the last attempt failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IssuingFailure {
    /// When.
    pub at: TimestampMs,
    /// What was wrong.
    pub message: String,
    /// How often it has failed since it last worked.
    pub times: u32,
    /// When it is tried again.
    pub again_at: TimestampMs,
}

impl IssuingFailure {
    /// One more failure, after the last.
    pub(super) fn after(last: Option<&Self>, now: TimestampMs, message: String) -> Self {
        let times = last.map_or(0, |last| last.times).saturating_add(1);
        let pause = FIRST_PAUSE.saturating_mul(1 << (times - 1).min(20)).min(MOST_PAUSE);
        Self { at: now, message, times, again_at: now + pause }
    }
}

/// A credential that a plugin makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IssuerInfo {
    /// Who makes it.
    pub settings: IssuerSettings,
    /// The key of a wish whose answer has not come yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// Those that were made.
    pub issued: Vec<Issued>,
    /// When the next is due, if ever.
    pub due_at: Option<TimestampMs>,
    /// Why the last attempt failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<IssuingFailure>,
    /// The credential was deleted: nothing more is made, and this is here until everything is taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
}

impl IssuerInfo {
    pub(super) fn new(settings: IssuerSettings) -> Self {
        Self { settings, asked: None, issued: Vec::new(), due_at: None, failed: None, ended: false }
    }

    /// The one that is used now.
    pub(super) fn used(&self, version: u64) -> Option<&Issued> {
        self.issued.iter().find(|issued| !issued.withdrawn && issued.version == Some(version))
    }

    /// Whether there is one of this handle; each integration has handles of its own.
    pub(super) fn has(&self, integration: &str, handle: &str) -> bool {
        self.issued.iter().any(|issued| issued.integration == integration && issued.handle == handle)
    }

    /// Sets when the next is due, by the one that is used now: when the operator said, and in any case when two thirds of
    /// its life are over. But not at once, whatever a plugin says of its life: each is work for others, too.
    pub(super) fn schedule(&mut self, current: Option<u64>) {
        let Some(used) = current.and_then(|version| self.used(version)) else {
            self.due_at = None;
            return;
        };
        let after = |from: TimestampMs, seconds: u64| from.saturating_add_unsigned(seconds.saturating_mul(1000));
        let by_wish = self.settings.every_s.map(|seconds| after(used.made_at, seconds));
        let by_life = used.ends_at.zip(used.lifetime_s).map(|(end, life)| {
            let (life, least) = (life.saturating_mul(1000), LEAST_EVERY.saturating_mul(1000));
            end.saturating_sub_unsigned(life / 3).max(end.saturating_sub_unsigned(life).saturating_add_unsigned(least))
        });
        self.due_at = [by_wish, by_life].into_iter().flatten().min();
    }

    /// When the next is to be made, if ever.
    pub(super) fn next(&self) -> Option<TimestampMs> {
        let due = if self.asked.is_some() { Some(0) } else { self.due_at };
        due.map(|due| self.failed.as_ref().map_or(due, |failed| due.max(failed.again_at)))
    }

    /// When there is something to do, if ever: to make the next, or to take something back.
    pub(super) fn wake(&self) -> Option<TimestampMs> {
        let back = self.issued.iter().filter(|issued| issued.withdrawn);
        let back = back.map(|issued| issued.failed.as_ref().map_or(0, |failed| failed.again_at));
        back.chain(self.next()).min()
    }
}

/// A plan and the revision it was read at.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) info: IssuerInfo,
    revision: Option<u64>,
}

impl Plan {
    /// One that is not stored yet.
    pub(super) fn new(name: &str, settings: IssuerSettings) -> Self {
        Self { name: name.to_owned(), info: IssuerInfo::new(settings), revision: None }
    }

    /// The plan of a credential.
    pub(super) async fn read(store: &dyn Store, name: &str) -> Result<Option<Self>> {
        let stored = store.get(Bucket::Meta, &format!("{PREFIX}{name}")).await.map_err(faults::store)?;
        stored.map(|stored| parse(name, &stored.value, stored.revision)).transpose()
    }

    /// All plans.
    pub(super) async fn all(store: &dyn Store) -> Result<Vec<Self>> {
        let stored = store.list(Bucket::Meta, PREFIX, None, usize::MAX).await.map_err(faults::store)?;
        let name = |key: &str| key.strip_prefix(PREFIX).unwrap_or(key).to_owned();
        stored.into_iter().map(|(key, record)| parse(&name(&key), &record.value, record.revision)).collect()
    }

    /// Stores it as it is now.
    pub(super) async fn save(&mut self, store: &dyn Store) -> Result<()> {
        let value = serde_json::to_vec(&self.info).map_err(|error| Error::internal(error.to_string()))?;
        let expect = self.revision.map_or(Expect::Absent, Expect::Revision);
        let set = Mutation::set(Bucket::Meta, format!("{PREFIX}{}", self.name), value).expect(expect);
        self.revision = Some(store.commit(vec![set]).await.map_err(faults::store)?);
        Ok(())
    }

    /// What is left of one that was forgotten.
    pub(super) fn gone(name: &str) -> Self {
        let settings = IssuerSettings {
            integration: String::new(),
            kind: CredentialKind::Bearer,
            parameters: Map::new(),
            every_s: None,
        };
        Self::new(name, settings)
    }

    /// Whether it is not stored.
    pub(super) fn is_gone(&self) -> bool {
        self.revision.is_none()
    }

    /// Forgets it.
    pub(super) async fn forget(self, store: &dyn Store) -> Result<()> {
        let gone = Mutation::delete(Bucket::Meta, format!("{PREFIX}{}", self.name));
        store.commit(vec![gone]).await.map_err(faults::store)?;
        Ok(())
    }
}

fn parse(name: &str, value: &[u8], revision: u64) -> Result<Plan> {
    let info = serde_json::from_slice(value)
        .map_err(|error| Error::internal(format!("who makes the credential `{name}` cannot be read: {error}")))?;
    Ok(Plan { name: name.to_owned(), info, revision: Some(revision) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(every_s: Option<u64>) -> IssuerInfo {
        IssuerInfo::new(IssuerSettings {
            integration: "admin".into(),
            kind: CredentialKind::Basic,
            parameters: Map::new(),
            every_s,
        })
    }

    fn issued(version: u64, made_at: TimestampMs, lifetime_s: Option<u64>) -> Issued {
        let ends_at = lifetime_s.map(|seconds| made_at.saturating_add_unsigned(seconds * 1000));
        Issued {
            handle: format!("h{version}"),
            integration: "admin".into(),
            version: Some(version),
            made_at,
            lifetime_s,
            ends_at,
            replaces: None,
            withdrawn: false,
            failed: None,
        }
    }

    #[test]
    fn the_next_is_due_when_the_operator_said_or_before_the_last_ends() {
        for (every, lifetime, due) in [
            (Some(100), None, Some(100_500)),
            (None, Some(90), Some(60_500)),
            (Some(100), Some(90), Some(60_500)),
            (Some(10), Some(90), Some(10_500)),
            // A plugin has no more made than operators may.
            (None, Some(1), Some(10_500)),
            (None, Some(0), Some(10_500)),
            (None, None, None),
        ] {
            let mut plan = info(every);
            plan.issued.push(issued(1, 500, lifetime));
            plan.schedule(Some(1));
            assert_eq!(plan.due_at, due, "{every:?} {lifetime:?}");
            plan.schedule(Some(2));
            assert_eq!(plan.due_at, None, "what somebody else set is nobody's to rotate");
        }
    }

    fn fail(last: Option<&IssuingFailure>, now: TimestampMs) -> IssuingFailure {
        IssuingFailure::after(last, now, "no".into())
    }

    #[test]
    fn what_fails_is_tried_again_after_pauses_that_grow_to_five_minutes() {
        let mut plan = info(Some(100));
        plan.issued.push(issued(1, 0, None));
        plan.schedule(Some(1));
        for (times, pause) in [(1, 10_000), (2, 20_000), (3, 40_000)] {
            plan.failed = Some(fail(plan.failed.as_ref(), 1_000_000));
            assert_eq!(plan.failed.as_ref().map(|failed| failed.times), Some(times));
            assert_eq!(plan.next(), Some(1_000_000 + pause));
        }
        (0..40).for_each(|_| plan.failed = Some(fail(plan.failed.as_ref(), 0)));
        assert_eq!(plan.next(), Some(MOST_PAUSE));
    }

    #[test]
    fn what_cannot_be_taken_back_does_not_hold_up_the_next() {
        let mut plan = info(Some(100));
        plan.issued.push(Issued { withdrawn: true, ..issued(1, 0, None) });
        assert_eq!((plan.wake(), plan.next()), (Some(0), None));
        plan.issued[0].failed = Some(fail(None, 1_000_000));
        assert_eq!(plan.wake(), Some(1_010_000));
        plan.issued.push(issued(2, 0, None));
        plan.schedule(Some(2));
        assert_eq!((plan.wake(), plan.next()), (Some(100_000), Some(100_000)));
        plan.issued.clear();
        plan.schedule(None);
        assert_eq!(plan.wake(), None);
        plan.asked = Some("key".into());
        assert_eq!(plan.wake(), Some(0));
    }
}
