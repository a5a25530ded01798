//! `jackfield trust …`

use std::path::PathBuf;

use clap::Subcommand;

/// What can be done with the trust policy.
#[derive(Debug, Subcommand)]
pub(crate) enum TrustVerb {
    /// Show the trust policy: whose signature plugins need, by where they come from
    #[command(after_long_help = "\
Examples:
  jackfield trust show
  jackfield trust show -o json | jq -r '.source[].prefix'")]
    Show,
    /// Set the trust policy, which holds from the next installation on
    #[command(after_long_help = "\
A policy in TOML:
  [[source]]
  prefix = \"oci://ghcr.io/acme/\"
  [[source.signer]]
  issuer = \"https://token.actions.githubusercontent.com\"
  subject = \"https://github.com/acme/plugins/.github/workflows/release.yml@refs/tags/*\"

Examples:
  jackfield trust set trust.toml
  jackfield trust set trust.json")]
    Set {
        /// The policy in TOML, or in JSON where its name ends so; `-` reads TOML from standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}
