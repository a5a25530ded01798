//! `jackfield plugin …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Format, integration::PageArgs};

/// What can be done with plugins.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginVerb {
    /// Install a packed plugin from a file
    ///
    /// What it asks for is shown, and asked about: all of it, or what no installed version of it has. Where nobody can be
    /// asked, `--accept` says that exactly that was accepted; `plugin inspect` tells what to write there. Other versions of
    /// it stay, and so does what integrations run with, until they are upgraded. Installing the same file again changes
    /// nothing.
    #[command(after_long_help = "\
Examples:
  jackfield plugin install playground.wasm
  jackfield plugin install etcd.wasm --accept 4f1c09d2a7b35e8860c1d4e2f3a59b07
  curl -s https://plugins.example/etcd.wasm | jackfield plugin install - --accept 4f1c09d2a7b35e8860c1d4e2f3a59b07")]
    Install {
        /// The packed component; `-` reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// Accept what the plugin asks for: the digits that `plugin inspect` shows, which stand for exactly that
        #[arg(long, value_name = "DIGITS")]
        accept: Option<String>,
    },
    /// Tell what installing a file would do, and what would be accepted with it
    #[command(after_long_help = "\
Examples:
  jackfield plugin inspect etcd.wasm
  jackfield plugin inspect etcd.wasm -o json | jq -r .accept")]
    Inspect {
        /// The packed component; `-` reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
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
  jackfield plugin show etcd@0.1.0 -o yaml")]
    Show {
        /// The plugin, of which the newest version is meant, or `NAME@VERSION`
        name: String,
    },
    /// List the integrations that run with an older version than the newest installed release of their plugin
    ///
    /// Each with the command that upgrades it. Only what is installed is looked at.
    #[command(after_long_help = "\
Examples:
  jackfield plugin outdated
  jackfield plugin outdated -o json | jq -r '.items[].command' | sh")]
    Outdated,
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
}

/// Pack a component, its manifest and its WIT into one file
///
/// Reads DIR/plugin.toml and the component that cargo built from DIR, and writes the file that `plugin install` takes.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Without --component, the newest of target/wasm32-wasip2/{guest,release,debug}/NAME.wasm is taken, where
NAME is the crate's and `target` is looked for in CARGO_TARGET_DIR, in DIR and in the folders above.

Examples:
  cargo build --release --target wasm32-wasip2 && jackfield plugin pack
  jackfield plugin pack plugins/etcd -o etcd.wasm
  jackfield plugin pack . --component build/plugin.wasm --wit wit")]
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

    /// The file to write [default: NAME.wasm]
    #[arg(short = 'o', long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// How to print what was packed
    // It has the id of the option that every command takes and so stands in its place: `-o` is the file here.
    #[arg(id = "output", long = "format", value_enum, value_name = "FORMAT")]
    pub(crate) _format: Option<Format>,
}
