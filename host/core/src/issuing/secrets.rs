//! The engine's [`Secrets`](engine::Secrets) of one integration: what a guest that issues a credential can do with secrets,
//! without ever being told one. They are looked for in everything that it is told from the moment that they are there.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use jackfield_engine::{self as engine, CallContext, OutboundBody, OutboundRequest, OutboundResponse, types};
use jackfield_gateway::Known;
use jackfield_vault::Secret;
use serde_json::Value;
use zeroize::Zeroizing;

use super::names::{self, Names};
use crate::outbound::GuestOutbound;

/// How long secrets that are made may be: short ones can be guessed, and systems cut long ones off.
const LENGTHS: std::ops::RangeInclusive<u32> = 16..=256;
/// The longest answer that secrets are taken out of.
const MOST_ANSWER: usize = 1 << 20;
/// What secrets are made of: nothing that JSON, shells or URLs give a meaning. 62 of them, so that a byte below 248 gives
/// each with the same chance.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The secrets of the calls of one integration that issue credentials.
pub(crate) struct CallSecrets {
    outbound: Arc<GuestOutbound>,
    known: Arc<Known>,
    calls: Mutex<HashMap<u64, Names>>,
}

/// A call that may have secrets, as long as this lives.
pub(super) struct Issuing<'a> {
    secrets: &'a CallSecrets,
    call: u64,
}

impl CallSecrets {
    pub(crate) fn new(outbound: Arc<GuestOutbound>, known: Arc<Known>) -> Self {
        Self { outbound, known, calls: Mutex::default() }
    }

    /// Lets a call have secrets.
    pub(super) fn begin(&self, call: u64) -> Issuing<'_> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).insert(call, Names::default());
        Issuing { secrets: self, call }
    }

    /// Does something with the secrets of a call, if it may have any.
    fn with<R>(&self, call: u64, work: impl FnOnce(&mut Names) -> Result<R, types::Error>) -> Result<R, types::Error> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.get_mut(&call).map_or_else(|| Err(engine::no_secrets()), work)
    }

    /// Has a secret looked for from now on, and gives it a name.
    fn name(&self, call: u64, secret: Arc<Secret>) -> Result<String, types::Error> {
        self.known.learn_secret(&secret);
        self.with(call, |names| {
            let added = names.add(secret).map_err(|error| refusal(types::ErrorKind::Internal, error.message))?;
            added.ok_or_else(|| {
                let message = "one call makes and takes at most 32 secrets".to_owned();
                refusal(types::ErrorKind::PermissionDenied, message)
            })
        })
    }
}

impl Issuing<'_> {
    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<Secret>> {
        self.secrets.with(self.call, |names| Ok(names.all())).unwrap_or_default()
    }

    /// What a name stands for.
    pub(super) fn secret(&self, name: &str) -> Option<Arc<Secret>> {
        self.secrets.with(self.call, |names| Ok(names.get(name))).ok().flatten()
    }
}

impl Drop for Issuing<'_> {
    fn drop(&mut self) {
        self.secrets.calls.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.call);
    }
}

#[async_trait]
impl engine::Secrets for CallSecrets {
    fn generate(&self, call: &CallContext, length: u32) -> Result<String, types::Error> {
        // Before anything is made for who may not.
        self.with(call.id, |_| Ok(()))?;
        if !LENGTHS.contains(&length) {
            let field = types::ErrorKind::Invalid(types::FieldViolation { field: "/length".into() });
            return Err(refusal(field, format!("a secret of {length} characters cannot be made; 16 to 256 are")));
        }
        let made = Secret::with(length as usize, random_characters);
        let made = made.map_err(|error| refusal(types::ErrorKind::Internal, error.to_string()))?;
        self.name(call.id, Arc::new(made))
    }

    async fn send(
        &self,
        call: &CallContext,
        request: OutboundRequest,
        take: Vec<String>,
    ) -> Result<OutboundResponse, types::Error> {
        let names = self.with(call.id, |names| Ok(names.clone()))?;
        let whole =
            names.put_in(&request.body).map_err(|reason| refusal(types::ErrorKind::PermissionDenied, reason))?;
        let body = whole.map_or(request.body, Bytes::from_owner);
        let response = self.outbound.ask(call, OutboundRequest { body, ..request }, true).await?;
        if take.is_empty() || !(200..300).contains(&response.status) {
            return Ok(response);
        }
        self.take(call, response, &take).await
    }
}

impl CallSecrets {
    /// Takes secrets out of a response. Whatever else of it says the same is redacted: they are known by then.
    async fn take(
        &self,
        call: &CallContext,
        response: OutboundResponse,
        pointers: &[String],
    ) -> Result<OutboundResponse, types::Error> {
        let OutboundResponse { status, headers, mut body } = response;
        let text = all(&mut *body).await?;
        let unfit = |reason: String| types::Error {
            kind: types::ErrorKind::Internal,
            message: format!("no secret can be taken out of the answer: {reason}"),
            source: types::ErrorSource::Downstream,
            code: None,
        };
        let mut answer: Value = serde_json::from_slice(&text).map_err(|_| unfit("it is no JSON".into()))?;
        drop(text);
        for pointer in pointers {
            let name = |secret| self.name(call.id, secret).map_err(|error| error.message);
            names::take(&mut answer, pointer, name).map_err(unfit)?;
        }
        let left = Zeroizing::new(answer.to_string());
        let left = self.known.redact(left.as_bytes()).unwrap_or_else(|| left.as_bytes().to_vec());
        let clean = |value: String| match self.known.redact(value.as_bytes()) {
            Some(clean) => String::from_utf8_lossy(&clean).into_owned(),
            None => value,
        };
        let headers = headers.into_iter().filter(|(name, _)| name != "content-length");
        let headers = headers.map(|(name, value)| (name, clean(value))).collect();
        Ok(OutboundResponse { status, headers, body: Box::new(Whole(left.into())) })
    }
}

/// All of a body that may be taken apart.
async fn all(body: &mut dyn OutboundBody) -> Result<Zeroizing<Vec<u8>>, types::Error> {
    // All at once: growing would leave copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MOST_ANSWER));
    while let Some(piece) = body.read(64 << 10).await? {
        if text.len() + piece.len() > MOST_ANSWER {
            let message = "secrets are taken out of answers of at most 1 MiB".to_owned();
            return Err(refusal(types::ErrorKind::Internal, message));
        }
        text.extend_from_slice(&piece);
    }
    Ok(text)
}

/// What is left of a response.
struct Whole(Bytes);

#[async_trait]
impl OutboundBody for Whole {
    async fn read(&mut self, max: usize) -> Result<Option<Bytes>, types::Error> {
        let piece = self.0.split_to(max.min(self.0.len()));
        Ok((!piece.is_empty()).then_some(piece))
    }
}

fn refusal(kind: types::ErrorKind, message: String) -> types::Error {
    types::Error { kind, message, source: types::ErrorSource::Plugin, code: None }
}

/// Letters and digits, each with the same chance.
fn random_characters(into: &mut [u8]) -> Result<(), getrandom::Error> {
    let mut bytes = Zeroizing::new([0; 64]);
    let mut left = into.iter_mut();
    loop {
        getrandom::fill(&mut *bytes)?;
        for byte in bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < 4 * ALPHABET.len()) {
            let Some(place) = left.next() else { return Ok(()) };
            *place = ALPHABET.get(byte % ALPHABET.len()).copied().unwrap_or(b'x');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_made_of_letters_and_digits_of_which_each_occurs() {
        let mut made = [0; 8192];
        random_characters(&mut made).unwrap();
        assert!(ALPHABET.iter().all(|letter| made.contains(letter)));
        assert!(made.iter().all(|byte| ALPHABET.contains(byte)));
    }
}
