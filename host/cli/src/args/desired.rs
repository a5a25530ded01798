//! `jackfield apply` and `jackfield export`.

use std::path::PathBuf;

use clap::Args;

use super::LockArgs;

/// Make plugins, integrations and deployments what documents say they are to be
///
/// A document holds a plugin, an integration or a deployment, or several, or the trust policy; a file may hold several documents
/// (YAML, TOML or JSON). What a document does not name of an integration is empty, but for its plugin's version, which stays.
/// Everything is tried before anything is changed, but for what needs a plugin that is still to be installed; applied twice it is
/// a change once. `docs/documents.schema.json` describes documents to editors.
///
/// A deployment whose orchestrator cannot be asked fails alone, after everything else was done; then the exit code is 1. One
/// without a name is called like its file, where it is the only such one in it.
///
/// With `--locked`, every plugin that the documents name, installed or to be, must be what the lock file says, and is accepted
/// with the rights that are locked; where its document has no `source`, it is taken from where it was locked.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield apply -f jackfield.yaml --dry-run
  jackfield apply -f site/ --dry-run --exit-code || echo drift
  jackfield apply -f site/ --prune
  jackfield apply -f site/ --locked --lock=site/jackfield.lock
  jackfield export | jackfield apply -f - --prune

A document:
  integration:
    name: prod-etcd
    plugin: etcd
    version: \"0.1.0\"
    config: {url: \"https://etcd-1:2379\"}
  ---
  deployment:
    name: shop
    strategy: rolling
    orchestrator: kubernetes
    config: {namespace: production, image: \"ghcr.io/acme/shop:1.2.0\", replicas: 3}")]
pub(crate) struct ApplyArgs {
    /// A file, or a folder of files and folders (.yaml, .yml, .toml, .json); `-` reads YAML from standard input. Repeat it for more
    #[arg(short = 'f', long = "file", value_name = "PATH", required = true)]
    pub(crate) files: Vec<PathBuf>,

    /// Only show what would be changed: what differs from the documents
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Exit with 1 where something was changed, or with --dry-run would be
    #[arg(long)]
    pub(crate) exit_code: bool,

    /// Take plugins' files without a signature, where the trust policy has no rule for files
    #[arg(long)]
    pub(crate) allow_unsigned: bool,

    /// Take plugins from other signers than those of versions before, or from none
    #[arg(long)]
    pub(crate) allow_other_signer: bool,

    /// Remove what is there of the kinds that the documents are of, and is in none of them
    #[arg(long)]
    pub(crate) prune: bool,

    #[command(flatten)]
    pub(crate) lock: LockArgs,
}

/// Print what there is as documents for `apply`
///
/// The trust policy, every version of every plugin, every integration, and every deployment as it was applied last. Credentials
/// are not in them.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield export > jackfield.yaml
  jackfield export -o json | jq -r '.documents[].integration.name // empty'")]
pub(crate) struct ExportArgs {}
