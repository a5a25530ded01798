//! Integrations that are switched off and on. A disabled one keeps everything that is set for it and what its plugin keeps; it
//! runs nothing, asks its outside system nothing, and refuses whoever calls it. Calls that are under way end on what they
//! began with, as with any other change. Enabled it is built and judged as if it were added; how its outside system is, the
//! health checks then tell: an integration must be possible to enable while that is down.

use super::{
    Integration, IntegrationRecord, at_revision,
    switch::{Switch, switch},
};
use crate::{
    Error, ErrorKind, ErrorSource, EventKind, Host, IntegrationInfo, Result, clock::now_ms, health, plugins::Installed,
    shared::Shared, view::View,
};

/// How an integration is that is not to run: neither well nor unwell.
pub(crate) const DISABLED: &str = "disabled";

/// Why nothing of a disabled integration runs.
pub(super) fn disabled(name: &str) -> Error {
    let message = format!("the integration `{name}` is disabled; enable it with `jackfield integration enable {name}`");
    let error = Error::new(ErrorKind::Conflict, ErrorSource::Caller, message);
    Error { code: Some("integration-disabled".to_owned()), ..error }
}

impl Host {
    /// Has a disabled integration run again: it is built and judged first, and stays disabled where that fails. How its outside
    /// system is, the next check tells. Nothing happens where it is enabled already.
    pub async fn enable_integration(&self, name: &str, revision: Option<u64>) -> Result<IntegrationInfo> {
        self.shared().open()?;
        set_enabled(self.shared(), name, true, revision).await
    }

    /// Has an integration run nothing until it is enabled: calls under way end, others are refused with `conflict` and the code
    /// `integration-disabled`, and nobody asks its outside system how it is. What is set for it and what its plugin keeps stay.
    pub async fn disable_integration(&self, name: &str, revision: Option<u64>) -> Result<IntegrationInfo> {
        self.shared().open()?;
        set_enabled(self.shared(), name, false, revision).await
    }
}

/// Enables an integration, or disables it. Where it is so already nothing happens.
async fn set_enabled(shared: &Shared, name: &str, enabled: bool, revision: Option<u64>) -> Result<IntegrationInfo> {
    let view = shared.view.load_full();
    let old = view.integration(name)?.clone();
    at_revision(&old, revision)?;
    if old.is_enabled() == enabled {
        return Ok(old.info());
    }
    let record = IntegrationRecord { disabled: !enabled, updated_at: now_ms(), ..old.record.clone() };
    let (kind, done) = told(enabled);
    let how = Switch::to(kind, format!("`{name}` was {done}")).unchecked();
    switch(shared, &old, record, view.plugin_of(&old.record), how).await?;
    Ok(shared.view.load().integration(name)?.info())
}

/// What is told of an integration that was enabled or disabled.
pub(super) fn told(enabled: bool) -> (EventKind, &'static str) {
    match enabled {
        true => (EventKind::IntegrationEnabled, "enabled"),
        false => (EventKind::IntegrationDisabled, "disabled"),
    }
}

impl Integration {
    /// Whether it is to run.
    pub(crate) fn is_enabled(&self) -> bool {
        !self.record.disabled
    }

    /// How it is, in a word.
    pub(crate) fn state(&self) -> &'static str {
        if self.is_enabled() { health::word(self.live.health.report().state) } else { DISABLED }
    }

    /// Fails where it is not to run.
    pub(crate) fn enabled(&self) -> Result<()> {
        if self.is_enabled() { Ok(()) } else { Err(disabled(&self.name)) }
    }

    /// The capabilities that it offers, or would if it were enabled.
    pub(crate) fn would_offer<'a>(&'a self, view: &'a View) -> Vec<&'a jackfield_reflect::CapabilityId> {
        let code = |plugin: &'a Installed| plugin.code.as_ref().ok();
        match view.plugin_of(&self.record).ok().and_then(|plugin| code(plugin)) {
            Some(code) if !self.is_enabled() => code.reflection.capabilities.iter().map(|one| &one.id).collect(),
            _ => self.capability_ids().collect(),
        }
    }
}
