//! `jackfield serve`

use std::net::SocketAddr;

use clap::{Args, ValueEnum};

use super::NamedCassetteArgs;

/// Serve the API on this machine until Ctrl-C
///
/// Other `jackfield` commands find the server by the data folder. Until authentication arrives it listens on loopback
/// addresses only. Logs go to standard error; RUST_LOG chooses which.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield serve
  jackfield serve --data /var/lib/jackfield --listen 127.0.0.1:7575 --log-format json
  jackfield serve --record prom=prom.cassette
  jackfield serve --plugins-folder /srv/jackfield/plugins
  jackfield serve --replay prom=prom.cassette --replay-match best
  jackfield serve --audit-sink syslog:tls://logs.example --audit-sink file:/var/log/jackfield/audit.ndjson
  RUST_LOG=jackfield_core=debug jackfield serve --listen '[::1]:0'")]
pub(crate) struct ServeArgs {
    /// The address to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7575")]
    pub(crate) listen: SocketAddr,

    /// The form of the log
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) log_format: LogFormat,

    /// How often each integration's health is checked, e.g. 30s
    #[arg(long, value_name = "TIME", value_parser = super::parse::timeout)]
    pub(crate) health_interval: Option<std::time::Duration>,

    /// Let records of the audit trail go that are older than so many days; without it they are kept while there is room
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) audit_days: Option<u32>,

    /// How much of the audit trail is kept, in MiB
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..), default_value_t = 1024)]
    pub(crate) audit_mib: u32,

    /// Watch this folder: plugins that are put there are installed, those that are taken away removed unless they are used
    ///
    /// The trust policy judges them as coming from `file:folder`, with PLUGIN.wasm.sigstore.json beside them; what they ask for is
    /// accepted by the digits in PLUGIN.wasm.accept, which `plugin inspect` shows.
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins_folder: Option<std::path::PathBuf>,

    #[command(flatten)]
    pub(crate) cassettes: NamedCassetteArgs,

    /// Send the audit trail there besides; repeat it for several sinks
    ///
    /// file:/PATH, syslog:udp://HOST:PORT, syslog:tcp://HOST:PORT, syslog:tls://HOST:PORT (PORT may be left out),
    /// syslog:/dev/log, otlp:http(s)://HOST:PORT or webhook:https://HOST/PATH, with options behind commas: name=NAME, from=beginning|head,
    /// ca-file=FILE, and for HTTP token-file=FILE or credential=NAME (of the vault).
    #[arg(long = "audit-sink", value_name = "SINK")]
    pub(crate) audit_sinks: Vec<String>,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}
