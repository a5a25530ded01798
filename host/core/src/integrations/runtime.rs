//! What runs for an integration at one revision, and how its operations are found.

use std::sync::Arc;

use jackfield_engine::{Callable, Limits, Plugin, Pool};
use jackfield_gateway::Gateway;
use jackfield_reflect::{CapabilityId, Operation, Reflection};
use jackfield_registry::{Compatibility, Writes};
use serde_json::{Map, Value};

use super::{Integration, probation::Watch};
use crate::{
    Deprecated, Error, Result, TimestampMs, audit,
    breaker::Breaker,
    faults, health,
    issuing::CallSecrets,
    metrics::{Calls, OperationMetrics},
    names,
    spending::Budgets,
    track::Track,
    view::{choose, short_names},
};

/// What runs for an integration.
pub(crate) struct Runtime {
    /// Instances for calls.
    pub(crate) calls: Arc<Pool>,
    /// Instances for change feeds, which wait long.
    pub(crate) feeds: Arc<Pool>,
    pub(crate) gateway: Arc<Gateway>,
    /// What its requests may cost.
    pub(crate) budgets: Arc<Budgets>,
    /// Of the calls in which its plugin makes credentials.
    pub(crate) secrets: Arc<CallSecrets>,
    pub(crate) limits: Limits,
    /// The same as manifests and operators write them.
    pub(crate) granted: jackfield_registry::Limits,
    /// What is counted of its calls while it is watched.
    pub(crate) watch: Option<Arc<Watch>>,
    /// The outside systems that the plugin was tested with.
    pub(crate) compatibility: Vec<Compatibility>,
    /// With defaults filled in.
    pub(crate) config: Map<String, Value>,
    /// As the guest sees it.
    pub(crate) guest_config: Arc<str>,
    pub(crate) capabilities: Vec<ServedCapability>,
}

/// A capability that an integration offers.
pub(crate) struct ServedCapability {
    pub(crate) id: CapabilityId,
    /// Its name where no other of the integration's can be meant.
    pub(crate) short: String,
    pub(crate) operations: Vec<Served>,
}

/// An operation that can be called.
pub(crate) struct Served {
    pub(crate) callable: Callable,
    /// `metrics.query`.
    pub(crate) action: Arc<str>,
    pub(crate) metrics: Arc<OperationMetrics>,
    pub(crate) breaker: Breaker,
    /// The plugin promises that the same write under the same key has its effect once, however often it is sent.
    pub(crate) once_by_key: bool,
    /// Nothing that it is asked can be secret.
    pub(crate) open: bool,
    /// It is not to be used any more.
    pub(crate) deprecated: Option<Arc<Deprecated>>,
}

impl Served {
    pub(crate) fn operation(&self) -> &Arc<Operation> {
        self.callable.operation()
    }
}

/// What a plugin's operations are as those of an integration.
pub(super) fn serve(
    plugin: &Plugin,
    reflection: &Reflection,
    writes: &Writes,
    calls: &Calls,
    installed_at: TimestampMs,
) -> Result<Vec<ServedCapability>> {
    let served = |short: &str, operation: &Arc<Operation>| -> Result<Served> {
        Ok(Served {
            callable: plugin.callable(operation).map_err(|error| faults::call(error, false, Track::default()))?,
            action: operation.action().into(),
            metrics: calls.of(short, &operation.name),
            breaker: Breaker::default(),
            once_by_key: writes.are_once_by_key(&operation.action()),
            open: audit::are_open(operation),
            deprecated: Deprecated::of(operation, installed_at),
        })
    };
    let ids: Vec<&CapabilityId> = reflection.capabilities.iter().map(|capability| &capability.id).collect();
    let short = short_names(&ids);
    let with_name = reflection.capabilities.iter().zip(short);
    with_name
        .map(|(capability, short)| {
            Ok(ServedCapability {
                id: capability.id.clone(),
                operations: capability.operations.iter().map(|o| served(&short, o)).collect::<Result<_>>()?,
                short,
            })
        })
        .collect()
}

impl Runtime {
    /// The capabilities that it offers.
    pub(crate) fn capability_ids(&self) -> impl Iterator<Item = &CapabilityId> {
        self.capabilities.iter().map(|capability| &capability.id)
    }

    /// The capability that `wanted` names.
    pub(crate) fn capability(&self, wanted: &str) -> Result<&ServedCapability> {
        // The common case first: the short name, which needs no comparison of versions.
        if let Some(capability) = self.capabilities.iter().find(|c| c.short == wanted) {
            return Ok(capability);
        }
        let offered = self.capability_ids().collect::<Vec<_>>();
        let id = choose(wanted, &offered).map_err(|mut error| {
            // Another integration may well offer it.
            error.message = format!("this integration does not offer it: {}", error.message);
            error
        })?;
        let found = self.capabilities.iter().find(|c| c.id == *id);
        found.ok_or_else(|| Error::internal("a capability was chosen that is not there"))
    }

    /// The pool that an operation runs in.
    pub(crate) fn pool(&self, operation: &Operation) -> &Arc<Pool> {
        if operation.feed { &self.feeds } else { &self.calls }
    }
}

impl ServedCapability {
    /// The operation of a name.
    pub(crate) fn operation(&self, wanted: &str) -> Result<&Served> {
        self.operations.iter().find(|served| served.operation().name == wanted).ok_or_else(|| {
            let known = self.operations.iter().map(|served| served.operation().name.as_str());
            let mut error = names::unknown("operation", wanted, known);
            error.message = format!("`{}`: {}", self.short, error.message);
            error
        })
    }

    /// The feed of a name, or the only one.
    pub(crate) fn feed(&self, wanted: Option<&str>) -> Result<&Served> {
        let feeds: Vec<&Served> = self.operations.iter().filter(|served| served.operation().feed).collect();
        let listed = || feeds.iter().map(|f| format!("`{}`", f.operation().name)).collect::<Vec<_>>().join(", ");
        match (wanted, &feeds[..]) {
            (Some(wanted), _) => {
                let served = self.operation(wanted)?;
                if served.operation().feed {
                    return Ok(served);
                }
                let there = if feeds.is_empty() { "it has none".to_owned() } else { format!("it has {}", listed()) };
                Err(Error::invalid(format!("`{}` is no change feed of `{}`; {there}", wanted, self.short)))
            }
            (None, [only]) => Ok(only),
            (None, []) => Err(Error::invalid(format!("`{}` has no change feed to watch", self.short))),
            (None, _) => {
                Err(Error::invalid(format!("`{}` has several change feeds; name one of {}", self.short, listed())))
            }
        }
    }
}

impl Integration {
    /// What runs, or why nothing can.
    pub(crate) fn running(&self) -> Result<&Arc<Runtime>> {
        self.runtime.as_ref().map_err(|error| {
            if !self.is_enabled() {
                return error.clone();
            }
            let message = format!("the integration `{}` cannot run: {}", self.name, error.message);
            Error { message, field: None, ..error.clone() }
        })
    }

    /// Since which revision its calls are sent to the same system in the same way.
    pub(crate) fn sends_since(&self) -> u64 {
        self.record.same_since.unwrap_or(self.revision)
    }

    /// Whether it was upgraded a short while ago, and may go back by itself.
    pub(crate) fn is_watched(&self) -> bool {
        self.record.probation().is_some()
    }

    /// The operations that crashed so often that they are not run for a while.
    pub(crate) fn not_run(&self) -> Vec<String> {
        let capabilities = self.runtime.iter().flat_map(|runtime| &runtime.capabilities);
        let operations = capabilities.flat_map(|capability| &capability.operations);
        operations.filter(|served| served.breaker.is_open()).map(|served| served.action.to_string()).collect()
    }

    /// The operations it offers that are not to be used any more.
    pub(crate) fn deprecated(&self) -> Vec<String> {
        let capabilities = self.runtime.iter().flat_map(|runtime| &runtime.capabilities);
        let operations = capabilities.flat_map(|capability| &capability.operations);
        operations.filter(|served| served.deprecated.is_some()).map(|served| served.action.to_string()).collect()
    }

    /// Why its outside system is none that its plugin was tested with, if it is known to be none.
    pub(crate) fn untested(&self) -> Option<String> {
        let runtime = self.runtime.as_ref().ok()?;
        health::untested(&self.live.health.report().system_version?, &runtime.compatibility)
    }

    /// The capabilities it offers.
    pub(crate) fn capability_ids(&self) -> impl Iterator<Item = &CapabilityId> {
        self.runtime.iter().flat_map(|runtime| runtime.capability_ids())
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("calls", &self.calls).finish_non_exhaustive()
    }
}
