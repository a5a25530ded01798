//! `jackfield plugin …`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jackfield_registry::LOCK_FILE;

use super::{Format, integration::PageArgs};

/// What can be done with plugins.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginVerb {
    /// Install a plugin by its name, from a file, from a registry or from a web server
    ///
    /// By its name it is the newest release that will do of the first registry that has one (`jackfield registry add`); a file of such
    /// a name is written with its folder: ./etcd. The trust policy must let it in, by where it comes from and who signed it. A file is also let in without a signature with
    /// `--allow-unsigned`, where the policy has no rule for files; its signature is looked for in FILE.sigstore.json. What it asks for is shown, and asked about: all of it, or what no installed version of it has. Where nobody can be
    /// asked, `--accept` says that exactly that was accepted; `plugin inspect` tells what to write there. Other versions of
    /// it stay, and so does what integrations run with, until they are upgraded. Installing the same file again changes
    /// nothing.
    ///
    /// Where there is a file `jackfield.lock` in the current folder, or with `--lock`, what is installed is recorded: its digest,
    /// where it came from, its signer and its rights. With `--locked` that is what must be found, and anything else is
    /// refused before anything is installed; its rights are those that were accepted when it was locked.
    #[command(after_long_help = "\
Examples:
  jackfield plugin install etcd
  jackfield plugin install acme/etcd@^1.2 --needs jackfield:key-value@^0.1
  jackfield plugin install oci://ghcr.io/acme/etcd:1.2.0
  jackfield plugin install https://plugins.example/etcd.wasm --accept 4f1c09d2a7b35e8860c1d4e2f3a59b07
  jackfield plugin install playground.wasm --allow-unsigned
  jackfield plugin install oci://ghcr.io/acme/etcd:1.2.0 --lock
  jackfield plugin install --locked
  jackfield plugin install --locked --lock=site/jackfield.lock")]
    Install(InstallArgs),
    /// Write the lock file of what is installed
    ///
    /// Each version of each plugin with its digest, where it came from, its signer and its rights; what the file named before and
    /// is not installed is no longer in it. `plugin install --locked` and `apply --locked` hold elsewhere what it says.
    #[command(after_long_help = "\
Examples:
  jackfield plugin lock
  jackfield plugin lock site/jackfield.lock && git diff --exit-code site/jackfield.lock")]
    Lock {
        /// The file to write
        #[arg(value_name = "FILE", default_value = LOCK_FILE)]
        file: PathBuf,
    },
    /// Tell what installing a plugin would do, who vouches for it, and what would be accepted with it
    #[command(after_long_help = "\
Examples:
  jackfield plugin inspect etcd.wasm
  jackfield plugin inspect oci://ghcr.io/acme/etcd:1.2.0 -o json | jq -r .accept")]
    Inspect(PlaceArgs),
    /// List the installed plugins, each version of each
    #[command(
        visible_alias = "ls",
        after_long_help = "\
Examples:
  jackfield plugin list
  jackfield plugin list -o json | jq -r '.items[].digest'"
    )]
    List(PageArgs),
    /// Show what a plugin is, what it asks for and which settings it takes
    #[command(after_long_help = "\
Examples:
  jackfield plugin show etcd
  jackfield plugin show etcd@0.1.0 -o yaml
  jackfield plugin show etcd --readme
  jackfield plugin show etcd --sbom -o json > etcd.cdx.json")]
    Show {
        /// The plugin, of which the pinned or else the newest version is meant, or `NAME@VERSION`
        name: String,

        /// Print its README
        #[arg(long, group = "text")]
        readme: bool,

        /// Print the text of its license
        #[arg(long, group = "text")]
        license: bool,

        /// Print what it was built from, its bill of materials; `-o json` gives the very bytes
        #[arg(long, group = "text")]
        sbom: bool,
    },
    /// List the integrations that run with an older version than the newest installed release of their plugin
    ///
    /// Each with the command that upgrades it. Also the plugins of which a registry has a newer release that would do, by what is known
    /// of the registries here (`jackfield registry sync`); of a pinned plugin the pinned version.
    #[command(after_long_help = "\
Examples:
  jackfield plugin outdated
  jackfield plugin outdated -o json | jq -r '.items[].command' | sh")]
    Outdated,
    /// Have everybody keep to a version of a plugin who names none
    ///
    /// New integrations and upgrades get this version, `plugin outdated` takes it for the newest, and whoever names another one is
    /// refused until it is let go (`plugin unpin`) or pinned to another. Who runs with another version goes on with that until
    /// upgraded; going back after an upgrade is always possible. What is pinned is not removed.
    #[command(after_long_help = "\
Examples:
  jackfield plugin pin etcd 0.1.0
  jackfield plugin list
  jackfield plugin unpin etcd")]
    Pin {
        /// The plugin
        name: String,
        /// The version, an installed one
        version: semver::Version,
    },
    /// Let a pinned plugin go
    #[command(after_long_help = "\
Examples:
  jackfield plugin unpin etcd && jackfield plugin upgrade etcd --dry-run")]
    Unpin {
        /// The plugin
        name: String,
    },
    /// Upgrade every integration of a plugin to its pinned version, or else to the newest that is installed
    ///
    /// One after another, as `integration upgrade` does; the first that fails ends it, and those before it stay upgraded.
    /// Nothing is installed by this.
    #[command(after_long_help = "\
Examples:
  jackfield plugin upgrade etcd --dry-run
  jackfield plugin upgrade etcd")]
    Upgrade {
        /// The plugin
        name: String,
        /// Try everything, change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Have every integration of a plugin that was upgraded run again with the version before
    ///
    /// One after another, as `integration rollback` does; the first that fails ends it. An integration that runs with an older
    /// version than the one it left stays as it is.
    #[command(after_long_help = "\
Examples:
  jackfield plugin rollback etcd --dry-run
  jackfield plugin rollback etcd")]
    Rollback {
        /// The plugin
        name: String,
        /// Only tell which would go back
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove a version of a plugin that no integration runs with
    #[command(
        visible_aliases = ["rm", "uninstall"],
        after_long_help = "\
Examples:
  jackfield plugin remove etcd
  jackfield plugin remove etcd@0.1.0"
    )]
    Remove {
        /// The plugin, where there is one version of it, or `NAME@VERSION`
        name: String,
    },
    Pack(PackArgs),
    Push(PushArgs),
    /// Fetch a plugin from a registry or a web server into a file, without installing it
    #[command(after_long_help = "\
Examples:
  jackfield plugin pull oci://ghcr.io/acme/etcd:1.2.0
  jackfield plugin pull oci://ghcr.io/acme/etcd:1.2.0 --file etcd-1.2.0.wasm")]
    Pull {
        /// Where from: oci://REGISTRY/REPOSITORY:TAG or https://HOST/FILE
        #[arg(value_name = "PLACE")]
        place: String,
        /// The file to write [default: NAME-VERSION.wasm]
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    Sign(SignArgs),
    Verify(VerifyArgs),
    /// Make a key to sign plugins with: NAME.key, under a password, and NAME.pub
    ///
    /// Both are files that cosign reads too.
    #[command(after_long_help = "\
Examples:
  jackfield plugin keygen acme
  JACKFIELD_KEY_PASSWORD=… jackfield plugin keygen acme")]
    Keygen {
        /// What the files' names begin with
        #[arg(value_name = "NAME", default_value = "jackfield")]
        name: PathBuf,
    },
}

/// What names a plugin that is not installed.
#[derive(Clone, Debug, Args)]
pub(crate) struct PlaceArgs {
    /// A name as the registries have it (etcd, acme/etcd@^1.2), a file, `-` for standard input, oci://REGISTRY/REPOSITORY:TAG, or
    /// https://HOST/FILE
    #[arg(value_name = "PLACE")]
    pub(crate) place: String,

    #[command(flatten)]
    pub(crate) vouching: VouchingArgs,

    #[command(flatten)]
    pub(crate) choosing: ChoosingArgs,
}

/// What is said of a plugin that is named as the registries have it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ChoosingArgs {
    /// What a plugin from the registries must offer, e.g. jackfield:key-value@^0.1; may be given several times
    #[arg(long, value_name = "CAPABILITY@RANGE", requires = "place")]
    pub(crate) needs: Vec<String>,

    /// Prereleases from the registries will do that are not named
    #[arg(long, requires = "place")]
    pub(crate) prereleases: bool,
}

/// Who must vouch for a plugin.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct VouchingArgs {
    /// A file's signature, a sigstore bundle [default: FILE.sigstore.json, where there is one]
    #[arg(long, value_name = "FILE", requires = "place")]
    pub(crate) signature: Option<PathBuf>,

    /// Take a file without a signature, where the trust policy has no rule for files
    #[arg(long)]
    pub(crate) allow_unsigned: bool,

    /// Take it from another signer than those of the versions that are installed, or from none
    #[arg(long)]
    pub(crate) allow_other_signer: bool,

    /// Install it with this known fault, though the trust policy refuses it; may be given several times
    #[arg(long = "allow-advisory", value_name = "ID")]
    pub(crate) allow_advisories: Vec<String>,
}

/// What is installed, and what is accepted.
#[derive(Clone, Debug, Args)]
pub(crate) struct InstallArgs {
    /// A name as the registries have it (etcd, acme/etcd@^1.2), a file, `-` for standard input, oci://REGISTRY/REPOSITORY:TAG, or
    /// https://HOST/FILE; with --locked everything that is locked, unless it is named
    #[arg(value_name = "PLACE", required_unless_present = "locked")]
    pub(crate) place: Option<String>,

    #[command(flatten)]
    pub(crate) vouching: VouchingArgs,

    #[command(flatten)]
    pub(crate) choosing: ChoosingArgs,

    /// Accept what the plugin asks for: the digits that `plugin inspect` shows, which stand for exactly that
    #[arg(long, value_name = "DIGITS", conflicts_with = "locked")]
    pub(crate) accept: Option<String>,

    #[command(flatten)]
    pub(crate) lock: LockArgs,
}

/// The lock file, and whether what is installed must be what it names.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct LockArgs {
    /// Record what is installed in a lock file [default: jackfield.lock, and without this option only where that is there]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = LOCK_FILE)]
    pub(crate) lock: Option<PathBuf>,

    /// Install only what the lock file names: the same file, from there, by the same signer, with the same rights
    #[arg(long)]
    pub(crate) locked: bool,
}

/// Push a packed plugin to a registry, and sign it
///
/// It is pushed as cosign, oras and wkg read it. Without --key it is not signed, and hardly anybody installs it before it is:
/// `plugin sign`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield plugin push etcd.wasm oci://ghcr.io/acme/etcd:1.2.0 --key acme.key")]
pub(crate) struct PushArgs {
    /// The packed component
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Where to: oci://REGISTRY/REPOSITORY:TAG
    #[arg(value_name = "PLACE")]
    pub(crate) place: String,

    /// The private key to sign with, as `plugin keygen` or cosign writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

/// Sign a plugin, in a registry or in a file
///
/// In a registry the signature is pushed beside what has the digest that is named, as `cosign sign` does; a file's is written to FILE.sigstore.json, as
/// `cosign sign-blob --bundle` does. The key's password is asked for, or taken from JACKFIELD_KEY_PASSWORD.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield plugin sign oci://ghcr.io/acme/etcd:1.2.0@sha256:9f2c… --key acme.key
  jackfield plugin sign etcd.wasm --key cosign.key")]
pub(crate) struct SignArgs {
    /// A file, or oci://REGISTRY/REPOSITORY@DIGEST
    #[arg(value_name = "PLACE")]
    pub(crate) place: String,

    /// The private key, as `plugin keygen` or cosign writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
}

/// Tell whether a plugin is signed by the holder of a key, or by an identity
///
/// Nothing is installed, and no trust policy is asked: what counts is the signer that is named here.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield plugin verify oci://ghcr.io/acme/etcd:1.2.0 --key acme.pub
  jackfield plugin verify etcd.wasm --key cosign.pub --signature etcd.wasm.sigstore.json
  jackfield plugin verify oci://ghcr.io/acme/etcd:1.2.0 \\
    --issuer https://token.actions.githubusercontent.com --subject 'https://github.com/acme/*'")]
pub(crate) struct VerifyArgs {
    /// A file, oci://REGISTRY/REPOSITORY:TAG, or https://HOST/FILE
    #[arg(value_name = "PLACE")]
    pub(crate) place: String,

    /// A file's signature, a sigstore bundle [default: FILE.sigstore.json]
    #[arg(long, value_name = "FILE")]
    pub(crate) signature: Option<PathBuf>,

    /// The signer's public key
    #[arg(long, value_name = "FILE", required_unless_present = "issuer", conflicts_with = "issuer")]
    pub(crate) key: Option<PathBuf>,

    /// Who vouches for the signer's identity
    #[arg(long, value_name = "URL", requires = "subject")]
    pub(crate) issuer: Option<String>,

    /// Who the signer is; `*` stands for anything
    #[arg(long, value_name = "SUBJECT", requires = "issuer")]
    pub(crate) subject: Option<String>,

    /// Whom identities are believed of, as `cosign trusted-root create` writes it [default: sigstore's public good instance]
    #[arg(long, value_name = "FILE", requires = "issuer")]
    pub(crate) trust_root: Option<PathBuf>,
}

/// Pack a component, its manifest, its WIT and what is given along into one file
///
/// Reads DIR/plugin.toml and the component that cargo built from DIR, and writes the file that `plugin install` takes. README,
/// license and bill of materials go in too, where there are any: `plugin show` prints them.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Without --component, the newest of target/wasm32-wasip2/{guest,release,debug}/NAME.wasm is taken, where
NAME is the crate's and `target` is looked for in CARGO_TARGET_DIR, in DIR and in the folders above.

Examples:
  cargo build --release --target wasm32-wasip2 && jackfield plugin pack
  jackfield plugin pack plugins/etcd -o etcd.wasm
  jackfield plugin pack . --component build/plugin.wasm --wit wit
  cargo cyclonedx --format json && jackfield plugin pack --sbom my-plugin.cdx.json")]
pub(crate) struct PackArgs {
    /// The plugin's folder
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,

    /// The component, where it is not cargo's
    #[arg(long, value_name = "FILE")]
    pub(crate) component: Option<PathBuf>,

    /// The folder of the plugin's own WIT packages [default: DIR/wit, where there is one]
    #[arg(long, value_name = "DIR")]
    pub(crate) wit: Option<PathBuf>,

    /// The README, in Markdown [default: DIR/README.md, where there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) readme: Option<PathBuf>,

    /// The license's text; may be given several times [default: Cargo.toml's `license-file`, or DIR/LICENSE*]
    #[arg(long, value_name = "FILE")]
    pub(crate) license: Vec<PathBuf>,

    /// What it was built from: CycloneDX 1.x or SPDX 2.3, as JSON [default: DIR/sbom.json, where there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) sbom: Option<PathBuf>,

    /// The file to write [default: NAME.wasm]
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// How to print what was packed
    // It has the id of the option that every command takes and so stands in its place: `-o` is the file here.
    #[arg(id = "output", long = "format", value_enum, value_name = "FORMAT")]
    pub(crate) _format: Option<Format>,
}
