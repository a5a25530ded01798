//! What of its grants an integration uses, and what it asks for beyond them: so that an operator knows what he can take away
//! and what he would have to allow.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Refused requests that are told apart: what a plugin asks for is the plugin's choice.
const MOST_REFUSED: usize = 64;
/// The longest that is kept of such a request, in characters.
const LONGEST: usize = 200;

/// Requests of an integration, counted by what they are.
#[derive(Debug, Default)]
pub struct Uses(Mutex<Counts>);

#[derive(Clone, Debug, Default)]
struct Counts {
    granted: BTreeMap<Use, u64>,
    refused: BTreeMap<Use, u64>,
    more_refused: u64,
}

/// Requests that are alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The endpoint's name.
    pub endpoint: String,
    /// The method.
    pub method: String,
    /// The pattern of the manifest that granted them; of a refused one its path.
    pub path: String,
}

impl Uses {
    fn with<R>(&self, use_them: impl FnOnce(&mut Counts) -> R) -> R {
        use_them(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts one that is sent.
    pub(crate) fn granted(&self, endpoint: &str, method: &str, pattern: &str) {
        let used = Use { endpoint: endpoint.into(), method: method.into(), path: pattern.into() };
        self.with(|counts| *counts.granted.entry(used).or_default() += 1);
    }

    /// Counts one that is refused, or would be.
    pub(crate) fn refused(&self, endpoint: &str, method: &str, path: &str) {
        let cut = |text: &str| text.chars().take(LONGEST).collect::<String>();
        let refused = Use { endpoint: cut(endpoint), method: cut(method), path: cut(path) };
        self.with(|counts| {
            if counts.refused.len() < MOST_REFUSED || counts.refused.contains_key(&refused) {
                *counts.refused.entry(refused).or_default() += 1;
            } else {
                counts.more_refused += 1;
            }
        });
    }

    /// Those that were sent to an endpoint, and how often.
    pub fn of_granted(&self, endpoint: &str) -> Vec<(Use, u64)> {
        self.with(|counts| of(&counts.granted, endpoint))
    }

    /// Those that were refused at an endpoint, or would have been, and how often.
    pub fn of_refused(&self, endpoint: &str) -> Vec<(Use, u64)> {
        self.with(|counts| of(&counts.refused, endpoint))
    }

    /// How many refused ones were not told apart, whichever the endpoint.
    pub fn more_refused(&self) -> u64 {
        self.with(|counts| counts.more_refused)
    }
}

fn of(counts: &BTreeMap<Use, u64>, endpoint: &str) -> Vec<(Use, u64)> {
    let all = counts.iter().filter(|(used, _)| used.endpoint == endpoint);
    all.map(|(used, count)| (used.clone(), *count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_makes_up_is_counted_and_takes_no_more_room() {
        let uses = Uses::default();
        for n in 0..1000 {
            uses.refused("api", "GET", &format!("/{n}/{}", "x".repeat(10_000)));
            uses.granted("api", "GET", "/v1/*");
        }
        let refused = uses.of_refused("api");
        assert_eq!(refused.len(), MOST_REFUSED);
        assert!(refused.iter().all(|(refused, _)| refused.path.len() <= LONGEST));
        assert_eq!(refused.iter().map(|(_, count)| count).sum::<u64>() + uses.more_refused(), 1000);
        let [(used, 1000)] = &uses.of_granted("api")[..] else { panic!("{:?}", uses.of_granted("api")) };
        assert_eq!(used.path, "/v1/*");
        assert!(uses.of_granted("other").is_empty());
    }
}
