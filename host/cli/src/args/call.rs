//! `jackfield call` and `jackfield watch`

use std::time::Duration;

use clap::Args;

use super::{CassetteArgs, parse};

const TYPING: &str = "\
Parameters are typed by the operation's schema (`jackfield capability show CAPABILITY.OPERATION`):
  k=text        the text: a number, a yes or no, bytes, whatever the parameter is
  k=@file       the content of a file; k=@- of standard input; k=@@x is the text `@x`
  k:=JSON       JSON as it is, bytes in base64; k:=@file too
  a.b=text      the member `b` of `a`, or the case `b` of the variant `a`
  k=a k=b       a list; or k=[\"a\",\"b\"]";

/// Call an operation of an integration
#[derive(Debug, Args)]
#[command(after_long_help = format!("{TYPING}

Examples:
  jackfield call prom metrics.query query=up -o json
  jackfield call pg key-value.put key=greeting value=hello
  jackfield call pg key-value.put key=logo value=@logo.png --idempotency-key deploy-7
  jackfield call pg key-value.put key=greeting value=bye options.precondition.revision=5
  jackfield call pg key-value.delete key=greeting --dry-run
  jackfield call pg key-value.list prefix= page.limit=10
  jackfield call prom metrics.query query=up --record up.cassette
  jackfield call names dns@0.1.0.lookup name=example.org
  jackfield call pg key-value.put --json '{{\"key\": \"a\", \"value\": \"aGVsbG8=\"}}' key=b
  echo '{{\"key\": \"a\"}}' | jackfield call pg key-value.get --json -"))]
pub(crate) struct CallArgs {
    /// The integration
    #[arg(value_name = "NAME")]
    pub(crate) integration: String,

    /// The operation, e.g. key-value.get; key-value@0.1.0.get as that version of the capability has it
    #[arg(value_name = "CAPABILITY.OPERATION")]
    pub(crate) operation: String,

    /// Parameters
    #[arg(value_name = "K=V")]
    pub(crate) params: Vec<String>,

    /// The whole body: JSON, `@file` or `-` for standard input; K=V goes over it
    #[arg(long, value_name = "JSON")]
    pub(crate) json: Option<String>,

    /// Names a write, so that repeating it has its effect once
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,

    /// The longest to wait, from 100ms to 10m
    #[arg(long, value_name = "TIME", value_parser = parse::call_timeout)]
    pub(crate) timeout: Option<Duration>,

    /// Check a write and say what it would do, but change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) cassette: CassetteArgs,
}

/// Follow the changes in an integration
///
/// Prints each change as it happens, until Ctrl-C, which ends with 0. A lost connection is taken up again where it broke
/// off. With `-o json` each line is one change.
#[derive(Debug, Args)]
#[command(after_long_help = format!("{TYPING}

Examples:
  jackfield watch pg key-value
  jackfield watch prod-etcd key-value prefix=/config/ -o json
  jackfield watch prod-etcd key-value --from \"$(cat cursor)\" --cursors -o json
  jackfield watch consul service-discovery service=web --count 1"))]
pub(crate) struct WatchArgs {
    /// The integration
    #[arg(value_name = "NAME")]
    pub(crate) integration: String,

    /// The capability, or CAPABILITY.OPERATION where it has several feeds
    #[arg(value_name = "CAPABILITY")]
    pub(crate) capability: String,

    /// Parameters of the feed; a text that is not given, such as a prefix, is empty
    #[arg(value_name = "K=V")]
    pub(crate) params: Vec<String>,

    /// Go on after this cursor instead of from now
    #[arg(long, value_name = "CURSOR")]
    pub(crate) from: Option<String>,

    /// Print `{"cursor":…,"change":…}`; the cursor is null but after the last change of a batch
    #[arg(long)]
    pub(crate) cursors: bool,

    /// End after so many changes
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,

    /// How long to go on trying when the connection is lost
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse::duration)]
    pub(crate) retry_for: Duration,
}
