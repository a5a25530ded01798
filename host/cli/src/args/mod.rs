//! The command line: `jackfield <noun> <verb>`. What can be typed is declared here and nowhere else; help, man pages and
//! completions come from it. Every command's long help ends with examples.

mod audit;
mod call;
mod capability;
mod cassette;
mod credential;
mod desired;
mod grant;
mod integration;
mod issuer;
mod operation;
mod parse;
mod plugin;
mod registries;
mod registry;
mod serve;
mod shadow;
mod trust;
mod vault;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use audit::AuditVerb;
pub(crate) use call::{CallArgs, WatchArgs};
pub(crate) use capability::CapabilityVerb;
pub(crate) use cassette::{CassetteArgs, Cassettes, NamedCassetteArgs};
pub(crate) use credential::{AuthorizeArgs, CredentialVerb, FieldArgs, LeaseVerb, VaultGlobals};
pub(crate) use desired::{ApplyArgs, ExportArgs};
pub(crate) use grant::{GrantVerb, SetArgs as GrantSetArgs};
pub(crate) use integration::{AddArgs, EndpointArgs, IntegrationVerb, ListArgs, UpdateArgs, UpgradeArgs};
pub(crate) use issuer::{IssueArgs, IssuerArgs};
pub(crate) use operation::OperationVerb;
pub(crate) use parse::{Pair, ServerUrl};
pub(crate) use plugin::{
    ChoosingArgs, InstallArgs, LockArgs, PackArgs, PluginVerb, PushArgs, SignArgs, VerifyArgs, VouchingArgs,
};
pub(crate) use registries::{AddRegistryArgs, AdvisoriesArgs, BuildArgs, IndexSignerArgs, MirrorArgs, RegistryVerb};
pub(crate) use registry::RegistryGlobals;
pub(crate) use serve::{LogFormat, ServeArgs};
pub(crate) use shadow::ShadowArgs;
pub(crate) use trust::TrustVerb;
pub(crate) use vault::{KeyVerb, PassphraseArgs, SourceArgs, VaultVerb};

const EXAMPLES: &str = "\
Examples:
  jackfield serve
  jackfield plugin install playground.wasm
  jackfield integration add pg --plugin playground
  jackfield call pg key-value.put key=greeting value=hello
  jackfield call pg key-value.get key=greeting -o json
  jackfield watch pg key-value

Which API is used:
  --server (or JACKFIELD_SERVER), else the server that runs on the data folder,
  else none: the command opens the data folder itself for as long as it runs.

Exit codes:
  0  done
  1  the operation failed
  2  the command line is wrong
  3  no API could be reached";

/// Jackfield: sandboxed plugins for your infrastructure, behind one API
///
/// One host loads every integration as a sandboxed WebAssembly component behind a typed capability. This program serves
/// the host, manages plugins and integrations, and calls their operations.
#[derive(Debug, Parser)]
#[command(name = "jackfield", version, after_long_help = EXAMPLES, arg_required_else_help = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Globals {
    /// The API to use, e.g. http://127.0.0.1:7575
    #[arg(long, global = true, value_name = "URL", env = "JACKFIELD_SERVER", hide_env_values = true)]
    pub(crate) server: Option<ServerUrl>,

    /// The data folder [default: $XDG_DATA_HOME/jackfield or ~/.local/share/jackfield]
    #[arg(long, global = true, value_name = "DIR", env = "JACKFIELD_DATA", hide_env_values = true)]
    pub(crate) data: Option<PathBuf>,

    /// Where compiled plugins are kept [default: $XDG_CACHE_HOME/jackfield or ~/.cache/jackfield]
    #[arg(long, global = true, value_name = "DIR", env = "JACKFIELD_CACHE", hide_env_values = true)]
    pub(crate) cache: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) vault: VaultGlobals,

    #[command(flatten)]
    pub(crate) registry: RegistryGlobals,

    /// How to print answers; `json` is exactly what the API sent
    ///
    /// The default is `table`, on a terminal and in a pipe alike. With `json`, errors are the API's problem documents.
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,

    /// No colours; NO_COLOR does the same
    #[arg(long, global = true)]
    pub(crate) no_color: bool,

    /// Tell more on standard error; twice for still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The form of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// The API's own bytes
    Json,
    /// The same as YAML
    Yaml,
}

/// The nouns, and the verbs that need none.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(ServeArgs),
    /// Install, inspect, lock, list, show, remove, pack, push, pull, sign and verify plugins
    #[command(subcommand, visible_alias = "plugins")]
    Plugin(PluginVerb),
    /// Add, list, sync, search, mirror, build and remove registries of plugins
    #[command(subcommand, visible_alias = "registries")]
    Registry(RegistryVerb),
    Advisories(AdvisoriesArgs),
    /// Show and set whose signature plugins need
    #[command(subcommand)]
    Trust(TrustVerb),
    /// Add, list, show, check, update, upgrade, roll back and remove integrations
    #[command(subcommand, visible_alias = "integrations")]
    Integration(IntegrationVerb),
    /// List and show what can be called
    #[command(subcommand, visible_alias = "capabilities")]
    Capability(CapabilityVerb),
    /// Set, list, show, promote, roll back, revoke and delete credentials
    #[command(subcommand, visible_alias = "credentials")]
    Credential(CredentialVerb),
    /// Show, set and explain what integrations may send
    #[command(subcommand, visible_alias = "grants")]
    Grant(GrantVerb),
    /// Make, open and seal the vault that credentials are kept in
    #[command(subcommand)]
    Vault(VaultVerb),
    /// List and show writes, and settle those of unknown outcome
    #[command(subcommand, visible_alias = "operations")]
    Operation(OperationVerb),
    /// Show, export and verify what was done
    #[command(subcommand)]
    Audit(AuditVerb),
    Apply(ApplyArgs),
    Export(ExportArgs),
    Call(CallArgs),
    Watch(WatchArgs),
    /// Show how the host is, and what is not as it should be
    ///
    /// Exits with 1 when something does not work.
    #[command(after_long_help = "\
Examples:
  jackfield status
  jackfield status -o json | jq -r '.concerns[].message'")]
    Status,
    Events(EventsArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Show what happens in the host: plugins, integrations, health
///
/// Prints events from now on, until Ctrl-C. Events are not kept.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield events
  jackfield events -o json | jq .message")]
pub(crate) struct EventsArgs {
    /// How long to go on trying when the server goes away
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse::duration)]
    pub(crate) retry_for: std::time::Duration,
}

/// Print a script that completes commands in a shell
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield completions bash > ~/.local/share/bash-completion/completions/jackfield
  jackfield completions zsh > \"${fpath[1]}/_jackfield\"
  jackfield completions fish > ~/.config/fish/completions/jackfield.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Write the manual pages into a folder
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield man ~/.local/share/man/man1 && man jackfield-call")]
pub(crate) struct ManArgs {
    /// The folder, which is made where it is missing
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples_in_its_long_help() {
        fn check(command: &clap::Command) {
            if command.get_name() == "help" {
                return;
            }
            let mut verbs = command.get_subcommands().filter(|verb| verb.get_name() != "help").peekable();
            if verbs.peek().is_none() {
                let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Examples:"), "`{}` has no examples", command.get_name());
            }
            verbs.for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn the_output_format_may_stand_before_or_after_the_command() {
        for line in ["jackfield -o json plugin list", "jackfield plugin list -o json"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.globals.output, Some(Format::Json), "{line}");
        }
    }

    #[test]
    fn a_place_is_never_taken_for_the_lock_file() {
        let read = |line: &str| match Cli::try_parse_from(line.split(' ')) {
            Ok(Cli { command: Command::Plugin(PluginVerb::Install(args)), .. }) => Ok((args.place, args.lock.lock)),
            Ok(_) => panic!("not install"),
            Err(error) => Err(error.kind()),
        };
        let place = || Some("a.wasm".to_owned());
        assert_eq!(read("jackfield plugin install --lock a.wasm"), Ok((place(), Some("jackfield.lock".into()))));
        assert_eq!(read("jackfield plugin install a.wasm --lock=b"), Ok((place(), Some("b".into()))));
        assert_eq!(read("jackfield plugin install --locked"), Ok((None, None)));
        for wrong in ["--lock", "--locked --accept 00", "--locked --signature a.json"] {
            assert!(read(&format!("jackfield plugin install {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_output_of_pack_is_a_file() {
        let cli = Cli::try_parse_from(["jackfield", "plugin", "pack", "dir", "-o", "out.wasm"]).unwrap();
        assert_eq!(cli.globals.output, None);
        let Command::Plugin(PluginVerb::Pack(pack)) = cli.command else { panic!("not pack") };
        assert_eq!(pack.out, Some("out.wasm".into()));
    }
}
