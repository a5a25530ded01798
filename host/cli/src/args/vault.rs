//! `jackfield vault …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

const SOURCE: &str = "Key source (one of them)";

/// What can be done with the vault.
#[derive(Debug, Subcommand)]
pub(crate) enum VaultVerb {
    /// Show whether the vault is open, and what it is sealed with
    #[command(after_long_help = "\
Examples:
  jackfield vault status
  jackfield vault status -o json | jq -r .state")]
    Status,
    /// Make the vault, in which credentials are kept
    ///
    /// Whatever opens it is not kept beside it: a key file belongs on another disk than the data folder.
    #[command(after_long_help = "\
Examples:
  jackfield vault init --key-file /etc/jackfield/kek
  jackfield vault init --passphrase
  jackfield vault init --transit https://bao.example:8200 --transit-key jackfield --transit-token-file /run/bao-token
  jackfield vault init --aws-kms alias/jackfield --aws-region eu-central-1 --aws-credentials-file /run/aws-credentials
  keyctl padd user jackfield-kek @u < /mnt/usb/kek && jackfield vault init --keyring jackfield-kek")]
    Init(Box<SourceArgs>),
    /// Open the vault
    ///
    /// Whatever asks no person opens it by itself when the host starts; this is for passphrases, and after a seal.
    #[command(after_long_help = "\
Examples:
  jackfield vault unlock --passphrase
  jackfield vault unlock --passphrase-file /run/secrets/jackfield
  jackfield vault unlock")]
    Unlock(PassphraseArgs),
    /// Seal the vault: no credential can be used until it is opened again
    #[command(after_long_help = "\
Examples:
  jackfield vault seal")]
    Seal,
    /// Make a new vault key and seal every credential anew
    ///
    /// Every key source must be at hand. It may be interrupted; whoever opens the vault next goes on.
    #[command(after_long_help = "\
Examples:
  jackfield vault rekey
  jackfield vault rekey --passphrase")]
    Rekey(PassphraseArgs),
    /// Add and remove what opens the vault
    #[command(subcommand)]
    Key(KeyVerb),
}

/// What can be done with key sources.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyVerb {
    /// Have one more source open the vault
    #[command(after_long_help = "\
Examples:
  jackfield vault key add --passphrase
  jackfield vault key add --key-file /mnt/usb/kek")]
    Add(Box<SourceArgs>),
    /// Have a source no longer open the vault
    ///
    /// Who has a copy of the data folder can still open that copy with it; `jackfield vault rekey` keeps him out of
    /// whatever is sealed afterwards.
    #[command(
        visible_alias = "rm",
        after_long_help = "\
Examples:
  jackfield vault key remove 5d0c9e1f && jackfield vault rekey"
    )]
    Remove {
        /// The source's id, as `jackfield vault status` shows it
        id: String,
    },
}

/// What is to open the vault.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub(crate) struct SourceArgs {
    /// A file with 32 random bytes, which is made where it is missing
    #[arg(long, value_name = "PATH", group = "source", help_heading = SOURCE)]
    pub(crate) key_file: Option<PathBuf>,

    /// A passphrase of at least 12 characters, which is asked for
    #[arg(long, group = "source", help_heading = SOURCE)]
    pub(crate) passphrase: bool,

    /// The passphrase in this file
    #[arg(long, value_name = "PATH", group = "source", help_heading = SOURCE)]
    pub(crate) passphrase_file: Option<PathBuf>,

    /// A key in the keyring of the host's kernel (Linux), with 64 hexadecimal digits
    ///
    /// The kernel forgets it when the machine restarts: whoever starts that puts it there again.
    #[arg(long, value_name = "NAME", group = "source", help_heading = SOURCE)]
    pub(crate) keyring: Option<String>,

    /// A key of AWS's key management service: its ID, ARN or alias/NAME
    #[arg(long, value_name = "KEY", group = "source", requires_all = ["aws_region", "aws_credentials_file"], help_heading = SOURCE)]
    pub(crate) aws_kms: Option<String>,

    /// The transit engine of a Vault or OpenBao
    #[arg(long, value_name = "URL", group = "source", requires_all = ["transit_key", "transit_token_file"], help_heading = SOURCE)]
    pub(crate) transit: Option<String>,

    /// The key's name there
    #[arg(long, value_name = "NAME", requires = "transit", help_heading = "Transit")]
    pub(crate) transit_key: Option<String>,

    /// A file on the host with the token to ask with
    #[arg(long, value_name = "PATH", requires = "transit", help_heading = "Transit")]
    pub(crate) transit_token_file: Option<PathBuf>,

    /// Where the engine is mounted
    #[arg(long, value_name = "PATH", requires = "transit", default_value = "transit", help_heading = "Transit")]
    pub(crate) transit_mount: String,

    /// Certificates (PEM) to trust instead of the system's
    #[arg(long, value_name = "PATH", requires = "transit", help_heading = "Transit")]
    pub(crate) transit_ca_file: Option<PathBuf>,

    /// Where the key is
    #[arg(long, value_name = "REGION", requires = "aws_kms", help_heading = "AWS KMS")]
    pub(crate) aws_region: Option<String>,

    /// A file on the host with the access key to ask with, as ~/.aws/credentials has it
    #[arg(long, value_name = "PATH", requires = "aws_kms", help_heading = "AWS KMS")]
    pub(crate) aws_credentials_file: Option<PathBuf>,

    /// Whose section of that file
    #[arg(long, value_name = "NAME", requires = "aws_kms", default_value = "default", help_heading = "AWS KMS")]
    pub(crate) aws_profile: String,

    /// The server, where it is not AWS's own for the region
    #[arg(long, value_name = "URL", requires = "aws_kms", help_heading = "AWS KMS")]
    pub(crate) aws_endpoint: Option<String>,

    /// Certificates (PEM) to trust instead of the system's
    #[arg(long, value_name = "PATH", requires = "aws_kms", help_heading = "AWS KMS")]
    pub(crate) aws_ca_file: Option<PathBuf>,
}

/// A passphrase, if one is given.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("phrase"))]
pub(crate) struct PassphraseArgs {
    /// Ask for the passphrase
    #[arg(long, group = "phrase")]
    pub(crate) passphrase: bool,

    /// Take the passphrase from this file
    #[arg(long, value_name = "PATH", group = "phrase")]
    pub(crate) passphrase_file: Option<PathBuf>,
}
