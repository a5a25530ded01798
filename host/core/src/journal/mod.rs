//! The journal of writes: each is noted before its plugin is called, and what came of it before its caller is told.
//!
//! A write has an idempotency key, the caller's or one that is made here. The same request under the same key is carried
//! out once: whoever sends it again gets the answer that was given, whoever sends it meanwhile waits for it, and another
//! request under the key is refused. A write that was begun and of which nobody can say what came of it (the outside
//! system's answer was lost, the caller went away, the host was killed) is *open*, and stays so: it is not sent again by
//! the host, ever, and by its caller only where the plugin promises that this has no second effect (`once-by-key` in its
//! manifest). Everything else is an operator's to settle.
//!
//! What failed without having been carried out is forgotten, so that the same key may be used to try again; but for
//! errors that stay true however often it is tried, which are answers like others.

mod entry;
mod fingerprint;
mod intent;
mod model;
mod operations;
mod sweep;
mod taken;

use std::time::Duration;

use bytes::Bytes;
use jackfield_reflect::CapabilityId;
use jackfield_store::{Bucket, Mutation, Store};

use crate::{
    Error, ErrorKind, ErrorSource, Result, TimestampMs, clock::now_ms, faults, integrations::Integration,
    shared::Shared,
};
use entry::{End, Entry, Id};
pub(crate) use intent::Intent;
pub use model::{JournaledWrite, Resolution, WriteState};
pub(crate) use operations::{list, resolve, show};
pub(crate) use sweep::run as sweep;
use taken::{Claim, Taken};

/// How long a write that somebody else carries out is waited for at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a plugin's promise is taken for: writes with the same key have their effect once. What outside systems and
/// plugins remember of keys is a day's, as a rule.
const PROMISED_MS: TimestampMs = 12 * 3600 * 1000;

/// The writes that are carried out now.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    taken: Taken,
}

/// A write that is to be carried out.
pub(crate) struct Write<'a> {
    pub(crate) integration: &'a Integration,
    /// `key-value.put`.
    pub(crate) action: &'a str,
    /// The version of the capability in which it is asked and answered.
    pub(crate) capability: &'a CapabilityId,
    /// What was asked, key included.
    pub(crate) params: &'a [u8],
    pub(crate) key: &'a str,
    /// The key was made for this write, so nobody has used it before.
    pub(crate) fresh: bool,
    /// The plugin promises that the same write under the same key has its effect once.
    pub(crate) once_by_key: bool,
}

/// What is to be done with a write.
pub(crate) enum Begun {
    /// It is carried out.
    CarryOut(Box<Intent>),
    /// It was already: this was the answer.
    Before(Result<Bytes>),
}

/// What is known of a write.
enum Known {
    Nothing,
    /// It was begun; the revision of what says so.
    Open(Entry, u64),
    Done(Entry, Bytes),
}

/// Forgets all writes of an integration that is removed.
pub(crate) fn forget_all(incarnation: &str) -> impl Iterator<Item = Mutation> {
    [entry::open_prefix(incarnation), entry::done_prefix(incarnation), entry::at_prefix(incarnation)]
        .into_iter()
        .map(|prefix| Mutation::delete_prefix(Bucket::Journal, prefix))
}

/// Sees what is to be done with a write, after whoever carries it out at the moment is done, or `wait` is over.
pub(crate) async fn begin(shared: &Shared, write: Write<'_>, wait: Duration) -> Result<Begun> {
    let id = Id { incarnation: write.integration.record.incarnation.clone(), key: write.key.to_owned() };
    let request = fingerprint::fingerprint(write.action, write.params);
    let digest = write.integration.record.plugin_digest.to_string();
    let claim = claim(&shared.journal.taken, &id, wait.min(PATIENCE)).await?;
    let known = if write.fresh { Known::Nothing } else { known(&*shared.store, &id).await? };
    let entry = |began_at, attempts| Entry {
        action: write.action.to_owned(),
        request: request.clone(),
        capability: Some(write.capability.clone()),
        plugin_digest: digest.clone(),
        revision: write.integration.sends_since(),
        began_at,
        attempts,
        ended_at: None,
        end: None,
        message: None,
    };
    match known {
        Known::Nothing => Ok(Begun::CarryOut(Box::new(Intent::new(shared, claim, entry(now_ms(), 1), None)))),
        Known::Open(before, _) | Known::Done(before, _) if before.request != request => {
            Err(differs(&before, write.action, &digest))
        }
        Known::Done(before, answer) => Ok(Begun::Before(before.again(answer, write.capability, &digest))),
        Known::Open(before, revision) if write.once_by_key && may_be_sent_again(&before, write.integration) => {
            let entry = entry(before.began_at, before.attempts.saturating_add(1));
            Ok(Begun::CarryOut(Box::new(Intent::new(shared, claim, entry, Some((before, revision))))))
        }
        Known::Open(before, _) => Ok(Begun::Before(Err(unknown(&write.integration.name, write.key, &before)))),
    }
}

/// The digest of the plugin that a write was sent to, or is, where the journal remembers it.
pub(crate) async fn taken_by(shared: &Shared, incarnation: &str, key: &str) -> Result<Option<String>> {
    let id = Id { incarnation: incarnation.to_owned(), key: key.to_owned() };
    Ok(match known(&*shared.store, &id).await? {
        Known::Nothing => None,
        Known::Open(entry, _) | Known::Done(entry, _) => Some(entry.plugin_digest),
    })
}

/// Whether a plugin's promise still holds for a write that it was sent before: it is not too long ago, and it would be sent to
/// the same system in the same way.
fn may_be_sent_again(before: &Entry, integration: &Integration) -> bool {
    let age = now_ms().saturating_sub(before.began_at);
    let same = before.plugin_digest == integration.record.plugin_digest.to_string();
    (0..PROMISED_MS).contains(&age) && same && before.revision == integration.sends_since()
}

/// What an attempt that failed says of a write of which nobody knows what came of it before.
pub(crate) fn still_unknown(error: Error) -> Error {
    let message = format!(
        "this write was sent before, and nobody knows what came of that; sent again it failed: {}",
        error.message
    );
    Error { kind: ErrorKind::OutcomeUnknown, message, ..error }
}

async fn claim(taken: &Taken, id: &Id, wait: Duration) -> Result<Claim> {
    tokio::time::timeout(wait, taken.claim(id)).await.map_err(|_| {
        let message = "this write is being carried out for somebody who sent it before, and is not done yet; send it again with the same key to get its answer";
        let error = Error::new(ErrorKind::Conflict, ErrorSource::Caller, message);
        Error { code: Some("write-in-progress".to_owned()), retry_after: Some(Duration::from_secs(1)), ..error }
    })
}

async fn known(store: &dyn Store, id: &Id) -> Result<Known> {
    let (open, done) = (id.open(), id.done());
    // Settling moves a write from the one to the other at one moment; whoever looks holds the claim, so nobody does.
    let (open, done) = tokio::try_join!(store.get(Bucket::Journal, &open), store.get(Bucket::Journal, &done))
        .map_err(faults::store)?;
    Ok(match (open, done) {
        (None, None) => Known::Nothing,
        (Some(record), _) => {
            let revision = record.revision;
            Known::Open(Entry::decode(record)?.0, revision)
        }
        (None, Some(record)) => {
            let (entry, answer) = Entry::decode(record)?;
            Known::Done(entry, answer)
        }
    })
}

/// What whoever uses a key for something else is told. Both requests are known as their plugins were sent them: where those were
/// two versions of one, the caller may have sent the same twice, and a new key would have it done twice.
fn differs(before: &Entry, action: &str, plugin_digest: &str) -> Error {
    // Of one that was not carried out a new key makes no second one.
    let failed = matches!(before.end, Some(End::Failed(_)));
    if before.plugin_digest == plugin_digest || before.action != action || failed {
        return other_request(before);
    }
    let of =
        before.capability.as_ref().map(|id| format!(", in the version {id} of the capability")).unwrap_or_default();
    let done = if before.end.is_some() { "it was carried out" } else { "nobody knows what came of it" };
    let message = format!(
        "this idempotency key was used for a `{}` with another version of the plugin{of}, and {done}; whether this is the same request \
         cannot be told any more. Read back what it did, and do not send it anew with another key before you know that it was another one",
        before.action
    );
    let error = Error::new(ErrorKind::Conflict, ErrorSource::Caller, message);
    Error { code: Some("key-used-with-another-version".to_owned()), ..error }
}

fn other_request(before: &Entry) -> Error {
    let message = format!(
        "this idempotency key was used for another request, a `{}`; use a new key for each request",
        before.action
    );
    let error = Error::new(ErrorKind::Conflict, ErrorSource::Caller, message);
    Error { code: Some("idempotency-key-reused".to_owned()), ..error }
}

fn unknown(integration: &str, key: &str, before: &Entry) -> Error {
    let why = before.message.as_deref().unwrap_or("the host or the caller went away while it was carried out");
    let message = format!(
        "this write was sent before, under the same idempotency key, and nobody knows what came of it ({}); it is not sent again: look whether it happened, and say so with `jackfield operation resolve {integration} {key} --applied` or `--not-applied`",
        why.trim_end_matches('.'),
    );
    Error::new(ErrorKind::OutcomeUnknown, ErrorSource::Caller, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_said_to_be_another_requests_only_where_that_is_certain() {
        let before = Entry {
            action: "key-value.put".into(),
            request: "00".into(),
            capability: Some("jackfield:key-value@0.1.0".parse().unwrap()),
            plugin_digest: "sha256:00".into(),
            revision: 1,
            began_at: 5,
            attempts: 1,
            ended_at: Some(6),
            end: Some(End::Answered),
            message: None,
        };
        let code = |action, digest| differs(&before, action, digest).code.unwrap();
        assert_eq!(code("key-value.put", "sha256:00"), "idempotency-key-reused");
        assert_eq!(code("key-value.delete", "sha256:01"), "idempotency-key-reused", "another operation");
        assert_eq!(code("key-value.put", "sha256:01"), "key-used-with-another-version");
        let told = |end| differs(&Entry { end, ..before.clone() }, "key-value.put", "sha256:01").message;
        let done = told(Some(End::Answered));
        assert!(done.contains("jackfield:key-value@0.1.0") && done.contains("it was carried out"), "{done}");
        assert!(told(None).contains("nobody knows"));
    }
}
