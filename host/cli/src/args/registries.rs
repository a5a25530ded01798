//! `jackfield registry …` and `jackfield advisories`

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What can be done with registries.
#[derive(Debug, Subcommand)]
pub(crate) enum RegistryVerb {
    /// Add a registry of plugins, or change what was said of one, and read its index
    ///
    /// What is known of it afterwards is a copy: installing by name, searching and looking for known faults ask no network. A plugin
    /// that several registries have is taken from the first of them, in the order in which they were added.
    #[command(after_long_help = "\
Examples:
  jackfield registry add acme https://plugins.acme.example/index --key acme.pub
  jackfield registry add acme https://plugins.acme.example/index \\
    --issuer https://token.actions.githubusercontent.com --subject 'https://github.com/acme/*'
  jackfield registry add mirror /srv/jackfield-mirror --key acme.pub")]
    Add(AddRegistryArgs),
    /// List the registries, in the order in which plugins are looked for in them
    #[command(
        visible_alias = "ls",
        after_long_help = "\
Examples:
  jackfield registry list
  jackfield registry list -o json | jq -r '.items[].index.expires'"
    )]
    List,
    /// Show a registry: who signs it, how old what is known of it is
    #[command(after_long_help = "\
Examples:
  jackfield registry show acme")]
    Show {
        /// The registry
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Remove a registry; what was installed by it stays
    #[command(
        visible_alias = "rm",
        after_long_help = "\
Examples:
  jackfield registry remove acme"
    )]
    Remove {
        /// The registry
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Bring what is known of a registry up to date, or of all
    ///
    /// An index that is not signed by who was named, that is older than what was seen, or that has expired changes nothing.
    #[command(after_long_help = "\
Examples:
  jackfield registry sync
  jackfield registry sync acme")]
    Sync {
        /// The registry [default: all]
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Search what is known of registries for plugins
    #[command(after_long_help = "\
Examples:
  jackfield registry search
  jackfield registry search key-value
  jackfield registry search prometheus metrics -o json | jq -r '.items[].name'")]
    Search {
        /// Words that are all in a plugin's name, description or capabilities
        #[arg(value_name = "WORD")]
        words: Vec<String>,
    },
    Mirror(MirrorArgs),
    Build(BuildArgs),
}

/// What is said of a registry.
#[derive(Debug, Args)]
pub(crate) struct AddRegistryArgs {
    /// What to call it: lower-case letters, digits and `-`
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// Where its index is: https://HOST/PATH, or the path of a folder where the host runs
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,

    #[command(flatten)]
    pub(crate) signers: IndexSignerArgs,

    /// Its place among the others, the least first [default: behind all]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) position: Option<u32>,
}

/// Who signs an index.
#[derive(Debug, Args)]
pub(crate) struct IndexSignerArgs {
    /// The public key of who signs it; may be given several times
    #[arg(long, value_name = "FILE", required_unless_present_any = ["issuer", "allow_unsigned"])]
    pub(crate) key: Vec<PathBuf>,

    /// Who vouches for the identity of who signs it
    #[arg(long, value_name = "URL", requires = "subject")]
    pub(crate) issuer: Option<String>,

    /// Who that is; `*` stands for anything without an `@`
    #[arg(long, value_name = "SUBJECT", requires = "issuer")]
    pub(crate) subject: Option<String>,

    /// It will do without a signature: whoever can change what is at its address can say anything
    #[arg(long, conflicts_with_all = ["key", "issuer"])]
    pub(crate) allow_unsigned: bool,
}

/// Copy an index and its plugins into a folder, for a site without a network
///
/// The folder is a registry: `jackfield registry add NAME FOLDER` there, with the same signers. The index is the very same, with its
/// signature; plugins lie under their digests, with the signatures that were found where they are published, so the trust policy
/// judges them there as anywhere. Run it again to bring the folder up to date; what is there already is not fetched again.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield registry mirror https://plugins.acme.example/index ./mirror --key acme.pub
  jackfield registry mirror https://plugins.acme.example/index ./mirror --key acme.pub etcd 'openbao@^0.1'")]
pub(crate) struct MirrorArgs {
    /// Where the index is: https://HOST/PATH, or a folder
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,

    /// The folder, which is made where it is missing
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,

    /// What to copy: NAME, all of its releases, or NAME@RANGE [default: everything]
    #[arg(value_name = "PLUGIN")]
    pub(crate) plugins: Vec<String>,

    #[command(flatten)]
    pub(crate) signers: IndexSignerArgs,

    /// Whom identities are believed of, as `cosign trusted-root create` writes it [default: sigstore's public good instance]
    #[arg(long, value_name = "FILE", requires = "issuer")]
    pub(crate) trust_root: Option<PathBuf>,
}

/// Make an index of packed plugins, in a folder that any web server can serve
///
/// The folder SOURCES has `index.toml`, and what is to be said of plugins and of known faults: docs/index.md tells the form.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield registry build registry/index --packages dist/ --out public/ --key acme.key")]
pub(crate) struct BuildArgs {
    /// The folder with what is said of plugins
    #[arg(value_name = "SOURCES")]
    pub(crate) sources: PathBuf,

    /// A folder with packed plugins; may be given several times
    #[arg(long, value_name = "DIR", required = true)]
    pub(crate) packages: Vec<PathBuf>,

    /// The folder to write; an index that is there goes on
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,

    /// The private key to sign the index with, as `plugin keygen` or cosign writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

/// List the known faults of what is here
///
/// Of installed plugins, of Jackfield and of its runtime, as registries tell of them. From which severity on nothing is installed, the
/// trust policy says.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield advisories
  jackfield advisories --exit-code || mail -s 'known faults' ops@example.com")]
pub(crate) struct AdvisoriesArgs {
    /// Exit with 1 where there are any
    #[arg(long)]
    pub(crate) exit_code: bool,
}
