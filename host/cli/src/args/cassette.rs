//! `--record` and `--replay`: which integration's traffic goes to a file, or comes from one.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jackfield_core::{HostBuilder, Match};

use super::Pair;

const HEADING: &str = "Record and replay";

/// Those of a server, which has many integrations.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = HEADING)]
pub(crate) struct NamedCassetteArgs {
    /// Record what an integration asks and is answered; nothing secret is in the file
    #[arg(long, value_name = "NAME=FILE")]
    pub(crate) record: Vec<Pair>,

    /// Answer what an integration asks from a recording, and send nothing
    #[arg(long, value_name = "NAME=FILE")]
    pub(crate) replay: Vec<Pair>,

    /// How what is asked is found in a recording
    #[arg(long, value_enum, value_name = "HOW", default_value_t, requires = "replay")]
    pub(crate) replay_match: Matching,
}

/// Those of a command that asks one integration.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = HEADING)]
pub(crate) struct CassetteArgs {
    /// Record what the integration asks and is answered, where no server is used
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub(crate) record: Option<PathBuf>,

    /// Answer what the integration asks from a recording, where no server is used, and send nothing
    #[arg(long, value_name = "FILE")]
    pub(crate) replay: Option<PathBuf>,

    /// How what is asked is found in a recording
    #[arg(long, value_enum, value_name = "HOW", default_value_t, requires = "replay")]
    pub(crate) replay_match: Matching,
}

/// How requests are found in a recording.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Matching {
    /// In the order that was recorded, each the same as it was
    #[default]
    Strict,
    /// By method and path, then by the likest query and body
    Best,
}

/// What is to be recorded and replayed by a host in this process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cassettes {
    record: Vec<(String, PathBuf)>,
    replay: Vec<(String, PathBuf)>,
    matching: Matching,
}

impl Cassettes {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.record.is_empty() && self.replay.is_empty()
    }

    /// A host that records and replays them.
    pub(crate) fn of(&self, mut builder: HostBuilder) -> HostBuilder {
        for (name, file) in &self.record {
            builder = builder.record(name, file);
        }
        let matching = match self.matching {
            Matching::Strict => Match::Strict,
            Matching::Best => Match::Best,
        };
        for (name, file) in &self.replay {
            builder = builder.replay(name, file, matching);
        }
        builder
    }

    /// One sentence for each.
    pub(crate) fn told(&self) -> impl Iterator<Item = String> {
        let recorded = self.record.iter().map(|(name, file)| format!("`{name}` is recorded to {}", file.display()));
        let replayed = self.replay.iter().map(|(name, file)| {
            format!("`{name}` is REPLAYED from {}: its answers are recorded ones, and nothing is sent", file.display())
        });
        recorded.chain(replayed)
    }
}

impl From<&NamedCassetteArgs> for Cassettes {
    fn from(args: &NamedCassetteArgs) -> Self {
        let named = |pairs: &[Pair]| pairs.iter().map(|pair| (pair.name.clone(), pair.value.clone().into())).collect();
        Self { record: named(&args.record), replay: named(&args.replay), matching: args.replay_match }
    }
}

impl CassetteArgs {
    /// Those of this integration.
    pub(crate) fn of(&self, integration: &str) -> Cassettes {
        let named = |file: &Option<PathBuf>| file.iter().map(|file| (integration.to_owned(), file.clone())).collect();
        Cassettes { record: named(&self.record), replay: named(&self.replay), matching: self.replay_match }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::args::Cli;

    #[test]
    fn one_call_is_recorded_or_replayed_and_not_both() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("jackfield call prom metrics.query --record c").is_ok());
        assert!(parse("jackfield call prom metrics.query --replay c --replay-match best").is_ok());
        assert!(parse("jackfield call prom metrics.query --record c --replay c").is_err());
        assert!(parse("jackfield call prom metrics.query --replay-match best").is_err());
        assert!(parse("jackfield serve --record prom=c --record etcd=d --replay loki=e").is_ok());
        assert!(parse("jackfield serve --record c").is_err());
    }
}
