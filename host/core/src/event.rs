//! What is told of what happens in the host. The names of kinds are part of the API and of the audit trail.

use serde::{Deserialize, Serialize};

use crate::TimestampMs;

/// Something that happened in the host.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Event {
    /// Grows by one with each event of this process.
    pub sequence: u64,
    /// When.
    pub at: TimestampMs,
    /// What happened.
    pub kind: EventKind,
    /// The integration it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<String>,
    /// The plugin it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// One sentence for a person.
    pub message: String,
}

impl EventKind {
    /// Its name in every surface, e.g. `integration-added`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PluginInstalled => "plugin-installed",
            Self::TrustPolicySet => "trust-policy-set",
            Self::PluginRemoved => "plugin-removed",
            Self::RegistrySynced => "registry-synced",
            Self::RegistryRemoved => "registry-removed",
            Self::IntegrationAdded => "integration-added",
            Self::IntegrationUpdated => "integration-updated",
            Self::IntegrationUpgraded => "integration-upgraded",
            Self::IntegrationRolledBack => "integration-rolled-back",
            Self::IntegrationEnabled => "integration-enabled",
            Self::IntegrationDisabled => "integration-disabled",
            Self::IntegrationRemoved => "integration-removed",
            Self::HealthChanged => "health-changed",
            Self::GuestFault => "guest-fault",
            Self::LimitExceeded => "limit-exceeded",
            Self::BreakerOpened => "breaker-opened",
            Self::BreakerClosed => "breaker-closed",
            Self::VaultChanged => "vault-changed",
            Self::SecretRedacted => "secret-redacted",
            Self::CredentialChanged => "credential-changed",
            Self::RotationFailed => "rotation-failed",
            Self::ConsentEnded => "consent-ended",
            Self::SourceFailed => "source-failed",
            Self::LeaseStuck => "lease-stuck",
            Self::LeaseRevoked => "lease-revoked",
            Self::WriteUnknown => "write-unknown",
            Self::WriteResolved => "write-resolved",
            Self::AuditSinkLagging => "audit-sink-lagging",
            Self::AuditSinkCaughtUp => "audit-sink-caught-up",
            Self::AuditRecordsLost => "audit-records-lost",
            Self::IntegrationShared => "integration-shared",
            Self::ShadowStarted => "shadow-started",
            Self::ShadowDiffered => "shadow-differed",
            Self::ShadowEnded => "shadow-ended",
            Self::DeploymentApplied => "deployment-applied",
            Self::DeploymentRemoved => "deployment-removed",
            Self::PluginPinned => "plugin-pinned",
            Self::PluginUnpinned => "plugin-unpinned",
            Self::PluginRefused => "plugin-refused",
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A plugin was installed.
    PluginInstalled,
    /// Another trust policy was set.
    TrustPolicySet,
    /// A plugin was removed.
    PluginRemoved,
    /// A registry was added, changed or brought up to date.
    RegistrySynced,
    /// A registry was removed.
    RegistryRemoved,
    /// An integration was added.
    IntegrationAdded,
    /// An integration was changed.
    IntegrationUpdated,
    /// An integration runs with another version of its plugin.
    IntegrationUpgraded,
    /// An integration runs again with what it ran with before.
    IntegrationRolledBack,
    /// An integration is to run again.
    IntegrationEnabled,
    /// An integration is to run nothing until it is enabled.
    IntegrationDisabled,
    /// An integration was removed.
    IntegrationRemoved,
    /// A health check changed an integration's state.
    HealthChanged,
    /// A guest crashed; its instance was discarded.
    GuestFault,
    /// An integration ran into one of its limits.
    LimitExceeded,
    /// An operation crashed so often in a row that it is not run for a while.
    BreakerOpened,
    /// An operation that was not run is run again.
    BreakerClosed,
    /// The vault was made, opened, sealed, or is opened by others than before.
    VaultChanged,
    /// A secret was on its way to a plugin or a log, and was redacted.
    SecretRedacted,
    /// A credential was set, promoted, rolled back, revoked or deleted.
    CredentialChanged,
    /// A credential that a plugin makes could not be rotated, or one that it made could not be taken back.
    RotationFailed,
    /// A server takes a credential's refresh token no more: a person has to consent anew.
    ConsentEnded,
    /// A credential that comes from elsewhere could not be fetched, or its lease not renewed; the last value is used as long
    /// as it is good.
    SourceFailed,
    /// A lease could not be given back; it is tried again.
    LeaseStuck,
    /// An operator had a lease given back, or forgotten.
    LeaseRevoked,
    /// A write was sent, and nobody knows what came of it.
    WriteUnknown,
    /// An operator found what came of a write of unknown outcome.
    WriteResolved,
    /// A sink of the audit trail is far behind, or has been behind for long.
    AuditSinkLagging,
    /// A sink of the audit trail that lagged has caught up.
    AuditSinkCaughtUp,
    /// Records of the audit trail will never be sent to a sink.
    AuditRecordsLost,
    /// Another version has a share of an integration's calls, or another share.
    IntegrationShared,
    /// Another version of an integration's plugin is rehearsed beside the one that runs.
    ShadowStarted,
    /// A version that is rehearsed answered otherwise for the first time.
    ShadowDiffered,
    /// A version is rehearsed no longer.
    ShadowEnded,
    /// A deployment was made what a document says.
    DeploymentApplied,
    /// A deployment that no document wants any more was removed.
    DeploymentRemoved,
    /// A plugin is to stay at a version.
    PluginPinned,
    /// A plugin need not stay at a version any more.
    PluginUnpinned,
    /// A file of the plugin folder was not installed, or could not be removed.
    PluginRefused,
}
