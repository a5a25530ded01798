//! What runs beside an integration and is not it: a version that is rehearsed, and the version that runs once more to compare it
//! with. It has the integration's rights and limits, but that a version that is rehearsed may send nothing that changes anything, and everything else for itself: instances, connections, counters and pauses,
//! so that nothing it does is missing to those who call the integration, or counts against what they called. It can keep nothing.

use std::sync::Arc;

use super::{Integration, IntegrationRecord, build, build::For};
use crate::{Result, plugins::Installed, shared::Shared};

/// Makes what runs for a record beside an integration. `purpose`: what for, which is not calls.
pub(super) fn aside(
    shared: &Shared,
    integration: &Integration,
    record: IntegrationRecord,
    plugin: &Arc<Installed>,
    purpose: For<'_>,
) -> Result<Integration> {
    let live = integration.live.aside(&record.plugin_version);
    let record = IntegrationRecord { probation: None, shadow: None, share: None, ..record };
    let runtime = build::runtime(shared, &integration.name, &record, plugin, &live, purpose)?;
    Ok(Integration {
        name: integration.name.clone(),
        record,
        revision: integration.revision,
        runtime: Ok(Arc::new(runtime)),
        live,
        shadow: None,
        share: None,
    })
}
