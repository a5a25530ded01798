//! A plugin's imports, handed on to the integration's [`Services`](crate::Services).
//!
//! Each takes the call it belongs to from the store, never from the guest, and bounds what one request may ask for.
//! Nothing here decides whether the guest may: that is the services' business.

use std::time::Duration;

use wasmtime::component::Resource;

use crate::{
    CallContext, GuestState, OutboundBody, OutboundRequest, OutboundResponse,
    bindings::jackfield::{
        plugin::{config, log, outbound, secrets, state},
        types,
    },
    types::{Error, ErrorKind, ErrorSource},
};

/// The largest piece of a body in one read: larger ones only cost memory.
const MAX_PIECE: u32 = 1 << 20;

/// The most items one `state.list` returns, as the WIT says.
const MAX_STATE_ITEMS: u32 = 1000;

/// A response body that the guest reads in pieces.
#[expect(unreachable_pub, reason = "named by generated code, seen by nobody else")]
pub struct BodyResource(Box<dyn OutboundBody>);

impl GuestState {
    fn call(&self) -> wasmtime::Result<CallContext> {
        self.current.call().ok_or_else(|| wasmtime::Error::msg("an import was used outside a call"))
    }

    /// Hands a response to the guest.
    fn answered(
        &mut self,
        answer: Result<OutboundResponse, Error>,
    ) -> wasmtime::Result<Result<outbound::Response, Error>> {
        let response = match answer {
            Ok(response) => response,
            Err(error) => return Ok(Err(error)),
        };
        let body = self.table.push(BodyResource(response.body))?;
        let headers = response.headers.into_iter().map(|(name, value)| outbound::Header { name, value }).collect();
        Ok(Ok(outbound::Response { status: response.status, headers, body }))
    }
}

impl types::types::Host for GuestState {}

impl outbound::Host for GuestState {
    async fn send(&mut self, request: outbound::Request) -> wasmtime::Result<Result<outbound::Response, Error>> {
        let call = self.call()?;
        let answer = self.current.services.outbound.send(&call, asked(request)).await;
        self.answered(answer)
    }
}

fn asked(request: outbound::Request) -> OutboundRequest {
    OutboundRequest {
        endpoint: request.endpoint,
        method: request.method,
        path_and_query: request.path_and_query,
        headers: request.headers.into_iter().map(|h| (h.name, h.value)).collect(),
        body: request.body.into(),
        timeout: request.timeout_ms.map(|ms| Duration::from_millis(ms.into())),
    }
}

impl secrets::Host for GuestState {
    async fn generate(&mut self, length: u32) -> wasmtime::Result<Result<String, Error>> {
        let call = self.call()?;
        Ok(self.current.services.secrets.generate(&call, length))
    }

    async fn send(
        &mut self,
        request: outbound::Request,
        take: Vec<String>,
    ) -> wasmtime::Result<Result<outbound::Response, Error>> {
        let call = self.call()?;
        let services = self.current.services.clone();
        let answer = services.secrets.send(&call, asked(request), take).await;
        self.answered(answer)
    }
}

impl outbound::HostBody for GuestState {
    async fn read(
        &mut self,
        body: Resource<BodyResource>,
        max: u32,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let body = self.table.get_mut(&body)?;
        Ok(piece(body, max).await)
    }

    async fn read_within(
        &mut self,
        body: Resource<BodyResource>,
        max: u32,
        wait_ms: u32,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let body = self.table.get_mut(&body)?;
        let wait = Duration::from_millis(wait_ms.into());
        Ok(tokio::time::timeout(wait, piece(body, max)).await.unwrap_or_else(|_| Ok(Some(Vec::new()))))
    }

    async fn drop(&mut self, body: Resource<BodyResource>) -> wasmtime::Result<()> {
        self.table.delete(body)?;
        Ok(())
    }
}

async fn piece(body: &mut BodyResource, max: u32) -> Result<Option<Vec<u8>>, Error> {
    if max == 0 {
        return Err(Error {
            kind: ErrorKind::Invalid(crate::types::FieldViolation { field: "/max".into() }),
            message: "a read of 0 bytes can never end; ask for at least 1".into(),
            source: ErrorSource::Plugin,
            code: None,
        });
    }
    let max = usize::try_from(max.min(MAX_PIECE)).unwrap_or(usize::MAX);
    Ok(body.0.read(max).await?.map(Vec::from))
}

impl config::Host for GuestState {
    fn get(&mut self) -> wasmtime::Result<String> {
        Ok(self.current.services.config.to_string())
    }
}

impl log::Host for GuestState {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.current.log(level, &message);
        Ok(())
    }
}

impl state::Host for GuestState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<state::Versioned>, Error>> {
        let services = self.current.services.clone();
        Ok(services.state.get(&key).await)
    }

    async fn list(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<state::Item>, Error>> {
        let services = self.current.services.clone();
        Ok(services.state.list(&prefix, after.as_deref(), limit.min(MAX_STATE_ITEMS)).await)
    }

    async fn commit(&mut self, mutations: Vec<state::Mutation>) -> wasmtime::Result<Result<u64, Error>> {
        let services = self.current.services.clone();
        Ok(services.state.commit(mutations).await)
    }
}
