//! Which integrations are recorded, and which replayed. That is said where the host is started, by name and file, and by
//! nobody who only uses it: a file is written, or what looks like an outside system is not one.
//!
//! A replayed integration says so wherever it is seen: in what it tells of itself, in its health, in the log, and in the
//! record of each request. Its writes are not journalled, since none is carried out: the journal would go on answering them
//! when the outside system is there again.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use jackfield_gateway::{CassetteError, Gateway, Known, Label, Match, Player, RecordLimits, Recorder};

use crate::{CassetteInfo, CassetteUse, Error, Result};

/// What is to be done with integrations' traffic, as it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) record: Vec<(String, PathBuf)>,
    pub(crate) replay: Vec<(String, PathBuf, Match)>,
}

/// The cassettes by the integrations' names.
#[derive(Debug, Default)]
pub(crate) struct Cassettes(BTreeMap<String, Arc<Tape>>);

/// What is done with the traffic of one integration, through all its changes.
#[derive(Debug)]
pub(crate) enum Tape {
    /// It is recorded, once it is known what with: the plugin stands in the cassette's first line.
    Record(PathBuf, Mutex<Option<Arc<Recorder>>>),
    /// It is replayed.
    Replay(Arc<Player>),
}

impl Wanted {
    /// Reads what is to be replayed. It waits for the disk.
    pub(crate) fn load(self) -> Result<Cassettes> {
        let mut tapes = BTreeMap::new();
        let recorded = self.record.into_iter().map(|(name, path)| Ok((name, Tape::Record(path, Mutex::default()))));
        let replayed = self.replay.into_iter().map(|(name, path, matching)| {
            let player = Player::load(&path, matching).map_err(|error| unusable(&error))?;
            Ok((name, Tape::Replay(Arc::new(player))))
        });
        for tape in recorded.chain(replayed) {
            let (name, tape) = tape?;
            match tapes.entry(name) {
                Entry::Vacant(place) => place.insert(Arc::new(tape)),
                Entry::Occupied(place) => {
                    let name = place.key();
                    let message =
                        format!("`{name}` is to be recorded or replayed more than once; name one cassette for it");
                    return Err(Error::invalid(message));
                }
            };
        }
        Ok(Cassettes(tapes))
    }
}

impl Cassettes {
    /// What is done with an integration's traffic.
    pub(crate) fn of(&self, name: &str) -> Option<Arc<Tape>> {
        self.0.get(name).cloned()
    }

    /// The integrations that are named.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Ends all recording. It waits for the disk.
    pub(crate) fn close(&self) {
        for tape in self.0.values() {
            if let Tape::Record(_, recorder) = &**tape {
                let recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner).clone();
                recorder.inspect(|recorder| recorder.close());
            }
        }
    }
}

impl Tape {
    /// The gateway with what is to stand before it. `trying`: it serves to try a credential out, which is no traffic of the
    /// integration's yet.
    pub(crate) fn put_into(&self, gateway: Gateway, label: Label, known: &Arc<Known>, trying: bool) -> Result<Gateway> {
        match self {
            Self::Replay(player) => {
                player.judge(&label.plugin).map_err(|error| unusable(&error))?;
                Ok(gateway.replayed_by(player.clone()))
            }
            Self::Record(..) if trying => Ok(gateway),
            Self::Record(path, recorder) => {
                let mut recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(recorder) = &*recorder {
                    recorder.judge(&label).map_err(|error| unusable(&error))?;
                    return Ok(gateway.recorded_by(recorder.clone()));
                }
                let opened = Recorder::open(path, label, known.clone(), RecordLimits::default());
                let opened = Arc::new(opened.map_err(|error| unusable(&error))?);
                Ok(gateway.recorded_by(recorder.insert(opened).clone()))
            }
        }
    }

    /// Whether answers come from a cassette.
    pub(crate) fn replays(&self) -> bool {
        matches!(self, Self::Replay(_))
    }

    /// What is told of it.
    pub(crate) fn info(&self) -> CassetteInfo {
        match self {
            Self::Record(path, recorder) => {
                let recorder = recorder.lock().unwrap_or_else(PoisonError::into_inner);
                CassetteInfo {
                    used: CassetteUse::Record,
                    file: path.display().to_string(),
                    matching: None,
                    complete: recorder.as_ref().is_none_or(|recorder| recorder.is_complete()),
                }
            }
            Self::Replay(player) => CassetteInfo {
                used: CassetteUse::Replay,
                file: player.path().display().to_string(),
                matching: Some(player.matching()),
                complete: player.is_complete(),
            },
        }
    }
}

fn unusable(error: &CassetteError) -> Error {
    Error::invalid(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integration_has_one_cassette() {
        let file = || ("prom".to_owned(), PathBuf::from("c"));
        let error = Wanted { record: vec![file(), file()], replay: Vec::new() }.load().unwrap_err();
        assert!(error.message.contains("more than once"), "{error}");
        assert!(Wanted { record: vec![file()], replay: Vec::new() }.load().is_ok());
    }

    #[test]
    fn what_is_to_be_replayed_is_read_before_anything_runs() {
        let replay = vec![("prom".to_owned(), PathBuf::from("no-such-file"), Match::Strict)];
        let error = Wanted { record: Vec::new(), replay }.load().unwrap_err();
        assert!(error.message.contains("no-such-file"), "{error}");
    }
}
