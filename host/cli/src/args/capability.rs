//! `jackfield capability …`

use clap::Subcommand;

use super::integration::PageArgs;

/// What can be asked of capabilities.
#[derive(Debug, Subcommand)]
pub(crate) enum CapabilityVerb {
    /// List the capabilities of the installed plugins
    #[command(
        visible_alias = "ls",
        after_long_help = "\
Examples:
  jackfield capability list"
    )]
    List(PageArgs),
    /// Show a capability's operations and their parameters
    #[command(after_long_help = "\
Examples:
  jackfield capability show key-value
  jackfield capability show key-value.put
  jackfield capability show jackfield:key-value@0.1.0 --wit")]
    Show {
        /// The capability, or one operation of it as CAPABILITY.OPERATION
        name: String,

        /// Print the WIT it all comes from
        #[arg(long)]
        wit: bool,
    },
    /// Compare two versions of a capability: what differs, and who can call whom
    ///
    /// Exits with 1 where an operation is gone or cannot be translated.
    #[command(after_long_help = "\
Examples:
  jackfield capability diff acme:dns@0.1.0 acme:dns@0.2.0
  jackfield capability diff dns@0.1.0 dns -o json")]
    Diff {
        /// The older version
        from: String,

        /// The newer one
        to: String,
    },
}
