//! What of a capability is not to be used any more, as its callers are told: by the version that says so first, the version
//! that may come without it, and the moment from which it is so on this host.

use std::sync::Arc;

use jackfield_reflect::{Deprecation, Operation};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::{OperationInfo, TimestampMs};

/// That something of a capability is not to be used any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DeprecationInfo {
    /// The version of the capability that says so first.
    pub since: Version,
    /// The earliest version of the capability that may come without it.
    pub removal: Version,
}

impl From<&Deprecation> for DeprecationInfo {
    fn from(deprecation: &Deprecation) -> Self {
        Self { since: deprecation.since.clone(), removal: deprecation.removal() }
    }
}

/// That an operation which was called is not to be used any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deprecated {
    /// The capability in the version that says so, e.g. `acme:dns@0.3.0`.
    pub capability: String,
    /// Since which version, and until when.
    pub info: DeprecationInfo,
    /// When the plugin that says so was installed here. Of first-party WIT that no plugin brought, when the host started.
    pub told_at: TimestampMs,
}

impl Deprecated {
    /// What is to be told of an operation, if anything is.
    pub(crate) fn of(operation: &Operation, told_at: TimestampMs) -> Option<Arc<Self>> {
        let info = operation.stability.deprecated.as_ref()?.into();
        Some(Arc::new(Self { capability: operation.capability.to_string(), info, told_at }))
    }
}

impl OperationInfo {
    /// What is told of an operation.
    pub(crate) fn of(operation: &Operation) -> Self {
        Self {
            name: operation.name.clone(),
            interface: operation.interface.clone(),
            kind: operation.kind.as_str().to_owned(),
            feed: operation.feed,
            docs: operation.docs.clone(),
            since: operation.stability.since.clone(),
            deprecated: operation.stability.deprecated.as_ref().map(DeprecationInfo::from),
            request_schema: operation.request_schema(),
            response_schema: operation.response_schema(),
        }
    }
}
