//! The trades: who does what, how many of them there are, and how long they pause. An action fails with what was not to be
//! expected; each takes some seconds at most, so that a rest need not wait for long.

mod leaver;
mod operator;
mod user;
mod wrecker;

use std::ops::Range;

use super::{random::Random, site::Site};

/// Something that is done, and its name.
pub(super) type Action = (&'static str, fn(&Site, &mut Random) -> Result<(), String>);

/// A trade.
#[derive(Debug)]
pub(super) struct Trade {
    pub(super) workers: usize,
    /// After each action, in milliseconds.
    pub(super) pause: Range<u64>,
    pub(super) actions: &'static [Action],
}

/// All of them.
pub(super) const TRADES: [Trade; 4] = [
    Trade { workers: 3, pause: 10..60, actions: user::ACTIONS },
    Trade { workers: 2, pause: 30..200, actions: wrecker::ACTIONS },
    Trade { workers: 2, pause: 20..120, actions: leaver::ACTIONS },
    // One, since two would change the same things against each other.
    Trade { workers: 1, pause: 50..300, actions: operator::ACTIONS },
];
