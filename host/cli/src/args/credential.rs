//! `jackfield credential …`

use std::path::PathBuf;

use clap::{Args, Subcommand, builder::PossibleValuesParser};
use jackfield_core::CredentialKind;

use super::{Pair, integration::PageArgs};

/// What can be done with credentials.
#[derive(Debug, Subcommand)]
pub(crate) enum CredentialVerb {
    Set(SetArgs),
    /// List the credentials and where they are used
    #[command(
        visible_alias = "ls",
        after_long_help = "\
Examples:
  jackfield credential list"
    )]
    List(PageArgs),
    /// Show a credential's versions and where it is used, never what it holds
    #[command(after_long_help = "\
Examples:
  jackfield credential show prometheus")]
    Show {
        /// The credential
        name: String,
    },
    /// Have a staged or earlier version used
    #[command(after_long_help = "\
Examples:
  jackfield credential promote prometheus
  jackfield credential promote prometheus --version 3")]
    Promote {
        /// The credential
        name: String,

        /// The version; without one, the newest that is staged
        #[arg(long, value_name = "N")]
        version: Option<u64>,
    },
    Rotate(RotateArgs),
    /// Go back to the version that was used before
    #[command(after_long_help = "\
Examples:
  jackfield credential rollback prometheus")]
    Rollback {
        /// The credential
        name: String,
    },
    /// Forget what a version holds, for good
    #[command(after_long_help = "\
Examples:
  jackfield credential revoke prometheus --version 1")]
    Revoke {
        /// The credential
        name: String,

        /// The version
        #[arg(long, value_name = "N")]
        version: u64,
    },
    /// Delete a credential that no endpoint uses
    #[command(
        visible_alias = "rm",
        after_long_help = "\
Examples:
  jackfield credential delete prometheus"
    )]
    Delete {
        /// The credential
        name: String,
    },
}

/// Set a credential: make it, or a new version of it
///
/// Secret fields are asked for, or read from a file or standard input; never from the command line, where other programs
/// could see them. Endpoints that use the credential use the new version from their next request on.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield credential set prometheus --type bearer
  jackfield credential set grafana --type basic username=admin --file password=/run/secrets/grafana
  pass show pagerduty | jackfield credential set pagerduty --type api-key --stdin
  jackfield credential set kube --type client-certificate --file certificate=tls.crt --file private-key=tls.key
  jackfield credential set aws --type aws-access-key access-key-id=AKIA… --file secret-access-key=key.txt
  jackfield credential set api --type oauth2-client token-url=https://id.example/token client-id=jackfield scope=read
  jackfield credential set gcp --type gcp-service-account --file key=account.json
  jackfield credential set prod --type kubeconfig --file config=$HOME/.kube/config context=prod
  jackfield credential set prom --type bearer --from token=file:/run/secrets/prom/token
  jackfield integration update prom --credential api=prometheus

Types and their fields:
  basic               username, password (secret)
  bearer              token (secret)
  api-key             key (secret)
  client-certificate  certificate, private-key (secret), both PEM
  aws-access-key      access-key-id, secret-access-key (secret), session-token (secret, of temporary ones)
  kubeconfig          config (secret, YAML or JSON), context; only the chosen context is sent, with what is in the files that it
                      names. In place of what is in it, its `tokenFile` and its `exec`: token (secret), certificate and
                      private-key (secret), both PEM

Types that the host exchanges for tokens; those are what requests carry:
  oauth2-client        token-url, client-id, client-secret (secret) or private-key (secret, PEM) with key-id;
                       scope, audience, client-authentication (`basic` or `post`)
  jwt-bearer           token-url, issuer, private-key (secret, PEM); key-id, subject, audience, scope
  token-exchange       token-url, subject-token (secret); subject-token-type, client-id, client-secret (secret), scope,
                       audience, resource
  gcp-service-account  key (secret, the JSON file); scope, subject
  azure-client         tenant, client-id, scope, client-secret (secret) or certificate and private-key (secret); authority
  github-app           app-id, installation-id, private-key (secret, PEM); api-url
  aws-role             access-key-id, secret-access-key (secret), role-arn; session-token (secret), external-id,
                       session-name, sts-url
All of them: ca, certificates to trust where tokens are given instead of the system's (PEM)")]
pub(crate) struct SetArgs {
    #[command(flatten)]
    pub(crate) new: FieldArgs,

    /// Let the new version wait to be promoted
    #[arg(long)]
    pub(crate) staged: bool,
}

/// A version of a credential.
#[derive(Debug, Args)]
pub(crate) struct FieldArgs {
    /// Its name: lower-case letters, digits and `-`
    pub(crate) name: String,

    /// Its type
    #[arg(long = "type", value_name = "TYPE", value_parser = PossibleValuesParser::new(CredentialKind::ALL.map(CredentialKind::as_str)))]
    pub(crate) kind: String,

    /// A field that is not secret
    #[arg(value_name = "FIELD=VALUE")]
    pub(crate) fields: Vec<Pair>,

    /// Take a field from a file
    #[arg(long = "file", value_name = "FIELD=PATH")]
    pub(crate) files: Vec<Pair>,

    /// Have a field come from a file or a variable of the host each time it is used: `file:PATH` or `env:NAME`
    ///
    /// It is not kept in the vault, and a file that changes is read again. The host allows what it was started with:
    /// `--secrets-dir` and `--secrets-env`.
    #[arg(long = "from", value_name = "FIELD=SOURCE")]
    pub(crate) from: Vec<Pair>,

    /// Take the one field that is missing from standard input
    #[arg(long)]
    pub(crate) stdin: bool,
}

/// Rotate a credential: try a new version out, then use it
///
/// Every integration that uses the credential checks its outside system with the new version first. Where one of them does
/// not work with it, the new version is revoked and nothing has changed.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield credential rotate prometheus --type bearer
  vault-of-yours read token | jackfield credential rotate prometheus --type bearer --stdin --revoke-old")]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    pub(crate) new: FieldArgs,

    /// Revoke the old version once nobody uses it any more
    #[arg(long)]
    pub(crate) revoke_old: bool,
}

/// Where a passphrase is, for every command that opens the data folder itself.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct VaultGlobals {
    /// Open the vault with the passphrase in this file when the data folder is opened
    #[arg(long, global = true, value_name = "PATH", env = "JACKFIELD_VAULT_PASSPHRASE_FILE", hide_env_values = true)]
    pub(crate) vault_passphrase_file: Option<PathBuf>,

    /// Let fields of credentials come from files in this folder and below; repeat it for more
    #[arg(
        long = "secrets-dir",
        global = true,
        value_name = "DIR",
        env = "JACKFIELD_SECRETS_DIR",
        hide_env_values = true
    )]
    pub(crate) secrets_dirs: Vec<PathBuf>,

    /// Let fields of credentials come from this variable of the environment; repeat it for more
    #[arg(long = "secrets-env", global = true, value_name = "NAME")]
    pub(crate) secrets_env: Vec<String>,
}
