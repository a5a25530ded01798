//! The embeddable host: plugins, integrations, calls, health, events.
//!
//! A [`Host`] loads plugins (sandboxed WebAssembly components), runs integrations of them, and answers calls by name, JSON
//! in and JSON out. It knows no web framework and no terminal: the server and the command line are thin over it, and so
//! is any other program that embeds it. What a plugin may reach, how much it may use and who is at fault when something
//! fails is decided below and told here, always as an [`Error`] that says what was wrong, where, and what to do next.
//!
//! ```no_run
//! use jackfield_core::{CallRequest, Host, NewIntegration};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::builder().data_dir(".jackfield").build().await?;
//! host.install_plugin(std::fs::read("playground.wasm")?).await?;
//! host.add_integration(NewIntegration { name: "play".into(), plugin: "playground".into(), ..Default::default() }).await?;
//!
//! let put = r#"{"key": "greeting", "value": "aGVsbG8="}"#;
//! host.call(CallRequest::new("play", "key-value", "put", put)).await?;
//! let answer = host.call(CallRequest::new("play", "key-value", "get", r#"{"key": "greeting"}"#)).await?;
//! println!("{}", String::from_utf8_lossy(&answer));
//! host.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # In a `Cargo.toml` of your own
//! ```toml
//! jackfield-core = { git = "https://github.com/jackfield/jackfield" }   # until it is published
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! futures-util = "0.3"                                                  # `StreamExt`, to read what `Host::watch` returns
//! ```
//! For typed calls, [`wasmtime`] is re-exported here, and `jackfield capability show NAME --wit` or the folder `wit` of
//! the repository has the WIT that `bindgen!` wants.

mod audit;
mod bounds;
mod breaker;
mod builder;
mod calls;
mod cassettes;
mod clock;
mod config;
mod consents;
mod credentials;
mod deprecation;
mod desired;
mod error;
mod event;
mod events;
mod faults;
mod feeds;
mod folder;
mod grants;
mod guest_log;
mod health;
mod host;
mod idempotency;
mod integrations;
mod issuing;
mod journal;
mod leaks;
mod limits;
mod members;
mod metrics;
mod model;
mod names;
mod outbound;
mod pauses;
mod plugins;
mod registrar;
mod registries;
mod requests;
mod retries;
mod rotation;
mod shared;
mod sources;
mod spending;
mod state;
mod status;
mod tasks;
mod token_bucket;
mod track;
mod trust;
mod versions;
mod view;
mod waiting;
mod wit_text;

pub use audit::{AuditPage, AuditRetention};
pub use builder::{HostBuilder, server_of};
pub use consents::{Consent, ConsentMethod, ConsentState, NewConsent};
pub use credentials::{CredentialUse, NewCredential, make_key_file};
pub use deprecation::{Deprecated, DeprecationInfo};
pub use desired::{Applied, Apply, DesiredAction, DesiredChange, DesiredFailure, FieldChange};
pub use error::{Error, ErrorKind, ErrorSource, Result};
pub use event::{Event, EventKind};
pub use grants::{Asked, EndpointGrant, GrantAnswer, GrantInfo, GrantQuestion, GrantSettings, GrantUse};
pub use host::Host;
pub use integrations::{
    shadow::{
        NewShadow, ShadowCounts, ShadowDifference, ShadowDifferenceKind, ShadowOperation, ShadowReport, ShadowState,
        ShadowSummary,
    },
    share::ShareSummary,
    upgrade::{Upgrade, UpgradeIntegration},
};
pub use issuing::{Issued, IssuerInfo, IssuerSettings, IssuingFailure};
/// Verifying an exported audit trail, which needs no host.
pub use jackfield_audit::{Expectations, Fault, Head, Verified, verify as verify_audit};
/// An instance of a plugin, for [`Host::typed`].
pub use jackfield_engine::{Compiler, Guest, serve_compilations};
pub use jackfield_fetch::{Place, SIGNATURE_SUFFIX};
/// How a replay finds what was recorded, what a browser brings back of a consent, and what looks names up.
pub use jackfield_gateway::{CodeAnswer, Match, net::Resolver};
/// What is wanted of registries.
pub use jackfield_index::{Advisory, Need, Severity, Want, WantError};
/// Where the audit trail is sent besides.
pub use jackfield_oci::{
    Credentials as RegistryCredentials, Mirror as RegistryMirror, Options as RegistryOptions, Proxy as RegistryProxy,
};
pub use jackfield_reflect::nearest;
/// What plugins ask for.
pub use jackfield_registry::{Digest, Right, Rights};
pub use jackfield_sinks::{Sink, SinkError, SinkFailure, SinkState, SinkStatus};
pub use jackfield_trust::{Evidence, Origin, PolicyError, Signer, SignerRule, TrustPolicy, Unsigned};
/// What the vault tells of itself, and what it is given.
pub use jackfield_vault::{
    AllowedSources, AwsKms, BaoServer, CredentialInfo, CredentialKind, Field, Form, KernelKey, KeyInfo, LeaseInfo,
    LeaseState, NewSource, Secret, Source, SourceCommand, Sources, Transit, VaultState, VaultStatus, VersionInfo,
    VersionState, kubeconfig,
};
pub use journal::{JournaledWrite, Resolution, WriteState};
pub use limits::default_limits;
pub use model::*;
pub use plugins::{Accept, AllowAdvisories, InstallPlan, NewPlugin, PinPlugin, PluginText, Provenance, inspect_plugin};
pub use registries::{Chosen, Found, IndexInfo, KnownFault, NewRegistry, RegistryInfo};
pub use requests::{Answer, CallRequest, ChangeBatch, Readiness, WatchRequest};
pub use rotation::Rotation;
pub use spending::{SpendSettings, Spent};
pub use status::{Concern, ConcernLevel, Status};
pub use versions::{CapabilityComparison, OperationComparison, TranslatedInfo, UntranslatedInfo};
/// The WebAssembly runtime, of the one version whose types [`Host::typed`] takes: `bindgen!` finds it with
/// `wasmtime_crate: jackfield_core::wasmtime`.
pub use wasmtime;
