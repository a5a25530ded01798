//! The host.
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use jackfield_engine::Guest;
use jackfield_reflect::Operation;

use crate::*;

/// The host.
#[derive(Clone)]
pub struct Host {
    events: tokio::sync::broadcast::Sender<Event>,
}

fn later<T>() -> Result<T> {
    Err(Error::internal("not built yet"))
}

#[allow(missing_docs, clippy::unused_async)]
impl Host {
    pub fn builder() -> HostBuilder { HostBuilder::default() }
    pub async fn install_plugin(&self, _bytes: Vec<u8>) -> Result<(PluginInfo, bool)> { later() }
    pub fn plugins(&self) -> Vec<PluginInfo> { Vec::new() }
    pub fn plugin(&self, _name: &str) -> Result<PluginInfo> { later() }
    pub async fn remove_plugin(&self, _name: &str) -> Result<()> { later() }
    pub async fn add_integration(&self, _new: NewIntegration) -> Result<IntegrationInfo> { later() }
    pub fn integrations(&self) -> Vec<IntegrationInfo> { Vec::new() }
    pub fn integration(&self, _name: &str) -> Result<IntegrationInfo> { later() }
    pub async fn update_integration(&self, _name: &str, _change: UpdateIntegration) -> Result<IntegrationInfo> { later() }
    pub async fn remove_integration(&self, _name: &str) -> Result<()> { later() }
    pub async fn check_integration(&self, _name: &str) -> Result<HealthReport> { later() }
    pub fn capabilities(&self) -> Vec<CapabilityInfo> { Vec::new() }
    pub fn capability(&self, _name: &str) -> Result<CapabilityInfo> { later() }
    pub fn capability_wit(&self, _name: &str) -> Result<String> { later() }
    pub fn operation(&self, _integration: &str, _capability: &str, _operation: &str) -> Result<Arc<Operation>> { later() }
    pub fn operations(&self) -> Vec<(String, String, Arc<Operation>)> { Vec::new() }
    pub async fn call(&self, _request: CallRequest) -> Result<Bytes> { later() }
    pub fn watch(&self, _request: WatchRequest) -> Result<impl Stream<Item = Result<ChangeBatch>> + Send + 'static + use<>> {
        Ok(futures_util::stream::iter([later()]))
    }
    pub async fn typed<F, R>(&self, _integration: &str, _call: F) -> Result<R>
    where
        F: AsyncFnOnce(&mut Guest) -> wasmtime::Result<R>,
    { later() }
    pub fn events(&self) -> tokio::sync::broadcast::Receiver<Event> { self.events.subscribe() }
    pub fn metrics_text(&self) -> String { String::new() }
    pub fn readiness(&self) -> Readiness { Readiness { ready: false, not_ready: Vec::new() } }
    pub async fn shutdown(&self) {}
}
