//! `jackfield integration …`

use clap::{Args, Subcommand};

use super::{Pair, ShadowArgs};

const SETTINGS: &str = "Settings";
const LISTS: &str = "Which";

/// What can be done with integrations.
#[derive(Debug, Subcommand)]
pub(crate) enum IntegrationVerb {
    Add(AddArgs),
    /// List the integrations and how they are
    #[command(
        visible_alias = "ls",
        after_long_help = "\
Examples:
  jackfield integration list
  jackfield integration list --label env=prod --plugin etcd"
    )]
    List(ListArgs),
    /// Show an integration: its configuration, what it may reach, how it is
    #[command(after_long_help = "\
Examples:
  jackfield integration show prod-etcd
  jackfield integration show prod-etcd -o yaml")]
    Show {
        /// The integration
        name: String,
    },
    /// Check now how an integration is
    ///
    /// Exits with 1 when it is unhealthy.
    #[command(after_long_help = "\
Examples:
  jackfield integration check prod-etcd
  jackfield integration check prod-etcd && deploy")]
    Check {
        /// The integration
        name: String,
    },
    Update(UpdateArgs),
    Upgrade(UpgradeArgs),
    Shadow(ShadowArgs),
    /// Go back to what an integration ran with before its latest upgrade
    ///
    /// The version of its plugin and its configuration; grants and limits stay as they are. A second time goes forward again.
    /// Where a version has a share of its calls, that is taken back.
    #[command(after_long_help = "\
Examples:
  jackfield integration rollback prod-etcd")]
    Rollback {
        /// The integration
        name: String,
    },
    /// Have an integration run nothing until it is enabled
    ///
    /// Calls under way end, others are refused, and it is not checked. Its configuration, credentials, grants and what its plugin
    /// keeps for it stay.
    #[command(after_long_help = "\
Examples:
  jackfield integration disable prod-etcd")]
    Disable {
        /// The integration
        name: String,
    },
    /// Have a disabled integration run again
    ///
    /// It is built and judged first, and stays disabled where that fails. How its outside system is, the next check tells.
    #[command(after_long_help = "\
Examples:
  jackfield integration enable prod-etcd && jackfield integration check prod-etcd")]
    Enable {
        /// The integration
        name: String,
    },
    /// Remove an integration and what its plugin keeps for it
    #[command(
        visible_alias = "rm",
        after_long_help = "\
Examples:
  jackfield integration remove prod-etcd"
    )]
    Remove {
        /// The integration
        name: String,

        /// Remove it although there are writes of unknown outcome, and forget them
        #[arg(long)]
        discard_unknown: bool,
    },
}

/// Run an integration with another version of its plugin
///
/// The new version is started beside the old one, the configuration migrated and judged, the outside system checked; then it
/// takes the old one's place, and no call is dropped. For a while it is watched, and taken back by itself if it does not do
/// well. What was left is kept for `integration rollback`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield integration upgrade prod-etcd --dry-run
  jackfield integration upgrade prod-etcd
  jackfield integration upgrade prod-etcd --to 0.2.0 --watch 10m
  jackfield integration upgrade prod-etcd --share 10 && jackfield integration upgrade prod-etcd --share 50
  jackfield integration upgrade prod-etcd --set timeout-ms=5000")]
pub(crate) struct UpgradeArgs {
    /// The integration
    pub(crate) name: String,

    /// The version, an older one perhaps [default: what has a share or is rehearsed, or else the newest that is installed]
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<semver::Version>,

    /// A setting for the new version, typed by its schema, over its migrated configuration; as with `add`
    #[arg(long = "set", value_name = "K=V", help_heading = SETTINGS)]
    pub(crate) set: Vec<String>,

    /// A setting that the new version is to do without
    #[arg(long, value_name = "K", help_heading = SETTINGS)]
    pub(crate) unset: Vec<String>,

    /// Settings for the new version, as a JSON merge patch: JSON, `@file` or `-`; --set goes over it
    #[arg(long, value_name = "JSON", help_heading = SETTINGS)]
    pub(crate) config: Option<String>,

    /// Try everything, change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Do not ask the outside system how it is with the new version
    #[arg(long)]
    pub(crate) unchecked: bool,

    /// How long the new version is watched; `0s` for not at all [default: 1m]
    #[arg(long, value_name = "TIME", value_parser = super::parse::duration)]
    pub(crate) watch: Option<std::time::Duration>,

    /// Give it so many of a hundred calls, and leave the others with the old version, until told otherwise; it is watched as long
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) share: Option<u8>,
}

/// Add an integration: a plugin, configured for one outside system
///
/// `jackfield plugin show PLUGIN` lists the settings it takes and the endpoints it wants to reach.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield integration add pg --plugin playground
  jackfield integration add prod-etcd --plugin etcd --label env=prod \\
      --set url=https://etcd-1:2379 --set url=https://etcd-2:2379 --ca-file api=ca.pem
  jackfield integration add prom --plugin prometheus --set url=http://prometheus.internal:9090 \\
      --allow-address api=10.0.0.0/8 --credential api=prometheus
  jackfield integration add pd --plugin pagerduty --credential api=pagerduty,header=Authorization,prefix='Token token='")]
pub(crate) struct AddArgs {
    /// Its name: lower-case letters, digits and `-`
    pub(crate) name: String,

    /// The plugin, of which the newest installed version is taken, or `NAME@VERSION`
    #[arg(long, value_name = "PLUGIN")]
    pub(crate) plugin: String,

    /// A setting of the plugin, typed by its schema; repeat it for more, or for a list
    ///
    /// `k=text`, `k=@file` for a file's content, `k:=JSON`, `a.b=text` for a member.
    #[arg(long = "set", value_name = "K=V", help_heading = SETTINGS)]
    pub(crate) set: Vec<String>,

    /// The whole configuration: JSON, `@file` or `-`; --set goes over it
    #[arg(long, value_name = "JSON", help_heading = SETTINGS)]
    pub(crate) config: Option<String>,

    /// A label to select it by; repeat it for more
    #[arg(long = "label", value_name = "K=V", help_heading = SETTINGS)]
    pub(crate) labels: Vec<Pair>,

    /// Bound what its guests may use, e.g. `cpu-ms=500`; repeat it for more
    ///
    /// memory-mib, cpu-ms, call-timeout-ms, concurrency, response-mib, result-mib, state-kib, requests-per-second.
    #[arg(long = "limit", value_name = "NAME=N", help_heading = SETTINGS)]
    pub(crate) limits: Vec<Pair>,

    #[command(flatten)]
    pub(crate) endpoints: EndpointArgs,
}

/// What the operator sets for endpoints.
#[derive(Debug, Args)]
pub(crate) struct EndpointArgs {
    /// Let an endpoint be at addresses of this range although they are private; repeat it for more
    #[arg(long = "allow-address", value_name = "ENDPOINT=CIDR", help_heading = SETTINGS)]
    pub(crate) allow_addresses: Vec<Pair>,

    /// Trust the certificates (PEM) of this file at an endpoint, instead of the system's
    #[arg(long = "ca-file", value_name = "ENDPOINT=PATH", help_heading = SETTINGS)]
    pub(crate) ca_files: Vec<Pair>,

    /// Authenticate an endpoint's requests with a credential: ENDPOINT=NAME, and after commas what else there is to say
    ///
    /// An API key needs `header=NAME` or `query=NAME`; `prefix=TEXT` stands before it in a header. An AWS access key needs
    /// `region=NAME` and `service=NAME`, and takes `payload=unsigned|streaming`. `login=etcd` exchanges a user name and a password for a token, `login=consul` and
    /// `login=nomad` with `auth-method=NAME` a bearer's token for one of theirs. `plain-http` lets the credential travel to an
    /// http:// address.
    #[arg(long = "credential", value_name = "ENDPOINT=NAME[,…]", help_heading = SETTINGS)]
    pub(crate) credentials: Vec<Pair>,

    /// What a request to an endpoint costs and what all of a day may, e.g. `api=0.01/5`; `none` for no bound
    #[arg(long = "spend", value_name = "ENDPOINT=REQUEST/DAY", help_heading = SETTINGS)]
    pub(crate) spends: Vec<Pair>,
}

/// Which part of a list.
#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// The most to list at once
    #[arg(long, value_name = "N", help_heading = LISTS)]
    pub(crate) limit: Option<u32>,

    /// Go on after an earlier page
    #[arg(long, value_name = "CURSOR", help_heading = LISTS)]
    pub(crate) cursor: Option<String>,
}

/// Which integrations to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only those with this label; repeat it for more
    #[arg(long = "label", value_name = "K=V", help_heading = LISTS)]
    pub(crate) labels: Vec<Pair>,

    /// Only those of this plugin
    #[arg(long, value_name = "PLUGIN", help_heading = LISTS)]
    pub(crate) plugin: Option<String>,

    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// Change an integration; what is not named stays
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield integration update prod-etcd --set timeout-ms=5000 --unset prefix
  jackfield integration update prod-etcd --label env=staging --remove-label owner
  jackfield integration update prod-etcd --allow-address api=10.1.0.0/16 --revision 4")]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub(crate) struct UpdateArgs {
    /// The integration
    pub(crate) name: String,

    /// A setting to change, as with `add`
    #[arg(long = "set", value_name = "K=V", group = "change", help_heading = SETTINGS)]
    pub(crate) set: Vec<String>,

    /// A setting to remove
    #[arg(long, value_name = "K", group = "change", help_heading = SETTINGS)]
    pub(crate) unset: Vec<String>,

    /// Settings to change, as a JSON merge patch: JSON, `@file` or `-`; --set goes over it
    #[arg(long, value_name = "JSON", group = "change", help_heading = SETTINGS)]
    pub(crate) config: Option<String>,

    /// A label to set
    #[arg(long = "label", value_name = "K=V", group = "change", help_heading = SETTINGS)]
    pub(crate) labels: Vec<Pair>,

    /// A label to remove
    #[arg(long = "remove-label", value_name = "K", group = "change", help_heading = SETTINGS)]
    pub(crate) remove_labels: Vec<String>,

    /// Ranges to let an endpoint be at, instead of those it has
    #[arg(long = "allow-address", value_name = "ENDPOINT=CIDR", group = "change", help_heading = SETTINGS)]
    pub(crate) allow_addresses: Vec<Pair>,

    /// Certificates (PEM) to trust at an endpoint, instead of those it has
    #[arg(long = "ca-file", value_name = "ENDPOINT=PATH", group = "change", help_heading = SETTINGS)]
    pub(crate) ca_files: Vec<Pair>,

    /// The credential to authenticate an endpoint's requests with, as with `add`
    #[arg(long = "credential", value_name = "ENDPOINT=NAME[,…]", group = "change", help_heading = SETTINGS)]
    pub(crate) credentials: Vec<Pair>,

    /// What a request to an endpoint costs and what all of a day may, as with `add`
    #[arg(long = "spend", value_name = "ENDPOINT=REQUEST/DAY", group = "change", help_heading = SETTINGS)]
    pub(crate) spends: Vec<Pair>,

    /// An endpoint to give back its defaults
    #[arg(long = "reset-endpoint", value_name = "ENDPOINT", group = "change", help_heading = SETTINGS)]
    pub(crate) reset_endpoints: Vec<String>,

    /// A limit to set, as with `add`; `NAME=default` leaves it to the plugin and the host
    #[arg(long = "limit", value_name = "NAME=N", group = "change", help_heading = SETTINGS)]
    pub(crate) limits: Vec<Pair>,

    /// Change it only if it is at this revision
    #[arg(long, value_name = "N")]
    pub(crate) revision: Option<u64>,
}
