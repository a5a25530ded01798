//! What an integration tells of itself.

use super::Integration;
use crate::{IntegrationInfo, PreviousVersion};

impl Integration {
    pub(crate) fn info(&self) -> IntegrationInfo {
        let record = &self.record;
        let running = self.runtime.as_ref().ok();
        let capabilities = running.iter().flat_map(|runtime| &runtime.capabilities);
        IntegrationInfo {
            name: self.name.to_string(),
            enabled: self.is_enabled(),
            plugin: record.plugin.clone(),
            plugin_version: record.plugin_version.clone(),
            plugin_digest: record.plugin_digest.to_string(),
            capabilities: capabilities.map(|capability| capability.short.clone()).collect(),
            config: running.map_or_else(|| record.config.clone(), |runtime| runtime.config.clone()),
            labels: record.labels.clone(),
            endpoints: record.endpoints.clone(),
            limits: running.map_or_else(|| record.limits.clone(), |runtime| runtime.granted.clone()),
            revision: self.revision,
            created_at: record.created_at,
            updated_at: record.updated_at,
            health: self.live.health.report(),
            not_run: self.not_run(),
            deprecated: self.deprecated(),
            untested: self.untested(),
            previous: record.previous.as_ref().map(|previous| PreviousVersion {
                plugin_version: previous.plugin_version.clone(),
                left_at: previous.left_at,
            }),
            probation_until: record.probation().map(|probation| probation.until),
            share: self.share_summary(),
            shadow: self.shadow_summary(),
            cassette: self.live.tape.as_ref().map(|tape| tape.info()),
        }
    }
}
