//! Real outside systems for the tour (`cargo xtask up`) and the tests: each is found on the machine or fetched into the
//! user's cache, started on a free loopback port with a fresh data folder, waited for, and stopped by its own pid.
//!
//! The crate links nothing of Jackfield; it starts the built program as it starts a peer. It decides where a program comes from (`PATH`, then the cache, then the
//! machine's own Debian mirror) and when it is ready; what is asked of it is the caller's business. Nothing is ever
//! installed system-wide and no service is started by a package: packages are unpacked, not installed.
//!
//! ```no_run
//! let prometheus = jackfield_peers::Prometheus::start(jackfield_peers::prometheus::Options::default())?;
//! println!("Prometheus {} at {}", prometheus.version(), prometheus.url());
//! # Ok::<(), jackfield_peers::PeerError>(())
//! ```

pub mod alertmanager;
pub mod cache;
mod client;
pub mod compatibility;
pub mod cosign;
pub mod debian;
pub mod docker_registry;
mod error;
pub mod etcd;
pub mod http;
pub mod jackfield;
pub mod node_exporter;
pub mod openbao;
pub mod oras;
pub mod ports;
pub mod process;
pub mod program;
pub mod prometheus;
pub mod python;
pub mod record;
pub mod rsyslog;
pub mod victoria_metrics;

pub use alertmanager::Alertmanager;
pub use cosign::Cosign;
pub use docker_registry::DockerRegistry;
pub use error::PeerError;
pub use etcd::{Etcd, EtcdCluster, Etcdctl, ServerTls};
pub use node_exporter::NodeExporter;
pub use openbao::OpenBao;
pub use oras::Oras;
pub use process::Process;
pub use prometheus::Prometheus;
pub use rsyslog::Rsyslog;
pub use victoria_metrics::VictoriaMetrics;

/// What every function of this crate returns.
pub type Result<T> = std::result::Result<T, PeerError>;
