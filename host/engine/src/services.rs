//! What stands behind a plugin's imports. The core fills these traits; the engine only calls them, always with the call
//! it is for, so that no implementation ever has to guess on whose behalf it acts.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

pub use crate::bindings::jackfield::plugin::{
    log::Level as LogLevel,
    state::{
        DeleteMutation, Expect as StateExpect, Item as StateItem, Mutation as StateMutation, SetMutation, Versioned,
    },
};
use crate::{
    CallContext,
    types::{self, Error},
};

/// Everything one integration's guest can ask of the host.
#[derive(Clone)]
pub struct Services {
    /// The integration's name.
    pub integration: Arc<str>,
    /// The configuration as the guest sees it: a JSON object without endpoint addresses.
    pub config: Arc<str>,
    /// The way out.
    pub outbound: Arc<dyn Outbound>,
    /// The integration's own key-value store.
    pub state: Arc<dyn StateStore>,
    /// The log.
    pub log: Arc<dyn LogSink>,
    /// Secrets that come to be while a credential is issued.
    pub secrets: Arc<dyn Secrets>,
}

/// Sends requests to named endpoints.
#[async_trait]
pub trait Outbound: Send + Sync {
    /// Sends a request and returns when the response's head has arrived. Called any number of times within a call, one
    /// at a time; the future is dropped when the call ends early, and must then let go of its connection.
    async fn send(&self, call: &CallContext, request: OutboundRequest) -> Result<OutboundResponse, Error>;
}

/// A request as the guest made it. Nothing in it has been checked.
#[derive(Clone, Debug)]
pub struct OutboundRequest {
    /// The endpoint's name.
    pub endpoint: String,
    /// The method.
    pub method: String,
    /// Path and query, relative to the endpoint's address.
    pub path_and_query: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// The longest to wait for the response's head.
    pub timeout: Option<Duration>,
}

/// A response whose body is still arriving.
pub struct OutboundResponse {
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Box<dyn OutboundBody>,
}

/// A response's body.
#[async_trait]
pub trait OutboundBody: Send {
    /// The next piece, at most `max` bytes and never empty; none at the end. Must be cancel-safe: when the future is
    /// dropped, no byte is lost.
    async fn read(&mut self, max: usize) -> Result<Option<Bytes>, Error>;
}

/// Secrets that come to be while a plugin issues a credential. The guest has names for them, never them.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// Makes a random secret of that many letters and digits and returns its name.
    fn generate(&self, call: &CallContext, length: u32) -> Result<String, Error>;

    /// As [`Outbound::send`]; what stands for a secret in the body is replaced by it, and what `take` points at in the
    /// response, which is JSON, by the name of a new one.
    async fn send(
        &self,
        call: &CallContext,
        request: OutboundRequest,
        take: Vec<String>,
    ) -> Result<OutboundResponse, Error>;
}

/// What a guest is told of secrets that does not issue credentials now.
pub fn no_secrets() -> Error {
    Error {
        kind: types::ErrorKind::PermissionDenied,
        message: "secrets are there in calls of credential-issuer only".into(),
        source: types::ErrorSource::Plugin,
        code: None,
    }
}

/// No secrets at all: for instances that never issue credentials.
#[derive(Clone, Copy, Debug)]
pub struct NoSecrets;

#[async_trait]
impl Secrets for NoSecrets {
    fn generate(&self, _: &CallContext, _: u32) -> Result<String, Error> {
        Err(no_secrets())
    }

    async fn send(&self, _: &CallContext, _: OutboundRequest, _: Vec<String>) -> Result<OutboundResponse, Error> {
        Err(no_secrets())
    }
}

/// The integration's own key-value store. Its quota is the implementation's to hold.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// Reads one key.
    async fn get(&self, key: &str) -> Result<Option<Versioned>, Error>;
    /// Lists keys with a prefix, in byte order, after `after`, at most `limit`.
    async fn list(&self, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<StateItem>, Error>;
    /// Makes all changes or none; returns the new revision.
    async fn commit(&self, mutations: Vec<StateMutation>) -> Result<u64, Error>;
}

/// The log.
pub trait LogSink: Send + Sync {
    /// Takes one line. Must not block; lines beyond a budget are the implementation's to drop.
    fn write(&self, call: &CallContext, level: LogLevel, message: &str);
}
