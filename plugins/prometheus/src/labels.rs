//! Label sets: their order, their fingerprint, and whether matchers hold for them.

use std::cmp::Ordering;

use jackfield_sdk::matchers::{self, Op};
use jackfield_sdk::prelude::*;
use regex_lite::Regex;

/// The order of label sets: label by label, the name before the value.
pub(crate) fn compare(one: &[Label], other: &[Label]) -> Ordering {
    let differ = one.iter().zip(other).find(|(a, b)| a != b);
    differ.map_or(one.len().cmp(&other.len()), |(a, b)| a.name.cmp(&b.name).then_with(|| a.value.cmp(&b.value)))
}

/// Prometheus's own fingerprint of labels that are sorted by name (FNV-1a, 64 bits): the id that Alertmanager gives an
/// alert with these labels.
pub(crate) fn fingerprint(labels: &[Label]) -> String {
    let parts = labels.iter().flat_map(|label| [&label.name, &label.value]);
    let bytes = parts.flat_map(|part| part.bytes().chain([0xff]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// Matchers that must all hold.
pub(crate) struct Matchers(Vec<(String, Test)>);

enum Test {
    Is(String),
    IsNot(String),
    Matches(Regex),
    MatchesNot(Regex),
}

impl Matchers {
    /// Reads matchers; `field` is the pointer to their list.
    pub(crate) fn parse(texts: &[String], field: &str) -> Result<Self> {
        let tests = matchers::parse_all(texts, field)?.into_iter().enumerate().map(|(index, matcher)| {
            let regex = |pattern: &str| {
                // On its own first: `a)|(b` is no expression, although the anchors would make one of it.
                Regex::new(pattern).and_then(|_| Regex::new(&format!("^(?:{pattern})$"))).map_err(|e| {
                    Error::invalid(
                        format!("{field}/{index}"),
                        format!("`{pattern}` is not a regular expression that is understood here: {e}"),
                    )
                })
            };
            let test = match matcher.op {
                Op::Equal => Test::Is(matcher.value),
                Op::NotEqual => Test::IsNot(matcher.value),
                Op::Matches => Test::Matches(regex(&matcher.value)?),
                Op::MatchesNot => Test::MatchesNot(regex(&matcher.value)?),
            };
            Ok((matcher.name, test))
        });
        Ok(Self(tests.collect::<Result<_>>()?))
    }

    /// Whether all hold. A label that is not there has the empty value.
    pub(crate) fn hold(&self, labels: &[Label]) -> bool {
        self.0.iter().all(|(name, test)| {
            let value = labels.iter().find(|label| label.name == *name).map_or("", |label| label.value.as_str());
            match test {
                Test::Is(wanted) => value == wanted,
                Test::IsNot(wanted) => value != wanted,
                Test::Matches(regex) => regex.is_match(value),
                Test::MatchesNot(regex) => !regex.is_match(value),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Vec<Label> {
        pairs.iter().map(|(name, value)| label(*name, *value)).collect()
    }

    #[test]
    fn an_alerts_fingerprint_is_the_one_alertmanager_gives_it() {
        let labels = labels(&[("alertname", "AlwaysFiring"), ("severity", "critical"), ("team", "db")]);
        assert_eq!(fingerprint(&labels), "481a0455de5f1f75");
    }

    #[test]
    fn all_matchers_must_hold_and_a_missing_label_is_empty() {
        let set = labels(&[("severity", "critical"), ("team", "db")]);
        for (texts, holds) in [
            (vec![], true),
            (vec!["severity=\"critical\"", "team=~\"db|infra\""], true),
            (vec!["severity=\"critical\"", "team=~\"d\""], false),
            (vec!["team!~\"d.*\""], false),
            (vec!["zone=\"\""], true),
            (vec!["zone!=\"a\""], true),
            (vec!["zone=~\".+\""], false),
            (vec!["team=~\"x|\""], false),
        ] {
            let texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
            assert_eq!(Matchers::parse(&texts, "").unwrap().hold(&set), holds, "{texts:?}");
        }
    }

    #[test]
    fn a_regular_expression_that_is_none_is_refused_where_it_stands() {
        let error = Matchers::parse(&["a=\"b\"".into(), "a=~\"b)|(c\"".into()], "/filter/matchers").err().unwrap();
        assert!(matches!(&error.kind, ErrorKind::Invalid(at) if at.field == "/filter/matchers/1"));
    }

    #[test]
    fn label_sets_are_ordered_label_by_label() {
        let sets = [labels(&[]), labels(&[("a", "1")]), labels(&[("a", "1"), ("b", "1")]), labels(&[("a", "2")])];
        assert!(sets.windows(2).all(|pair| compare(&pair[0], &pair[1]) == Ordering::Less));
        assert_eq!(compare(&sets[2], &sets[2]), Ordering::Equal);
    }
}
