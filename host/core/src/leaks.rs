//! The last look at what guests say. A guest is never given a secret: the gateway looks through everything that comes back
//! from outside. What it says all the same passes the same look here, so that a hole in one place is none in the other.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jackfield_gateway::Known;

use crate::{EventKind, bounds::Throttle, events::Teller};

/// Looks for secrets in what one integration receives and says.
#[derive(Debug)]
pub(crate) struct Watch {
    known: Arc<Known>,
    teller: Teller,
    found: AtomicU64,
    told: Throttle,
}

impl Watch {
    pub(crate) fn new(known: Arc<Known>, teller: Teller) -> Self {
        Self { known, teller, found: AtomicU64::new(0), told: Throttle::default() }
    }

    /// How many secrets were found and redacted.
    pub(crate) fn count(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }

    /// Counts secrets that were found and redacted, and tells of it.
    pub(crate) fn found(&self, operation: &str, place: &str, secrets: u64) {
        if secrets == 0 {
            return;
        }
        self.found.fetch_add(secrets, Ordering::Relaxed);
        if self.told.may_tell() {
            let message = format!("`{operation}`: a secret was found in {place} and redacted; see who sends it there");
            self.teller.tell(EventKind::SecretRedacted, &message);
        }
    }

    /// A text without secrets.
    pub(crate) fn text<'t>(&self, operation: &str, place: &str, text: &'t str) -> Cow<'t, str> {
        match self.known.redact(text.as_bytes()) {
            None => Cow::Borrowed(text),
            Some(clean) => {
                self.found(operation, place, 1);
                Cow::Owned(String::from_utf8_lossy(&clean).into_owned())
            }
        }
    }

    /// Bytes without secrets.
    pub(crate) fn bytes(&self, operation: &str, place: &str, bytes: Vec<u8>) -> Vec<u8> {
        match self.known.redact(&bytes) {
            None => bytes,
            Some(clean) => {
                self.found(operation, place, 1);
                clean
            }
        }
    }
}
