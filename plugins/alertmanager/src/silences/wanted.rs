//! What a caller wants silenced: read and judged before anything is sent, and told apart from other wishes.

use jackfield_sdk::matchers::{Matcher, Op, parse_all};
use jackfield_sdk::prelude::*;
use regex_lite::Regex;

use super::once::Fingerprint;
use super::remote::Silence;
use crate::wire::{NewSilence, Time};
use crate::wit::silences::{SilenceInfo, SilenceSpec, SilenceState};

/// A silence that is wanted.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// In the caller's order, so that an error can point at one.
    pub(crate) matchers: Vec<Matcher>,
    starts_at: Option<TimestampMs>,
    ends_at: TimestampMs,
    created_by: String,
    comment: String,
}

impl Wanted {
    /// Judges what can be judged without a clock.
    pub(crate) fn parse(spec: SilenceSpec) -> Result<Self> {
        let SilenceSpec { matchers, starts_at, ends_at, created_by, comment } = spec;
        let matchers = parse_all(&matchers, "/silence/matchers")?;
        if matchers.is_empty() {
            return Err(Error::invalid(
                "/silence/matchers",
                "name at least one matcher, e.g. `alertname=\"DiskFull\"`",
            ));
        }
        if matchers.iter().all(matches_empty) {
            return Err(Error::invalid(
                "/silence/matchers",
                "at least one matcher must not match the empty text, else the silence would hold for everything",
            ));
        }
        for (field, time) in [("/silence/starts-at", starts_at), ("/silence/ends-at", Some(ends_at))] {
            if time.is_some_and(|time| time::to_rfc3339(time).is_none()) {
                return Err(Error::invalid(field, "the time lies outside the years 0 to 9999"));
            }
        }
        if starts_at.is_some_and(|starts_at| ends_at <= starts_at) {
            return Err(Error::invalid("/silence/ends-at", "the silence would end before it starts"));
        }
        Ok(Self { matchers, starts_at, ends_at, created_by, comment })
    }

    /// Judges what the clock has a say in. Not before it is known that the silence is new: a request that comes again may
    /// come after the silence it made is over.
    pub(crate) fn check_time(&self) -> Result<()> {
        if self.ends_at <= time::now_ms() {
            return Err(Error::invalid("/silence/ends-at", "the silence would be over already"));
        }
        Ok(())
    }

    /// Whether a silence is this one. Alertmanager lets a silence that should have begun begin when it is made, so where
    /// no start or a past one is wanted, any that has begun since then is. One that is over is it only for a request that
    /// was sent before, which may have made it.
    pub(crate) fn is(&self, silence: &Silence, now: TimestampMs, sent_before: bool) -> bool {
        let Silence { matchers, info } = silence;
        let begun = info.state != SilenceState::Pending;
        let same_start = match self.starts_at {
            None => begun,
            Some(wanted) => info.starts_at == wanted || begun && wanted <= now && wanted <= info.starts_at,
        };
        same_start
            && (info.state != SilenceState::Expired || sent_before)
            && info.ends_at == self.ends_at
            && info.created_by == self.created_by
            && info.comment == self.comment
            && sorted(matchers) == sorted(&self.matchers)
    }

    /// What is sent to make it.
    pub(crate) fn request(&self) -> NewSilence<'_> {
        NewSilence {
            matchers: self.matchers.iter().map(Into::into).collect(),
            starts_at: Time(self.starts_at.unwrap_or_else(time::now_ms)),
            ends_at: Time(self.ends_at),
            created_by: &self.created_by,
            comment: &self.comment,
        }
    }

    /// What it is, or would be, where Alertmanager has no word on it.
    pub(crate) fn as_info(&self, id: &str) -> SilenceInfo {
        let now = time::now_ms();
        let starts_at = self.starts_at.unwrap_or(now).max(now);
        SilenceInfo {
            id: id.to_owned(),
            matchers: self.matchers.iter().map(Matcher::to_string).collect(),
            starts_at,
            ends_at: self.ends_at,
            created_by: self.created_by.clone(),
            comment: self.comment.clone(),
            state: if starts_at > now { SilenceState::Pending } else { SilenceState::Active },
            updated_at: now,
        }
    }

    /// Tells it from other silences.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let start = self.starts_at.map(|time| time.to_string());
        let print = Fingerprint::new("silence").with_opt(start).with(self.ends_at.to_string());
        let print = print.with(&self.created_by).with(&self.comment);
        sorted(&self.matchers).into_iter().fold(print, |print, matcher| print.with(matcher.to_string()))
    }
}

/// Whether a matcher holds for a label that is not there. An expression in a dialect that is not understood here is taken
/// not to; Alertmanager has the last word.
fn matches_empty(matcher: &Matcher) -> bool {
    let matches = |pattern: &str| Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|regex| regex.is_match(""));
    let matches_not = |pattern: &str| Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|regex| !regex.is_match(""));
    match matcher.op {
        Op::Equal => matcher.value.is_empty(),
        Op::NotEqual => !matcher.value.is_empty(),
        Op::Matches => matches(&matcher.value),
        Op::MatchesNot => matches_not(&matcher.value),
    }
}

/// Matchers as a set.
fn sorted(matchers: &[Matcher]) -> Vec<&Matcher> {
    let mut sorted: Vec<&Matcher> = matchers.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}
