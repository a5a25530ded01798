//! `jackfield plugin …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Format, integration::PageArgs};

/// What can be done with plugins.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginVerb {
    /// Install a packed plugin from a file
    ///
    /// Installing the same file again changes nothing.
    #[command(after_long_help = "\
Examples:
  jackfield plugin install playground.wasm
  curl -s https://plugins.example/etcd.wasm | jackfield plugin install -")]
    Install {
        /// The packed component; `-` reads standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// List the installed plugins
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
  jackfield plugin show etcd -o yaml")]
    Show {
        /// The plugin
        name: String,
    },
    /// Remove a plugin that no integration uses
    #[command(
        visible_alias = "rm",
        after_long_help = "\
Examples:
  jackfield plugin remove etcd"
    )]
    Remove {
        /// The plugin
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
