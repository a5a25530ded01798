//! `jackfield audit …`

use std::path::PathBuf;

use clap::Subcommand;

/// What can be done with the audit trail.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditVerb {
    /// Show what was done last
    #[command(
        visible_alias = "search",
        after_long_help = "\
Examples:
  jackfield audit tail
  jackfield audit tail --contains key-value.put --contains prod-etcd --limit 20
  jackfield audit tail -o json | jq '.items[] | select(.outcome.result == \"unknown\")'"
    )]
    Tail {
        /// The most to show
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,

        /// Only records before this number
        #[arg(long, value_name = "N")]
        before: Option<u64>,

        /// Only records that hold this text; repeat it for several
        #[arg(long, value_name = "TEXT")]
        contains: Vec<String>,
    },
    /// Write the whole trail, signed at its end, to a file
    #[command(after_long_help = "\
Examples:
  jackfield audit export trail.ndjson
  jackfield audit export - | ssh archive 'cat > trail.ndjson'")]
    Export {
        /// The file; `-` writes to standard output
        file: PathBuf,
    },
    /// Verify that nothing in a trail was changed, removed, or put between
    ///
    /// Without a file, the trail of the host is verified. Everything is verified here, whatever the host says of it. Keep
    /// the head that is printed: with it, a trail that was rolled back or made anew is found out later.
    #[command(after_long_help = "\
Examples:
  jackfield audit verify
  jackfield audit verify trail.ndjson
  jackfield audit verify /var/log/jackfield/audit.ndjson --open
  jackfield audit verify trail.ndjson --key 8f3a… --head 1042:5bc1…")]
    Verify {
        /// The exported trail
        file: Option<PathBuf>,

        /// The key that it must be signed with
        #[arg(long, value_name = "HEX")]
        key: Option<String>,

        /// A head of an earlier day that must be in it
        #[arg(long, value_name = "NUMBER:HASH")]
        head: Option<String>,

        /// The file goes on, like that of a sink, and need have no signed end; `signed` then says how far the host's last
        /// signature in it covers it
        #[arg(long, requires = "file")]
        open: bool,
    },
    /// Show where the trail is sent besides, and whether each sink keeps up
    ///
    /// Sinks are given to `jackfield serve` with `--audit-sink`.
    #[command(after_long_help = "\
Examples:
  jackfield audit sinks
  jackfield audit sinks -o json | jq -e 'all(.items[]; .state == \"ok\")'")]
    Sinks,
}
