//! `jackfield operation …`

use clap::{Args, Subcommand};

/// What can be done with writes that were begun.
#[derive(Debug, Subcommand)]
pub(crate) enum OperationVerb {
    List(ListArgs),
    /// Show a write by its idempotency key
    #[command(after_long_help = "\
Examples:
  jackfield operation show prod-etcd deploy-7")]
    Show {
        /// The integration
        integration: String,

        /// The idempotency key
        key: String,
    },
    Resolve(ResolveArgs),
}

/// List writes: those that were begun and not ended, and the latest that ended
///
/// A write whose outcome is unknown was sent, and its answer lost: it is never sent again by itself. Look in the outside
/// system whether it happened, then say so with `resolve`.
#[derive(Debug, Args)]
#[command(
    visible_alias = "ls",
    after_long_help = "\
Examples:
  jackfield operation list --unknown
  jackfield operation list --integration prod-etcd --limit 20"
)]
pub(crate) struct ListArgs {
    /// Only those of this integration
    #[arg(long, value_name = "NAME")]
    pub(crate) integration: Option<String>,

    /// Only those whose outcome nobody knows
    #[arg(long)]
    pub(crate) unknown: bool,

    /// At most so many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u32>,
}

/// Say what came of a write whose outcome was unknown
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("found").required(true),
    after_long_help = "\
Examples:
  jackfield operation resolve prod-etcd deploy-7 --applied
  jackfield operation resolve prod-etcd deploy-7 --not-applied"
)]
pub(crate) struct ResolveArgs {
    /// The integration
    pub(crate) integration: String,

    /// The idempotency key
    pub(crate) key: String,

    /// It was carried out: whoever sends it again is told so
    #[arg(long, group = "found")]
    pub(crate) applied: bool,

    /// It was not carried out: the key may be used again
    #[arg(long, group = "found")]
    pub(crate) not_applied: bool,
}
