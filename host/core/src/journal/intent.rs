//! A write from its note to what came of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jackfield_store::{Bucket, Expect, Mutation, Store, StoreError};
use tokio::runtime::Handle;

use super::{entry::Entry, taken::Claim};
use crate::{
    Error, ErrorKind, ErrorSource, Result,
    clock::{Backoff, now_ms},
    faults,
    shared::Shared,
};

/// A write that is about to be carried out, or is.
pub(crate) struct Intent {
    store: Arc<dyn Store>,
    runtime: Handle,
    claim: Option<Claim>,
    entry: Entry,
    /// What is known of the attempt before, and the revision of what says so.
    before: Option<(Entry, u64)>,
    noted: bool,
}

impl Intent {
    pub(super) fn new(shared: &Shared, claim: Claim, entry: Entry, before: Option<(Entry, u64)>) -> Self {
        let (store, runtime) = (shared.store.clone(), shared.runtime.clone());
        Self { store, runtime, claim: Some(claim), entry, before, noted: false }
    }

    /// Whether it was sent before, and nobody knows what came of that.
    pub(crate) fn is_again(&self) -> bool {
        self.before.is_some()
    }

    /// Notes it: when this returns `Ok`, it is on the disk that the write is about to be carried out.
    pub(crate) async fn note(&mut self) -> Result<()> {
        let Some(claim) = &self.claim else { return Ok(()) };
        let id = &claim.id;
        let expect = self.before.as_ref().map_or(Expect::Absent, |(_, revision)| Expect::Revision(*revision));
        let note = id.note(&self.entry)?.expect(expect);
        // From here on it may be there, whatever is answered.
        self.noted = true;
        let noted = self.store.commit(vec![id.lives(), note]).await;
        noted.map(drop).map_err(|error| {
            self.noted = !matches!(error, StoreError::Conflict { .. } | StoreError::Quota { .. });
            not_noted(error)
        })
    }

    /// It has ended with this. When this returns, that is on the disk, or the log says that it is not.
    pub(crate) async fn end(&mut self, result: &Result<Bytes>) {
        if let Some(work) = self.ended(result) {
            // On its own, so that it is done even if nobody waits for it any more.
            let _ = self.runtime.spawn(work).await;
        }
    }

    /// What is to be stored of it, by a future that holds the claim until then.
    fn ended(&mut self, result: &Result<Bytes>) -> Option<impl Future<Output = ()> + Send + 'static + use<>> {
        let claim = self.claim.take()?;
        if !self.noted {
            return None;
        }
        let id = &claim.id;
        let open = |entry: &Entry| Ok(vec![id.lives(), id.note(entry)?]);
        let mutations = match (result, &self.before) {
            // That this attempt failed, perhaps by what the one before has done, does not say what that was.
            (Err(_), Some((before, _))) => open(&Entry { attempts: self.entry.attempts, ..before.clone() }),
            (Err(error), None) if error.kind == ErrorKind::OutcomeUnknown => {
                let message = Some(error.message.chars().take(300).collect());
                open(&Entry { message, ..self.entry.clone() })
            }
            (result, _) => match self.entry.clone().ended(result, now_ms()) {
                Some((entry, answer)) => id.settle(&entry, &answer),
                None => Ok(vec![id.unnote()]),
            },
        };
        let store = self.store.clone();
        Some(async move {
            let stored = match mutations {
                Ok(mutations) => persist(&*store, &mutations).await.map_err(faults::store),
                Err(error) => Err(error),
            };
            if let Err(error) = stored {
                tracing::error!(key = claim.id.key, %error, "what came of a write is not noted, so it counts as unknown");
            }
            drop(claim);
        })
    }

    /// Nobody waits for it any more. `wrote`: something may have been carried out.
    pub(crate) fn given_up(&mut self, wrote: bool) {
        let (kind, message) = match wrote {
            true => (ErrorKind::OutcomeUnknown, "the caller went away while it was carried out"),
            false => (ErrorKind::Unavailable, "the caller went away before anything was sent"),
        };
        if let Some(work) = self.ended(&Err(Error::new(kind, ErrorSource::Caller, message))) {
            self.runtime.spawn(work);
        }
    }
}

/// Stores what came of a write, trying again where the store cannot at the moment: whoever sent it waits meanwhile.
async fn persist(store: &dyn Store, mutations: &[Mutation]) -> std::result::Result<(), StoreError> {
    let mut waits = Backoff::new(Duration::from_millis(20), Duration::from_millis(500));
    let mut attempts = 0;
    loop {
        attempts += 1;
        match store.commit(mutations.to_vec()).await {
            Ok(_) => return Ok(()),
            // The integration was removed, and the journal forgets it.
            Err(StoreError::Conflict { bucket: Bucket::Meta, .. }) => return Ok(()),
            Err(StoreError::Io(reason)) if attempts < 5 => {
                tracing::warn!(reason, "what came of a write cannot be noted yet");
                tokio::time::sleep(waits.next()).await;
            }
            Err(error) => return Err(error),
        }
    }
}

fn not_noted(error: StoreError) -> Error {
    let unavailable = |message: String| Error::new(ErrorKind::Unavailable, ErrorSource::Host, message);
    match error {
        StoreError::Quota { max_keys, .. } => {
            let message = format!(
                "the integration has {max_keys} writes of unknown outcome and may begin no more; settle them, see `jackfield operation list --unknown`"
            );
            Error { code: Some("open-writes-limit".to_owned()), ..unavailable(message) }
        }
        StoreError::Conflict { bucket: Bucket::Meta, .. } => Error::not_found("the integration was removed meanwhile"),
        StoreError::Conflict { .. } => Error::internal("a write's note was there already, though nobody has it"),
        StoreError::Closed => faults::shutting_down(),
        error => unavailable(format!(
            "the journal of writes cannot be written, so nothing is ({error}); see that the disk is healthy and has space"
        )),
    }
}
