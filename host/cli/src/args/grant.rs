//! `jackfield grant …`

use clap::{ArgGroup, Args, Subcommand};

/// What can be done with grants.
#[derive(Debug, Subcommand)]
pub(crate) enum GrantVerb {
    /// Show what an integration may send: what its plugin asks for, what is allowed of that, what it has used
    #[command(after_long_help = "\
Examples:
  jackfield grant show prod-etcd
  jackfield grant show prod-etcd -o json")]
    Show {
        /// The integration
        integration: String,
    },
    Set(SetArgs),
    /// Show what could be taken away, since it was never used, and what was refused, with the lines that would allow it
    #[command(after_long_help = "\
Examples:
  jackfield grant diff prod-etcd")]
    Diff {
        /// The integration
        integration: String,
    },
    /// Say whether a request would be sent, and which rule decides; nothing is sent
    ///
    /// Exits with 1 when it would not.
    #[command(after_long_help = "\
Examples:
  jackfield grant explain prod-etcd POST /v3/kv/deleterange --endpoint api
  jackfield grant explain alerts DELETE /api/v2/silence/1 --endpoint silences")]
    Explain {
        /// The integration
        integration: String,

        /// The method
        method: String,

        /// The path
        path: String,

        /// The endpoint, where there are several
        #[arg(long, value_name = "NAME")]
        endpoint: Option<String>,
    },
}

/// Allow an integration less than its plugin asks for, or all of it again
///
/// What is named replaces what was allowed of its kind; what is not named stays. A plugin gets nothing that its manifest
/// does not ask for.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield grant set prod-etcd --endpoint api --read-only
  jackfield grant set prom --endpoint api --method GET --method POST --path '/api/v1/*'
  jackfield grant set prom --endpoint api --path /api/v1/query --count-only
  jackfield grant set prom --endpoint api --all")]
#[command(group = ArgGroup::new("allow").required(true).multiple(true))]
pub(crate) struct SetArgs {
    /// The integration
    pub(crate) integration: String,

    /// The endpoint
    #[arg(long, value_name = "NAME")]
    pub(crate) endpoint: String,

    /// A method; repeat it for more
    #[arg(long = "method", value_name = "METHOD", group = "allow")]
    pub(crate) methods: Vec<String>,

    /// A path pattern, as in manifests; repeat it for more
    #[arg(long = "path", value_name = "PATTERN", group = "allow")]
    pub(crate) paths: Vec<String>,

    /// Only what changes nothing
    #[arg(long, group = "allow", conflicts_with = "read_write")]
    pub(crate) read_only: bool,

    /// Also what changes something
    #[arg(long, group = "allow")]
    pub(crate) read_write: bool,

    /// Refuse nothing for this, and count what would be
    #[arg(long, group = "allow", conflicts_with = "enforce")]
    pub(crate) count_only: bool,

    /// Refuse what is not allowed
    #[arg(long, group = "allow")]
    pub(crate) enforce: bool,

    /// All that the plugin asks for; what else is named goes over it
    #[arg(long, group = "allow")]
    pub(crate) all: bool,
}
