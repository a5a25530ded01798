//! What is counted of a rehearsal, and which differences are kept: as many places as an operator can read, each with the latest
//! values that were found there.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    answers::Found,
    report::{ShadowCounts, ShadowDifference, ShadowOperation},
};
use crate::TimestampMs;

/// Differences that are kept of all operations.
const KEPT: usize = 50;
/// Of one read.
const KEPT_OF_ONE: usize = 10;
/// The longest value that is kept whole, in bytes of JSON.
const LONGEST: usize = 400;
/// The longest reason, in characters.
const LONGEST_REASON: usize = 300;

/// What came of a read.
#[derive(Debug)]
pub(super) enum Look {
    Equal,
    Different(Vec<Found>),
    ChangedMeanwhile,
    /// There was nothing to compare, and why.
    Failed(String),
    Dropped,
}

/// What came of all reads so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    operations: BTreeMap<String, (ShadowCounts, Option<String>)>,
    /// With the place by which each is known again.
    differences: Vec<(String, ShadowDifference)>,
    forgotten: u64,
}

impl Tally {
    /// Counts a read of an operation. Whether it is the first of all that differs.
    pub(super) fn add(&mut self, operation: &str, look: Look, now: TimestampMs) -> bool {
        let first = self.total().different == 0;
        let (counts, failure) = self.operations.entry(operation.to_owned()).or_default();
        match look {
            Look::Equal => (counts.compared, counts.equal) = (counts.compared + 1, counts.equal + 1),
            Look::ChangedMeanwhile => {
                (counts.compared, counts.changed_meanwhile) = (counts.compared + 1, counts.changed_meanwhile + 1);
            }
            Look::Failed(why) => {
                counts.failed += 1;
                *failure = Some(why.chars().take(LONGEST_REASON).collect());
            }
            Look::Dropped => counts.dropped += 1,
            Look::Different(found) => {
                (counts.compared, counts.different) = (counts.compared + 1, counts.different + 1);
                self.forgotten += found.len().saturating_sub(KEPT_OF_ONE) as u64;
                found.into_iter().take(KEPT_OF_ONE).for_each(|found| self.keep(operation, found, now));
                return first;
            }
        }
        false
    }

    fn keep(&mut self, operation: &str, found: Found, now: TimestampMs) {
        let Found { pointer, place, kind, active, candidate } = found;
        let (active, candidate) = (active.map(bounded), candidate.map(bounded));
        let known = self.differences.iter().position(|(known, difference)| {
            *known == place && difference.kind == kind && difference.operation == operation
        });
        let before = known.map(|at| self.differences.remove(at).1);
        if self.differences.len() >= KEPT {
            self.forgotten += self.differences.pop().map_or(0, |(_, oldest)| oldest.count);
        }
        let difference = ShadowDifference {
            operation: operation.to_owned(),
            pointer,
            kind,
            active,
            candidate,
            count: before.as_ref().map_or(0, |before| before.count) + 1,
            first_at: before.map_or(now, |before| before.first_at),
            last_at: now,
        };
        self.differences.insert(0, (place, difference));
    }

    /// What came of all operations' reads.
    pub(super) fn total(&self) -> ShadowCounts {
        let add = |sum: ShadowCounts, (one, _): &(ShadowCounts, Option<String>)| ShadowCounts {
            compared: sum.compared + one.compared,
            equal: sum.equal + one.equal,
            different: sum.different + one.different,
            changed_meanwhile: sum.changed_meanwhile + one.changed_meanwhile,
            failed: sum.failed + one.failed,
            dropped: sum.dropped + one.dropped,
        };
        self.operations.values().fold(ShadowCounts::default(), add)
    }

    /// The same by operation.
    pub(super) fn operations(&self) -> Vec<ShadowOperation> {
        let one = |(operation, (reads, failure)): (&String, &(ShadowCounts, Option<String>))| ShadowOperation {
            operation: operation.clone(),
            reads: *reads,
            last_failure: failure.clone(),
        };
        self.operations.iter().map(one).collect()
    }

    /// The differences that are kept, the latest first, and how many more there were.
    pub(super) fn differences(&self) -> (Vec<ShadowDifference>, u64) {
        (self.differences.iter().map(|(_, difference)| difference.clone()).collect(), self.forgotten)
    }
}

/// A value that is short, or the beginning of its text.
fn bounded(value: Value) -> Value {
    let mut text = value.to_string();
    if text.len() <= LONGEST {
        return value;
    }
    text.truncate(text.floor_char_boundary(LONGEST));
    text.push('…');
    Value::String(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ShadowDifferenceKind;

    fn found(pointer: &str, place: &str, value: Value) -> Found {
        let (pointer, place) = (pointer.to_owned(), place.to_owned());
        Found { pointer, place, kind: ShadowDifferenceKind::Value, active: Some(value), candidate: Some(json!(0)) }
    }

    #[test]
    fn reads_are_counted_by_what_came_of_them_and_only_the_first_difference_is_the_first() {
        let mut tally = Tally::default();
        assert!(!tally.add("a.get", Look::Equal, 1));
        assert!(tally.add("a.get", Look::Different(vec![found("/x", "/x", json!(1))]), 2));
        assert!(!tally.add("a.list", Look::Different(vec![found("/x", "/x", json!(1))]), 3));
        assert!(!tally.add("a.list", Look::ChangedMeanwhile, 4));
        assert!(!tally.add("a.list", Look::Failed("gone".into()), 5));
        assert!(!tally.add("a.list", Look::Dropped, 6));
        let expected =
            ShadowCounts { compared: 4, equal: 1, different: 2, changed_meanwhile: 1, failed: 1, dropped: 1 };
        assert_eq!(tally.total(), expected);
        let list = &tally.operations()[1];
        assert_eq!((list.operation.as_str(), list.last_failure.as_deref()), ("a.list", Some("gone")));
    }

    #[test]
    fn the_same_place_is_listed_once_with_what_was_found_there_last_and_there_are_only_so_many_places() {
        let mut tally = Tally::default();
        tally.add("a.list", Look::Different(vec![found("/0/x", "/*/x", json!(1))]), 1);
        tally.add("a.list", Look::Different(vec![found("/7/x", "/*/x", json!(2))]), 2);
        let (kept, _) = tally.differences();
        let [one] = &kept[..] else { panic!("{kept:?}") };
        assert_eq!((one.pointer.as_str(), one.count, one.first_at, one.last_at), ("/7/x", 2, 1, 2));
        assert_eq!(one.active, Some(json!(2)));
        for number in 0..KEPT {
            let place = format!("/{number}");
            tally.add("a.get", Look::Different(vec![found(&place, &place, json!(1))]), 3);
        }
        let (kept, forgotten) = tally.differences();
        assert_eq!((kept.len(), forgotten), (KEPT, 2), "the oldest place was found twice");
        assert_eq!(kept[0].pointer, format!("/{}", KEPT - 1));
    }

    #[test]
    fn a_long_value_is_kept_as_its_beginning() {
        let mut tally = Tally::default();
        tally.add("a.get", Look::Different(vec![found("", "", json!("ü".repeat(5_000)))]), 1);
        let text = tally.differences().0[0].active.clone().unwrap();
        let text = text.as_str().unwrap();
        assert!(text.len() <= LONGEST + 4 && text.ends_with('…'), "{text}");
    }
}
