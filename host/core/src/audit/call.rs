//! The record of one call, from its begin to its end, whatever that is.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use jackfield_audit::{Kind, Outcome, Parameters, Record};
use jackfield_reflect::{Operation, OperationKind};

use super::{Audit, HOST, SUBJECT, parameters};
use crate::{
    Error, ErrorKind, Result,
    clock::{ms_since, now_ms},
    leaks::Watch,
    track::Asked,
};

/// A call that is being recorded. Dropped before its end, it is recorded as given up.
pub(crate) struct Recorded<'a> {
    audit: &'a Audit,
    record: Option<Record>,
    asks: Asks<'a>,
    /// What it was asked, until that is in the record.
    params: Option<Bytes>,
    started: Instant,
    writes: bool,
    asked: Arc<Asked>,
    /// What is said of it besides how it ended.
    note: Option<&'static str>,
}

/// Which call it is.
pub(crate) struct Of<'a> {
    pub(crate) integration: &'a str,
    pub(crate) plugin_digest: String,
    pub(crate) revision: u64,
    pub(crate) action: &'a str,
    pub(crate) call: u64,
    /// What names a write.
    pub(crate) key: Option<&'a str>,
}

/// What a call is asked, and what of that may be recorded.
#[derive(Clone, Copy)]
pub(crate) struct Asks<'a> {
    pub(crate) operation: &'a Operation,
    /// Nothing that it takes can be secret.
    pub(crate) open: bool,
    pub(crate) leaks: &'a Watch,
}

impl Asks<'_> {
    /// Parameters as they are recorded. Of one that nothing secret belongs in, something secret may still have been asked:
    /// by a slip, which the operation has refused then.
    fn recorded(&self, audit: &Audit, action: &str, params: &[u8], accepted: bool) -> Parameters {
        let text = String::from_utf8_lossy(params);
        let clean = self.leaks.text(action, "the parameters of a call", &text);
        if self.open && accepted {
            return audit.mask.open(&clean);
        }
        audit.mask.parameters(clean.as_bytes(), |path| parameters::is_secret(self.operation, path))
    }
}

/// What is said of a write that was not sent again.
const FROM_THE_JOURNAL: &str = "answered from the journal";
/// What is said of a read that nobody called.
const COMPARED: &str = "read to compare two versions";

impl<'a> Recorded<'a> {
    /// A call that is to be recorded.
    pub(crate) fn new(audit: &'a Audit, of: Of<'_>, asks: Asks<'a>, params: Bytes, asked: Arc<Asked>) -> Self {
        let record = Record {
            at: now_ms(),
            subject: SUBJECT.into(),
            target: Some(of.integration.to_owned()),
            plugin_digest: Some(of.plugin_digest),
            revision: Some(of.revision),
            call: Some(of.call),
            idempotency_key: of.key.map(|key| asks.leaks.text(of.action, "an idempotency key", key).into_owned()),
            ..Record::new(Kind::Call, of.action)
        };
        let writes = asks.operation.kind == OperationKind::Write;
        let (started, note) = (Instant::now(), None);
        Self { audit, record: Some(record), asks, params: Some(params), started, writes, asked, note }
    }

    /// The host makes the call by itself, to compare a version of the plugin with another.
    pub(crate) fn compared(mut self) -> Self {
        if let Some(record) = &mut self.record {
            record.subject = HOST.into();
        }
        self.note = Some(COMPARED);
        self
    }

    /// The call begins. Of a write, that it is about to be carried out is stored before this returns, or it fails.
    pub(crate) async fn begin(&mut self) -> Result<()> {
        if let Some(record) = self.record.as_mut().filter(|_| self.writes) {
            let params = self.params.take().unwrap_or_default();
            record.parameters = Some(self.asks.recorded(self.audit, &record.action, &params, false));
            let intent = Record { kind: Kind::Intent, ..record.clone() };
            if let Err(error) = self.audit.store(intent).await {
                // What cannot be recorded does not happen, so there is nothing to record.
                self.record = None;
                return Err(error);
            }
        }
        Ok(())
    }

    /// The call has ended. Of a write, that is stored before this returns.
    pub(crate) async fn end<T>(mut self, result: &Result<T>) {
        let Some(record) = self.with(result) else { return };
        if self.writes {
            if let Err(error) = self.audit.store(record).await {
                tracing::error!(%error, "the end of a write is not recorded; its beginning is");
            }
        } else {
            self.audit.queue(record).await;
        }
    }

    /// The call was answered with what the journal remembers of it; nothing was sent.
    pub(crate) async fn replayed<T>(mut self, result: &Result<T>) {
        self.note = Some(FROM_THE_JOURNAL);
        let Some(record) = self.with(result) else { return };
        self.audit.queue(record).await;
    }

    fn with<T>(&mut self, result: &Result<T>) -> Option<Record> {
        let outcome = match result {
            Ok(_) => Outcome::Ok,
            Err(error) => outcome(error),
        };
        let message = result.as_ref().err().map(|error| error.message.chars().take(300).collect());
        self.ended(outcome, message)
    }

    fn ended(&mut self, outcome: Outcome, message: Option<String>) -> Option<Record> {
        let mut record = self.record.take()?;
        if let Some(params) = self.params.take() {
            let accepted = outcome == Outcome::Ok;
            record.parameters = Some(self.asks.recorded(self.audit, &record.action, &params, accepted));
        }
        (record.requests, record.more_requests) = self.asked.take();
        record.at = now_ms();
        record.ms = Some(ms_since(self.started));
        record.outcome = Some(outcome);
        record.message = match (self.note, message) {
            (Some(note), Some(message)) => Some(format!("{note}: {message}")),
            (note, message) => message.or(note.map(str::to_owned)),
        };
        Some(record)
    }
}

impl Drop for Recorded<'_> {
    fn drop(&mut self) {
        let outcome = match self.writes {
            true => Outcome::Unknown,
            false => Outcome::Error { kind: "cancelled".into(), source: "caller".into() },
        };
        if let Some(record) = self.ended(outcome, Some("the caller gave up".into())) {
            self.audit.queue_now(record);
        }
    }
}

/// How what failed has ended.
pub(crate) fn outcome(error: &Error) -> Outcome {
    match error.kind {
        ErrorKind::OutcomeUnknown => Outcome::Unknown,
        kind => Outcome::Error { kind: kind.as_str().into(), source: error.source_of_fault.as_str().into() },
    }
}
