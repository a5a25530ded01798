//! Temporary.
#![allow(dead_code, missing_docs)]
use bytes::Bytes;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
#[derive(Debug, Default)]
pub(crate) struct Dialer;
pub(crate) struct Gateway;
#[derive(Default)]
pub(crate) struct GatewayLimits {
    pub response_bytes: usize,
    pub other: usize,
}
pub(crate) struct EndpointSpec {
    pub name: String,
    pub addresses: Vec<String>,
    pub methods: Vec<String>,
    pub paths: Vec<String>,
    pub allow_addresses: Vec<ipnet::IpNet>,
    pub ca_pem: Option<String>,
}
pub(crate) struct Request {
    pub endpoint: String,
    pub method: String,
    pub path_and_query: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub timeout: Option<Duration>,
}
pub(crate) struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: ResponseBody,
}
pub(crate) struct ResponseBody;
#[derive(Debug)]
pub(crate) struct GatewayError;
impl GatewayError {
    pub fn sent(&self) -> bool {
        false
    }
}
impl std::fmt::Display for GatewayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no gateway yet")
    }
}
#[derive(Default)]
pub(crate) struct GatewayStats {
    pub requests: u64,
}
impl Gateway {
    pub fn new(_: Vec<EndpointSpec>, _: GatewayLimits, _: Arc<Dialer>) -> Result<Self, GatewayError> {
        Ok(Self)
    }
    pub async fn send(&self, _: Request, _: Instant) -> Result<Response, GatewayError> {
        Err(GatewayError)
    }
    pub fn stats(&self) -> GatewayStats {
        GatewayStats::default()
    }
}
impl ResponseBody {
    pub async fn read(&mut self, _: usize) -> Result<Option<Bytes>, GatewayError> {
        Err(GatewayError)
    }
}
