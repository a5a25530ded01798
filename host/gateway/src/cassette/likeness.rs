//! How like two requests are that have a method and a path in common: first by their queries, then by their bodies.
//!
//! What differs from one run to the next is mostly a time: `time=`, `start=`, `end=`. So names that are the same count less than
//! values, and values that could be times count less than words: of two recorded queries the one that asks for the same series
//! is nearer than the one that was asked at the same second.

use std::cmp::{Ordering, Reverse};

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Asked, Content};

/// Longer bodies are compared byte by byte only.
const LONGEST_PARSED: usize = 1 << 20;

/// How like two requests are; the greater the more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Likeness {
    query: Rank,
    body: Rank,
}

/// How like two lists of names with values are. The order of the members is the order in which they count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    same: Same,
    /// Values in common that are no times.
    words: usize,
    /// Values in common.
    values: usize,
    /// Names that one of the two has alone.
    strays: Reverse<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Same {
    /// They differ.
    #[default]
    No,
    /// They say the same.
    InMeaning,
    /// They are the same.
    ToTheByte,
}

/// A request, taken apart once to be compared with many.
pub(super) struct Wanted<'a> {
    query: &'a str,
    pairs: Vec<Pair>,
    body: Body,
}

type Pair = (String, String);

/// A body, as what it can be compared.
enum Body {
    Json(Value),
    Form(Vec<Pair>),
    Other,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(asked: &'a Asked) -> Self {
        Self { query: asked.query(), pairs: pairs(asked.query()), body: Body::of(&asked.body) }
    }

    /// How like what was recorded is to it.
    pub(super) fn likeness(&self, body: &Content, recorded: &Asked) -> Likeness {
        let query = match self.query == recorded.query() {
            true => Rank { same: Same::ToTheByte, ..Rank::default() },
            false => rank(&self.pairs, &pairs(recorded.query())),
        };
        let body = match (body, &recorded.body) {
            (Content::Bytes(a), Content::Bytes(b)) if a == b => Rank { same: Same::ToTheByte, ..Rank::default() },
            _ => match (&self.body, Body::of(&recorded.body)) {
                (Body::Json(a), Body::Json(b)) if *a == b => Rank { same: Same::InMeaning, ..Rank::default() },
                (Body::Json(a), Body::Json(b)) => rank(&members(a), &members(&b)),
                (Body::Form(a), Body::Form(b)) => rank(a, &b),
                _ => Rank::default(),
            },
        };
        Likeness { query, body }
    }
}

impl Body {
    fn of(content: &Content) -> Self {
        let Content::Bytes(bytes) = content else { return Self::Other };
        if bytes.is_empty() || bytes.len() > LONGEST_PARSED {
            return Self::Other;
        }
        match serde_json::from_slice(bytes) {
            Ok(value) => Self::Json(value),
            Err(_) => form(bytes).map_or(Self::Other, |text| Self::Form(pairs(text))),
        }
    }
}

/// The bytes as the text of a form.
fn form(bytes: &Bytes) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (text.contains('=') && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
}

/// The pairs of a query or a form, in order of their names and values.
fn pairs(text: &str) -> Vec<Pair> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut pairs: Vec<Pair> = pairs.map(|(name, value)| (decoded(name), decoded(value))).collect();
    pairs.sort();
    pairs
}

/// The members of an object; of anything else none.
fn members(value: &Value) -> Vec<Pair> {
    let members = value.as_object().into_iter().flatten();
    let mut pairs: Vec<Pair> = members.map(|(name, value)| (name.clone(), value.to_string())).collect();
    pairs.sort();
    pairs
}

/// Compares two lists that are in order.
fn rank(a: &[Pair], b: &[Pair]) -> Rank {
    if a == b {
        return Rank { same: Same::InMeaning, ..Rank::default() };
    }
    let mut rank = Rank::default();
    let common = in_both(a, b, Pair::cmp);
    rank.values = common.len();
    rank.words = common.iter().filter(|(_, value)| !may_be_a_time(value)).count();
    let names = in_both(a, b, |(a, _), (b, _)| a.cmp(b)).len();
    rank.strays = Reverse(a.len() + b.len() - 2 * names);
    rank
}

/// What of a list stands in another too, as often as it does in both. Both are in order.
fn in_both<'p>(a: &'p [Pair], b: &[Pair], compare: fn(&Pair, &Pair) -> Ordering) -> Vec<&'p Pair> {
    let (mut found, mut b) = (Vec::new(), b.iter().peekable());
    for pair in a {
        while b.next_if(|other| compare(other, pair).is_lt()).is_some() {}
        if b.next_if(|other| compare(other, pair).is_eq()).is_some() {
            found.push(pair);
        }
    }
    found
}

/// A number or a date.
fn may_be_a_time(value: &str) -> bool {
    value.bytes().any(|byte| byte.is_ascii_digit())
        && value.bytes().all(|byte| byte.is_ascii_digit() || b".:+-TZe\" ".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(target: &str, body: &str) -> Asked {
        let body = Content::Bytes(body.to_owned().into());
        Asked { method: "POST".into(), target: target.into(), headers: Vec::new(), body }
    }

    /// Which of some recorded ones is likest; the first of those that are equally so.
    fn likest(wanted: &Asked, recorded: &[Asked]) -> usize {
        let likeness = |recorded: &Asked| Wanted::new(wanted).likeness(&wanted.body, recorded);
        let best = recorded.iter().map(likeness).max();
        recorded.iter().position(|recorded| Some(likeness(recorded)) == best).unwrap()
    }

    fn by_query(wanted: &str, recorded: &[&str]) -> usize {
        let recorded: Vec<_> = recorded.iter().map(|query| asked(&format!("/q?{query}"), "")).collect();
        likest(&asked(&format!("/q?{wanted}"), ""), &recorded)
    }

    fn by_body(wanted: &str, recorded: &[&str]) -> usize {
        let recorded: Vec<_> = recorded.iter().map(|body| asked("/q", body)).collect();
        likest(&asked("/q", wanted), &recorded)
    }

    #[test]
    fn what_is_asked_counts_more_than_when_it_is_asked() {
        assert_eq!(
            by_query("query=up&time=1700000000", &["query=down&time=1700000000", "query=up&time=1600000000.5"]),
            1
        );
        assert_eq!(by_query("time=2023-11-14T22:13:20Z&query=a", &["query=b&time=2023-11-14T22:13:20Z", "query=a"]), 1);
        assert_eq!(by_body("query=up&time=5", &["query=down&time=5", "query=up&time=7"]), 1);
        assert_eq!(
            by_body(r#"{"query":"up","from":5}"#, &[r#"{"query":"down","from":5}"#, r#"{"query":"up","from":7}"#]),
            1
        );
    }

    #[test]
    fn the_same_is_nearer_than_what_means_the_same_and_that_than_what_is_alike() {
        assert_eq!(by_query("a=1&b=%32", &["a=1&b=3", "b=2&a=1", "a=1&b=%32"]), 2);
        assert_eq!(by_query("a=1&b=%32", &["a=1&b=3", "b=2&a=1"]), 1);
        assert_eq!(by_query("a=x&b=2", &["a=x&b=3&c=4", "a=x&b=3"]), 1);
        assert_eq!(by_body(r#"{"a":1,"b":[2]}"#, &[r#"{"a":1}"#, r#"{ "b": [2], "a": 1 }"#]), 1);
    }

    #[test]
    fn the_query_counts_before_the_body() {
        let recorded = [asked("/q?a=x", "other"), asked("/q?a=y", "same")];
        assert_eq!(likest(&asked("/q?a=x", "same"), &recorded), 0);
    }

    #[test]
    fn what_occurs_more_than_once_counts_as_often_as_in_both() {
        let pair = |name: &str| (name.to_owned(), "v".to_owned());
        let (a, b) = ([pair("a"), pair("a"), pair("b")], [pair("a"), pair("b"), pair("b")]);
        assert_eq!(in_both(&a, &b, Pair::cmp).len(), 2);
        assert_eq!(rank(&a, &b).strays, Reverse(2));
    }
}
