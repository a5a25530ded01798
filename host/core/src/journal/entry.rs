//! What is stored of one write, and where.
//!
//! | key, in [`Bucket::Journal`] | what it says |
//! |---|---|
//! | `open/INCARNATION/KEY` | the write was begun; unless somebody carries it out right now, nobody knows what came of it |
//! | `done/INCARNATION/KEY` | what came of it |
//! | `at/INCARNATION/TIME/KEY` | when that was, so that the oldest are found first |
//!
//! KEY is the idempotency key, INCARNATION the integration's, so that an integration that is removed and added again
//! knows nothing of the other's writes.

use bytes::Bytes;
use jackfield_reflect::CapabilityId;
use jackfield_store::{Bucket, Expect, Mutation, Quota, Record};
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, ErrorSource, Result, TimestampMs, state};

/// The longest answer that is kept, in bytes.
const MOST_ANSWER: usize = 256 << 10;
/// How many writes of one integration may be open before it may begin no more, and their bytes.
const MOST_OPEN: u64 = 10_000;
const MOST_OPEN_BYTES: u64 = 16 << 20;

/// What is stored of a write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Entry {
    /// The operation: `key-value.put`.
    pub(super) action: String,
    /// What was asked, as its fingerprint.
    pub(super) request: String,
    /// The version of the capability that what was asked and answered is in. Absent in older entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) capability: Option<CapabilityId>,
    pub(super) plugin_digest: String,
    /// The integration's revision: where it was sent.
    pub(super) revision: u64,
    pub(super) began_at: TimestampMs,
    /// How often it was sent to the plugin.
    pub(super) attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended_at: Option<TimestampMs>,
    /// Absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<End>,
    /// One sentence for a person: why its outcome is unknown, or who settled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
}

/// How a write ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum End {
    /// With an answer, which stands behind the entry.
    Answered,
    /// With an answer that is not kept: it is too long.
    AnsweredAtLength,
    /// With an error that means that nothing was carried out, and that sending it again cannot help.
    Failed(Failure),
    /// An operator found that it was carried out.
    FoundApplied,
}

/// An error that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Failure {
    kind: ErrorKind,
    source: ErrorSource,
    pub(super) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

impl Failure {
    /// The error, if it is one that stays true: the request was judged, and nothing was carried out. Of every other it is
    /// true too that nothing was, but it may go better when it is sent again.
    pub(super) fn lasting(error: &Error) -> Option<Self> {
        let judged = matches!(error.source_of_fault, ErrorSource::Caller | ErrorSource::Downstream);
        (error.kind.says_no() && judged).then(|| Self {
            kind: error.kind,
            source: error.source_of_fault,
            message: error.message.clone(),
            field: error.field.clone(),
            code: error.code.clone(),
        })
    }

    fn into_error(self) -> Error {
        let Self { kind, source, message, field, code } = self;
        Error { field, code, ..Error::new(kind, source, message) }
    }
}

/// One write of one integration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub(super) incarnation: String,
    pub(super) key: String,
}

/// Where the open writes of an integration stand.
pub(super) fn open_prefix(incarnation: &str) -> String {
    format!("open/{incarnation}/")
}

/// Where the settled ones stand.
pub(super) fn done_prefix(incarnation: &str) -> String {
    format!("done/{incarnation}/")
}

/// Where the times stand at which they were.
pub(super) fn at_prefix(incarnation: &str) -> String {
    format!("at/{incarnation}/")
}

/// What an `at` key says: when, and which write.
pub(super) fn time_and_key<'k>(incarnation: &str, at: &'k str) -> Option<(TimestampMs, &'k str)> {
    let (time, key) = at.strip_prefix(&at_prefix(incarnation))?.split_once('/')?;
    Some((time.parse().ok()?, key))
}

impl Id {
    pub(super) fn open(&self) -> String {
        open_prefix(&self.incarnation) + &self.key
    }

    pub(super) fn done(&self) -> String {
        done_prefix(&self.incarnation) + &self.key
    }

    fn at(&self, time: TimestampMs) -> String {
        format!("{}{time:015}/{}", at_prefix(&self.incarnation), self.key)
    }

    /// Only as long as the integration is there.
    pub(super) fn lives(&self) -> Mutation {
        Mutation::require(Bucket::Meta, state::marker(&self.incarnation), Expect::Present)
    }

    /// Notes that the write is open.
    pub(super) fn note(&self, entry: &Entry) -> Result<Mutation> {
        Ok(self.bounded(Mutation::set(Bucket::Journal, self.open(), entry.encode(&[])?)))
    }

    /// The write is open no more.
    pub(super) fn unnote(&self) -> Mutation {
        self.bounded(Mutation::delete(Bucket::Journal, self.open()))
    }

    /// Whatever changes what is open says within which bounds: the store then need not count it each time.
    fn bounded(&self, mutation: Mutation) -> Mutation {
        let prefix = open_prefix(&self.incarnation);
        mutation.quota(Quota { prefix, max_bytes: MOST_OPEN_BYTES, max_keys: MOST_OPEN })
    }

    /// Settles the write that is open.
    pub(super) fn settle(&self, entry: &Entry, answer: &[u8]) -> Result<Vec<Mutation>> {
        let time = entry.ended_at.unwrap_or_default();
        Ok(vec![
            self.lives(),
            self.unnote().expect(Expect::Present),
            Mutation::set(Bucket::Journal, self.done(), entry.encode(answer)?),
            Mutation::set(Bucket::Journal, self.at(time), Vec::new()),
        ])
    }

    /// Forgets a write that was settled at this time.
    pub(super) fn forget(&self, time: TimestampMs) -> [Mutation; 2] {
        [Mutation::delete(Bucket::Journal, self.done()), Mutation::delete(Bucket::Journal, self.at(time))]
    }
}

impl Entry {
    /// The entry of a write that has ended with this, and what is kept of its answer; none where it may be sent again.
    pub(super) fn ended(mut self, result: &Result<Bytes>, now: TimestampMs) -> Option<(Self, Bytes)> {
        let (end, answer) = match result {
            Ok(answer) if answer.len() > MOST_ANSWER => (End::AnsweredAtLength, Bytes::new()),
            Ok(answer) => (End::Answered, answer.clone()),
            Err(error) => (End::Failed(Failure::lasting(error)?), Bytes::new()),
        };
        (self.ended_at, self.end, self.message) = (Some(now), Some(end), None);
        Some((self, answer))
    }

    /// What whoever sends it again is told, by an integration that now speaks this version of the capability, with a plugin of this
    /// digest. An answer is never taken for one of another form than it has.
    pub(super) fn again(self, answer: Bytes, speaks: &CapabilityId, plugin_digest: &str) -> Result<Bytes> {
        let form = match &self.capability {
            Some(id) => (id != speaks).then(|| id.to_string()),
            None => (self.plugin_digest != plugin_digest).then(|| "an older version".to_owned()),
        };
        let lost = |why: &str| {
            let message = format!(
                "this write was carried out before, under the same idempotency key; {why}: read back what it did"
            );
            let error = Error::new(ErrorKind::AlreadyExists, ErrorSource::Caller, message);
            Err(Error { code: Some("answer-not-kept".to_owned()), ..error })
        };
        match (self.end, form) {
            (Some(End::Answered), Some(form)) => {
                lost(&format!("its answer has the form of {form}, which the integration does not speak any more"))
            }
            (Some(End::Answered), None) => Ok(answer),
            (Some(End::AnsweredAtLength), _) => lost("its answer was too long to be kept"),
            (Some(End::FoundApplied), _) => lost("its answer was lost, and an operator found it carried out"),
            (Some(End::Failed(failure)), _) => Err(failure.into_error()),
            (None, _) => Err(Error::internal("a write that is settled does not say how")),
        }
    }

    /// One line of JSON, and the answer behind it.
    pub(super) fn encode(&self, answer: &[u8]) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec(self).map_err(|error| Error::internal(error.to_string()))?;
        if !answer.is_empty() {
            bytes.push(b'\n');
            bytes.extend_from_slice(answer);
        }
        Ok(bytes)
    }

    pub(super) fn decode(record: Record) -> Result<(Self, Bytes)> {
        let bytes = Bytes::from(record.value);
        let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let entry = serde_json::from_slice(bytes.get(..line).unwrap_or_default())
            .map_err(|error| Error::internal(format!("what is stored of a write cannot be read: {error}")))?;
        Ok((entry, bytes.slice((line + 1).min(bytes.len())..)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            action: "key-value.put".into(),
            request: "00".into(),
            capability: Some(id("0.1.0")),
            plugin_digest: "sha256:00".into(),
            revision: 1,
            began_at: 5,
            attempts: 1,
            ended_at: None,
            end: None,
            message: None,
        }
    }

    fn id(version: &str) -> CapabilityId {
        format!("jackfield:key-value@{version}").parse().unwrap()
    }

    fn stored(result: &Result<Bytes>) -> Option<Result<Bytes>> {
        let (entry, answer) = entry().ended(result, 7)?;
        let (read, answer) = Entry::decode(Record { value: entry.encode(&answer).unwrap(), revision: 1 }).unwrap();
        assert_eq!((&read, read.ended_at), (&entry, Some(7)));
        Some(read.again(answer, &id("0.1.0"), "sha256:00"))
    }

    #[test]
    fn an_answer_is_kept_as_it_was_and_one_that_is_too_long_is_said_to_have_been() {
        for answer in ["null", "{\n  \"a\": 1\n}", ""] {
            assert_eq!(stored(&Ok(Bytes::from(answer))).unwrap().unwrap(), answer);
        }
        let error = stored(&Ok(Bytes::from(vec![b'1'; MOST_ANSWER + 1]))).unwrap().unwrap_err();
        assert_eq!(error.code.as_deref(), Some("answer-not-kept"));
    }

    #[test]
    fn an_answer_is_not_told_as_one_of_another_version_of_the_capability() {
        let (answered, answer) = entry().ended(&Ok(Bytes::from("{}")), 7).unwrap();
        let again = |entry: &Entry, version, digest| entry.clone().again(answer.clone(), &id(version), digest);
        assert_eq!(again(&answered, "0.1.0", "sha256:01").unwrap(), "{}", "a newer plugin that speaks the same");
        let error = again(&answered, "0.2.0", "sha256:01").unwrap_err();
        assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::AlreadyExists, Some("answer-not-kept")));
        assert!(error.message.contains("jackfield:key-value@0.1.0"), "{error}");
        // Written before the version was noted.
        let old = Entry { capability: None, ..answered };
        assert_eq!(again(&old, "0.1.0", "sha256:00").unwrap(), "{}");
        assert!(again(&old, "0.1.0", "sha256:01").is_err());
        let text = String::from_utf8(old.encode(&[]).unwrap()).unwrap();
        assert!(!text.contains("capability"), "{text}");
    }

    #[test]
    fn an_error_that_stays_true_is_kept_and_one_that_may_pass_is_not() {
        let of = |kind, source| Err(Error { field: Some("/key".into()), ..Error::new(kind, source, "no") });
        let kept = stored(&of(ErrorKind::Conflict, ErrorSource::Downstream)).unwrap().unwrap_err();
        assert_eq!((kept.kind, kept.field.as_deref()), (ErrorKind::Conflict, Some("/key")));
        for (kind, source) in [
            (ErrorKind::Unavailable, ErrorSource::Downstream),
            (ErrorKind::RateLimited, ErrorSource::Downstream),
            (ErrorKind::Unauthenticated, ErrorSource::Downstream),
            (ErrorKind::Conflict, ErrorSource::Host),
            (ErrorKind::Internal, ErrorSource::Plugin),
        ] {
            assert!(stored(&of(kind, source)).is_none(), "{}", kind.as_str());
        }
    }

    #[test]
    fn times_are_found_in_their_order_whatever_the_keys_are() {
        let id = |key: &str| Id { incarnation: "i".into(), key: key.into() };
        let mut at = [id("a/1").at(1000), id("").at(999), id("z").at(99)];
        at.sort();
        let read: Vec<_> = at.iter().map(|at| time_and_key("i", at).unwrap()).collect();
        assert_eq!(read, [(99, "z"), (999, ""), (1000, "a/1")]);
    }
}
