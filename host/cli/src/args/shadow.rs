//! `jackfield integration shadow …`

use clap::Args;

const SETTINGS: &str = "Settings";

/// Rehearse an upgrade: read through both versions, and tell in what they differ
///
/// With --to a version is started beside the one that runs, and what callers read from now on is read through both. Callers are
/// answered by the version that runs and wait for nothing; writes and change feeds are not rehearsed. Without --to it shows what was
/// found. It ends with --stop, by itself after a while, and when what runs changes; `integration upgrade` then switches to
/// the version that is rehearsed, with its settings.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  jackfield integration shadow prod-etcd --to 0.2.0 --for 1h
  jackfield integration shadow prod-etcd
  jackfield integration shadow prod-etcd --exit-code && jackfield integration upgrade prod-etcd
  jackfield integration shadow prod-etcd --stop")]
pub(crate) struct ShadowArgs {
    /// The integration
    pub(crate) name: String,

    /// Rehearse this version, an older one perhaps
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<semver::Version>,

    /// A setting for that version, typed by its schema, over its migrated configuration; as with `add`
    #[arg(long = "set", value_name = "K=V", requires = "to", help_heading = SETTINGS)]
    pub(crate) set: Vec<String>,

    /// A setting that the version is to do without
    #[arg(long, value_name = "K", requires = "to", help_heading = SETTINGS)]
    pub(crate) unset: Vec<String>,

    /// Settings for that version, as a JSON merge patch: JSON, `@file` or `-`; --set goes over it
    #[arg(long, value_name = "JSON", requires = "to", help_heading = SETTINGS)]
    pub(crate) config: Option<String>,

    /// How long, at most a day [default: 10m]
    #[arg(long = "for", value_name = "TIME", requires = "to", value_parser = super::parse::duration)]
    pub(crate) time: Option<std::time::Duration>,

    /// Try everything, begin nothing
    #[arg(long, requires = "to")]
    pub(crate) dry_run: bool,

    /// Do not ask the outside system how it is with that version
    #[arg(long, requires = "to")]
    pub(crate) unchecked: bool,

    /// End the rehearsal, and show what it has found
    #[arg(long, conflicts_with = "to")]
    pub(crate) stop: bool,

    /// Wait until what was read is compared, and exit with 1 where answers differed
    #[arg(long, conflicts_with = "to")]
    pub(crate) exit_code: bool,
}
