//! Requests answered from a cassette. Nothing is sent, and nothing is made up.
//!
//! Strictly, what an operation asks of an endpoint is answered in the order that was recorded, and each request must be the
//! one that was: a test that passes shows that a plugin asks what it asked then. By the best match, times and the order may
//! differ, and a request may come as often as it likes; another method or path never matches. What the host asks by a schedule
//! of its own is answered by the best match in any case: how often that is lies with nobody who replays.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    Answer, Asked, Cassette, CassetteError, Content, End, Exchange, Label, ReplayError, Reply, likeness::Wanted,
};
use crate::{GatewayError, Needles, Request};

/// What the host asks of its own accord.
const SCHEDULED: &str = "lifecycle.check-health";
/// The most that an error shows of a request, in characters.
const SHOWN: usize = 120;

/// How requests are found in a cassette.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Match {
    /// In the order that was recorded, each the same as it was.
    #[default]
    Strict,
    /// By method and path, then by the likest query and body.
    Best,
}

/// A cassette that is replayed.
pub struct Player {
    path: PathBuf,
    matching: Match,
    cassette: Cassette,
    /// By endpoint and operation, in the order in which they were asked.
    turns: HashMap<(String, String), Vec<usize>>,
    /// By endpoint, method and path.
    alike: HashMap<(String, String, String), Vec<usize>>,
    state: Mutex<State>,
}

struct State {
    /// How many of each turn were replayed.
    next: HashMap<(String, String), usize>,
    /// How often each exchange was.
    uses: Vec<u64>,
}

/// What a request is answered.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) line: usize,
    pub(crate) host: String,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) end: End,
}

impl Player {
    /// Reads a cassette, to replay it.
    pub fn load(path: &Path, matching: Match) -> Result<Self, CassetteError> {
        Ok(Self::of(path, Cassette::load(path)?, matching))
    }

    /// Replays a cassette that was read already.
    pub fn of(path: &Path, cassette: Cassette, matching: Match) -> Self {
        let mut order: Vec<usize> = (0..cassette.exchanges.len()).collect();
        order.sort_by_key(|index| cassette.exchanges.get(*index).map(|exchange| exchange.number));
        let mut turns: HashMap<_, Vec<usize>> = HashMap::new();
        let mut alike: HashMap<_, Vec<usize>> = HashMap::new();
        for index in order {
            let Some(exchange) = cassette.exchanges.get(index) else { continue };
            let Exchange { endpoint, operation, request, .. } = exchange;
            turns.entry((endpoint.clone(), operation.clone())).or_default().push(index);
            let key = (endpoint.clone(), request.method.clone(), request.path().to_owned());
            alike.entry(key).or_default().push(index);
        }
        let state = State { next: HashMap::new(), uses: vec![0; cassette.exchanges.len()] };
        Self { path: path.to_owned(), matching, cassette, turns, alike, state: Mutex::new(state) }
    }

    /// Of what the cassette is.
    pub fn label(&self) -> &Label {
        &self.cassette.label
    }

    /// Whether the cassette has everything that there was to record.
    pub fn is_complete(&self) -> bool {
        self.cassette.complete
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How requests are found in it.
    pub fn matching(&self) -> Match {
        self.matching
    }

    /// Fails where it was recorded of another plugin. Another version of the same may well be what is tried out.
    pub fn judge(&self, plugin: &str) -> Result<(), CassetteError> {
        let Label { plugin: recorded, .. } = self.label();
        match recorded == plugin {
            true => Ok(()),
            false => Err(CassetteError::Other {
                path: self.path.clone(),
                what: "the plugin",
                found: recorded.clone(),
                wanted: plugin.to_owned(),
            }),
        }
    }

    /// What a request is answered.
    pub(crate) fn answer(&self, request: &Request, target: &str, needles: &Needles) -> Result<Played, GatewayError> {
        // Looked through like what was recorded: what was redacted then is redacted now.
        let asked = Asked::of(request, target, needles, usize::MAX);
        let endpoint = &request.endpoint;
        let found = match self.matching {
            Match::Strict if *request.operation != *SCHEDULED => self.next(endpoint, &request.operation, &asked),
            _ => self.likest(endpoint, &asked),
        };
        let replay = |reason| GatewayError::Replay { endpoint: endpoint.clone(), reason };
        let (line, exchange) = found.map_err(replay)?;
        let Reply { host, status, headers, body, end } = match &exchange.answer {
            Answer::Response(reply) => reply.clone(),
            Answer::Failure(failure) => return Err(failure.again(endpoint)),
            Answer::GivenUp => return Err(replay(ReplayError::GivenUp { line })),
        };
        match body {
            Content::Bytes(body) => Ok(Played { line, host, status, headers, body, end }),
            Content::TooLong(len) => Err(replay(ReplayError::TooLong { line, what: "response", len })),
        }
    }

    /// The next exchange of an operation, which must be the one that is asked for. One that is not is asked for again.
    fn next(&self, endpoint: &str, operation: &str, asked: &Asked) -> Result<(usize, &Exchange), ReplayError> {
        let key = (endpoint.to_owned(), operation.to_owned());
        let turn = self.turns.get(&key).map(Vec::as_slice).unwrap_or_default();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let next = state.next.entry(key).or_default();
        let index = turn.get(*next).copied();
        let Some((index, exchange)) = index.and_then(|index| Some((index, self.cassette.exchanges.get(index)?))) else {
            let (operation, recorded) = (operation.to_owned(), turn.len());
            return Err(ReplayError::Exhausted { operation, recorded, came: shown(asked) });
        };
        let line = index + 2;
        same(line, &exchange.request, asked)?;
        *next += 1;
        Ok((line, exchange))
    }

    /// The exchange that is likest to what is asked for; of several that are equally so, the one that was used least.
    fn likest(&self, endpoint: &str, asked: &Asked) -> Result<(usize, &Exchange), ReplayError> {
        let key = (endpoint.to_owned(), asked.method.clone(), asked.path().to_owned());
        let alike = self.alike.get(&key).map(Vec::as_slice).unwrap_or_default();
        let wanted = Wanted::new(asked);
        let ranked: Vec<_> = alike
            .iter()
            .filter_map(|index| Some((*index, self.cassette.exchanges.get(*index)?)))
            .map(|(index, exchange)| (wanted.likeness(&asked.body, &exchange.request), index, exchange))
            .collect();
        let best = ranked.iter().map(|(likeness, ..)| *likeness).max();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let uses = |state: &State, index: usize| state.uses.get(index).copied().unwrap_or_default();
        let likest = ranked.into_iter().filter(|(likeness, ..)| Some(*likeness) == best);
        let (_, index, exchange) = likest
            .enumerate()
            .min_by_key(|(place, (_, index, _))| (uses(&state, *index), *place))
            .map(|(_, found)| found)
            .ok_or_else(|| ReplayError::Nothing { came: shown(asked) })?;
        if let Some(uses) = state.uses.get_mut(index) {
            *uses += 1;
        }
        Ok((index + 2, exchange))
    }
}

/// Fails where what is asked is not what was recorded, and says in what it differs.
fn same(line: usize, recorded: &Asked, asked: &Asked) -> Result<(), ReplayError> {
    let differs = |what, expected: &str, came: &str| {
        Err(ReplayError::Differs { line, what, expected: cut(expected), came: cut(came) })
    };
    if recorded.method != asked.method {
        return differs("method", &shown(recorded), &shown(asked));
    }
    if recorded.target != asked.target {
        return differs("path and query", &recorded.target, &asked.target);
    }
    let header =
        |pair: Option<&(String, String)>| pair.map_or("none".to_owned(), |(name, value)| format!("{name}: {value}"));
    let most = recorded.headers.len().max(asked.headers.len());
    for index in 0..most {
        let (a, b) = (recorded.headers.get(index), asked.headers.get(index));
        if a != b {
            return differs("header", &header(a), &header(b));
        }
    }
    match (&recorded.body, &asked.body) {
        (Content::TooLong(len), _) => Err(ReplayError::TooLong { line, what: "request", len: *len }),
        (Content::Bytes(a), Content::Bytes(b)) if a != b => {
            let at = a.iter().zip(b).take_while(|(a, b)| a == b).count();
            // A little of what is the same tells where it is.
            let from = at.saturating_sub(20);
            let around = |bytes: &Bytes| String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).into_owned();
            differs("body", &around(a), &around(b))
        }
        _ => Ok(()),
    }
}

fn shown(asked: &Asked) -> String {
    cut(&format!("{} {}", asked.method, asked.target))
}

fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}

impl std::fmt::Debug for Player {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Player").field("path", &self.path).field("matching", &self.matching).finish_non_exhaustive()
    }
}
