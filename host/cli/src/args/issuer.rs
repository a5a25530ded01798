//! `jackfield credential issue` and `issuer`: credentials that a plugin makes.

use std::time::Duration;

use clap::{Args, builder::PossibleValuesParser};
use jackfield_core::CredentialKind;

use super::parse;

/// Have an integration's plugin make a credential, now and whenever one is due
///
/// Without `--by`, the next one is made now of a credential that a plugin makes already. A new one is tried out by every
/// integration that uses the credential before it is used, and the one before is taken back afterwards. Where it does not
/// work, it is taken back itself, and nothing has changed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield credential issue orders-etcd --by etcd-admin --type basic --every 30d roles:='[\"orders\"]'
  jackfield credential issue orders-etcd
  jackfield credential issuer orders-etcd")]
pub(crate) struct IssueArgs {
    /// The credential
    pub(crate) name: String,

    /// What the plugin is told: text, or `K:=JSON`; its README says what it understands
    #[arg(value_name = "K=V", requires = "by")]
    pub(crate) parameters: Vec<String>,

    /// The integration whose plugin makes it
    #[arg(long, value_name = "INTEGRATION", requires = "kind")]
    pub(crate) by: Option<String>,

    /// Its type
    #[arg(long = "type", value_name = "TYPE", requires = "by", value_parser = PossibleValuesParser::new(CredentialKind::ALL.map(CredentialKind::as_str)))]
    pub(crate) kind: Option<String>,

    /// How long one is used until the next is made, e.g. `12h` or `30d`
    #[arg(long, value_name = "TIME", requires = "by", value_parser = parse::period)]
    pub(crate) every: Option<Duration>,
}

/// Show who makes a credential and what was made, or have it made no more
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield credential issuer orders-etcd
  jackfield credential issuer orders-etcd --remove")]
pub(crate) struct IssuerArgs {
    /// The credential
    pub(crate) name: String,

    /// Have it made no more: it stays as it is, and what was made is yours to take back
    #[arg(long)]
    pub(crate) remove: bool,
}
