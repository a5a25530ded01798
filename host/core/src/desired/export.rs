//! What there is, as documents that would make it.

use serde_json::{Value, json};

use super::{
    deployments,
    documents::{DesiredIntegration, DesiredPlugin},
    trust,
};
use crate::{
    integrations::Integration,
    plugins::{Installed, token},
    shared::Shared,
    view::{View, short_names},
};

/// A document for the trust policy, each version of each plugin, each integration, and each deployment that was applied, as it
/// was applied last.
pub(crate) fn export(shared: &Shared) -> Vec<Value> {
    let view = shared.view.load();
    let plugins = view.plugins.values().map(|installed| json!({"plugin": plugin(installed)}));
    let integrations = view.integrations.values().map(|there| json!({"integration": integration(there, &view)}));
    let deployments = deployments::export(shared, &view);
    trust::export(&view).into_iter().chain(plugins).chain(integrations).chain(deployments).collect()
}

fn plugin(installed: &Installed) -> DesiredPlugin {
    DesiredPlugin {
        name: installed.name().to_owned(),
        version: installed.version().clone(),
        digest: Some(installed.record.digest),
        // Where anybody can fetch it again; where a file lay that was handed over nobody knows.
        source: installed.record.provenance.pinned.clone(),
        accept: token(&installed.record.manifest),
    }
}

/// An integration as it would be wanted to be what it is.
pub(super) fn integration(integration: &Integration, view: &View) -> DesiredIntegration {
    let record = &integration.record;
    DesiredIntegration {
        name: integration.name.to_string(),
        plugin: Some(record.plugin.clone()),
        version: Some(record.plugin_version.clone()),
        capabilities: short_names(&integration.would_offer(view)),
        labels: record.labels.clone(),
        config: record.config.clone(),
        endpoints: record.endpoints.clone(),
        limits: record.limits.clone(),
        enabled: integration.is_enabled(),
    }
}
