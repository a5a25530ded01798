//! In what two answers to the same read differ, and which of that still does at a second look.

use jackfield_reflect::{Shape, ValueDifference, ValueDifferenceKind, compare};
use serde_json::{Value, json};

use super::report::ShadowDifferenceKind;
use crate::{Error, ErrorKind, ErrorSource};

/// Differences that are looked for in one pair of answers. More say no more.
const MOST: usize = 100;

/// What came of a read.
#[derive(Debug)]
pub(super) enum Said {
    Answer(Value),
    Refused(Error),
}

/// In what two answers differ.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) pointer: String,
    /// The pointer without the indexes of lists.
    pub(super) place: String,
    pub(super) kind: ShadowDifferenceKind,
    pub(super) active: Option<Value>,
    pub(super) candidate: Option<Value>,
}

impl Found {
    /// One about the whole answer.
    fn whole(kind: ShadowDifferenceKind, active: Value, candidate: Value) -> Self {
        let (pointer, place) = Default::default();
        Self { pointer, place, kind, active: Some(active), candidate: Some(candidate) }
    }

    /// Whether another is the same. What an error says besides its kind and code may be worded anew each time.
    fn is_like(&self, other: &Self) -> bool {
        use ShadowDifferenceKind::{Answer, Error, OtherError};
        let about_errors = matches!(self.kind, Answer | Error | OtherError);
        let values = self.active == other.active && self.candidate == other.candidate;
        self.kind == other.kind && self.place == other.place && (about_errors || values)
    }
}

/// Whether a failure says nothing about the version: it was not asked, or asked too often.
pub(super) fn says_nothing(error: &Error) -> bool {
    error.source_of_fault == ErrorSource::Host || error.kind == ErrorKind::RateLimited
}

/// Whether a failure may be over the next time.
pub(super) fn may_pass(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Unavailable | ErrorKind::DeadlineExceeded)
}

/// In what the answers differ of the version that runs and of the other. `shape`: that of both, if they have the same.
pub(super) fn differences(shape: Option<&Shape>, active: &Said, candidate: &Said) -> Vec<Found> {
    match (active, candidate) {
        (Said::Answer(active), Said::Answer(candidate)) => {
            compare(shape, active, candidate, MOST).into_iter().map(found).collect()
        }
        (Said::Answer(active), Said::Refused(error)) => {
            vec![Found::whole(ShadowDifferenceKind::Error, active.clone(), told(error))]
        }
        (Said::Refused(error), Said::Answer(candidate)) => {
            vec![Found::whole(ShadowDifferenceKind::Answer, told(error), candidate.clone())]
        }
        (Said::Refused(active), Said::Refused(candidate)) => {
            let same =
                active.kind == candidate.kind && active.code == candidate.code && active.field == candidate.field;
            match same {
                true => Vec::new(),
                false => vec![Found::whole(ShadowDifferenceKind::OtherError, told(active), told(candidate))],
            }
        }
    }
}

/// Those of the first look that the second found too.
pub(super) fn still(first: Vec<Found>, second: &[Found]) -> Vec<Found> {
    first.into_iter().filter(|found| second.iter().any(|again| again.is_like(found))).collect()
}

fn found(difference: ValueDifference) -> Found {
    let ValueDifference { pointer, place, kind, first, second } = difference;
    let kind = match kind {
        ValueDifferenceKind::Value => ShadowDifferenceKind::Value,
        ValueDifferenceKind::Missing => ShadowDifferenceKind::Missing,
        ValueDifferenceKind::Extra => ShadowDifferenceKind::Extra,
        ValueDifferenceKind::Order => ShadowDifferenceKind::Order,
    };
    Found { pointer, place, kind, active: first, candidate: second }
}

fn told(error: &Error) -> Value {
    let mut told = json!({"kind": error.kind, "message": error.message});
    for (name, value) in [("code", &error.code), ("field", &error.field)] {
        if let Some(value) = value {
            told[name] = value.as_str().into();
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: Value) -> Said {
        Said::Answer(value)
    }

    fn refused(kind: ErrorKind, message: &str) -> Said {
        Said::Refused(Error::new(kind, ErrorSource::Downstream, message))
    }

    /// What is found where the version that runs answers so first and so once more.
    fn looked_twice(first: Said, candidate: &Said, again: &Said) -> Vec<Found> {
        still(differences(None, &first, candidate), &differences(None, again, candidate))
    }

    #[test]
    fn what_changed_in_the_outside_system_is_no_difference_and_what_differs_all_the_same_is_one() {
        let found = looked_twice(answer(json!(1)), &answer(json!(2)), &answer(json!(2)));
        assert_eq!(found, [], "it was changed before the other version asked");
        let found = looked_twice(answer(json!(1)), &answer(json!(2)), &answer(json!(3)));
        assert_eq!(found, [], "it changes all the time");
        let both = looked_twice(
            answer(json!({"now": 1, "name": "a"})),
            &answer(json!({"now": 2, "name": "A"})),
            &answer(json!({"now": 3, "name": "a"})),
        );
        assert_eq!(both.iter().map(|found| found.pointer.as_str()).collect::<Vec<_>>(), ["/name"]);
    }

    #[test]
    fn an_element_that_is_missing_is_found_in_a_list_that_grows_meanwhile() {
        let found =
            looked_twice(answer(json!(["b", "c"])), &answer(json!(["a", "b"])), &answer(json!(["a", "b", "c"])));
        let told: Vec<_> = found.iter().map(|found| (found.kind, found.active.clone())).collect();
        assert_eq!(told, [(ShadowDifferenceKind::Missing, Some(json!("c")))]);
    }

    #[test]
    fn failures_differ_by_kind_and_code_and_not_by_how_they_are_worded() {
        let missing = || refused(ErrorKind::NotFound, "no `a`");
        assert_eq!(differences(None, &missing(), &refused(ErrorKind::NotFound, "`a` is not there")), []);
        let found = looked_twice(missing(), &refused(ErrorKind::Invalid, "no"), &refused(ErrorKind::NotFound, "none"));
        assert_eq!(found[0].kind, ShadowDifferenceKind::OtherError);
        assert_eq!(found[0].active, Some(json!({"kind": "not-found", "message": "no `a`"})));
        let found = looked_twice(answer(json!(1)), &missing(), &answer(json!(2)));
        assert_eq!(found[0].kind, ShadowDifferenceKind::Error, "whatever the answer was");
        assert_eq!(looked_twice(answer(json!(1)), &missing(), &missing()), [], "it is gone for both");
        let found = looked_twice(missing(), &answer(json!(1)), &missing());
        assert_eq!(found[0].kind, ShadowDifferenceKind::Answer);
    }
}
