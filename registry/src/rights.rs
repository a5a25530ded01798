//! What a plugin asks for, as one set that an operator accepts or refuses: requests to endpoints, limits beyond the host's
//! own, credentials that it makes, promises that the host will act on. Two versions of a plugin differ by what one asks for
//! beyond the other, and only that is asked about.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Serialize, Serializer};

use crate::{Digest, Limits, Manifest};

/// How much of a set's digest stands for the set, in hexadecimal digits.
const TOKEN_DIGITS: usize = 32;

/// One thing that a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", tag = "right")]
pub enum Right {
    /// To send requests to an endpoint.
    Send {
        /// The endpoint's name.
        endpoint: String,
        /// The configuration property that holds its address: another one is another place.
        address: String,
        /// A path pattern.
        path: String,
        /// A method.
        method: String,
    },
    /// To have a `POST` taken for one that changes nothing, where an operator allows only those.
    SafePost {
        /// The endpoint's name.
        endpoint: String,
        /// A path pattern.
        path: String,
    },
    /// To use more of something than a plugin may that asks for nothing.
    Limit {
        /// The limit's name, as in manifests.
        name: String,
        /// How much.
        value: u64,
    },
    /// To make credentials of a type.
    Issue {
        /// The type.
        credential: String,
    },
    /// To have writes sent again of which nobody knows what came: they have their effect once, it promises.
    SendAgain {
        /// `CAPABILITY.OPERATION` or `CAPABILITY.*`.
        writes: String,
    },
}

/// Everything that a plugin asks for, or a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights(BTreeSet<Right>);

impl Rights {
    /// What a manifest asks for. `given`: the limits of a plugin that asks for none.
    pub fn of(manifest: &Manifest, given: &Limits) -> Self {
        let mut rights = BTreeSet::new();
        for rule in &manifest.endpoints {
            for (path, method) in rule.paths.iter().flat_map(|path| rule.methods.iter().map(move |m| (path, m))) {
                rights.insert(Right::Send {
                    endpoint: rule.name.clone(),
                    address: rule.address.clone(),
                    path: path.clone(),
                    method: method.clone(),
                });
            }
            let safe = |path: &String| Right::SafePost { endpoint: rule.name.clone(), path: path.clone() };
            rights.extend(rule.safe_posts.iter().map(safe));
        }
        let given = given.by_name();
        let beyond = |(name, value): (String, u64)| {
            let more = given.get(&name).is_none_or(|given| value > *given);
            more.then_some(Right::Limit { name, value })
        };
        rights.extend(manifest.limits.by_name().into_iter().filter_map(beyond));
        rights.extend(manifest.plugin.issues.iter().map(|kind| Right::Issue { credential: kind.clone() }));
        rights.extend(manifest.writes.once_by_key.iter().map(|writes| Right::SendAgain { writes: writes.clone() }));
        Self(rights)
    }

    /// Those that none of some other sets covers.
    pub fn beyond<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> Self {
        let others: Vec<&Self> = others.into_iter().collect();
        let covered = |right: &&Right| others.iter().any(|other| other.0.iter().any(|held| held.covers(right)));
        Self(self.0.iter().filter(|right| !covered(right)).cloned().collect())
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them, in an order that depends on nothing else.
    pub fn iter(&self) -> impl Iterator<Item = &Right> {
        self.0.iter()
    }

    /// What stands for exactly this set of a plugin of this name, for whoever accepts it without being asked: 32 digits.
    pub fn token(&self, plugin: &str) -> String {
        // JSON is unambiguous, whatever a path looks like.
        let text = serde_json::to_vec(&(plugin, &self.0)).unwrap_or_default();
        Digest::of(&text).hex().chars().take(TOKEN_DIGITS).collect()
    }

    /// For a person: a line each, methods of one path together.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut sent: BTreeMap<(&str, &str, &str), Vec<&str>> = BTreeMap::new();
        for right in &self.0 {
            if let Right::Send { endpoint, address, path, method } = right {
                sent.entry((endpoint, address, path)).or_default().push(method);
            }
        }
        let send = |((endpoint, address, path), methods): ((&str, &str, &str), Vec<&str>)| {
            format!("send to `{endpoint}` (the address in `{address}`): {} {path}", methods.join(", "))
        };
        lines.extend(sent.into_iter().map(send));
        lines.extend(self.0.iter().filter(|right| !matches!(right, Right::Send { .. })).map(ToString::to_string));
        lines
    }
}

/// As [`Rights::lines`].
impl Serialize for Rights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.lines())
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send { endpoint, address, path, method } => {
                write!(f, "send to `{endpoint}` (the address in `{address}`): {method} {path}")
            }
            Self::SafePost { endpoint, path } => {
                write!(f, "send to `{endpoint}` although it is read-only: POST {path}")
            }
            Self::Limit { name, value } => write!(f, "use more than by default: {name} {value}"),
            Self::Issue { credential } => write!(f, "make credentials of type {credential}"),
            Self::SendAgain { writes } => {
                write!(f, "have writes sent again whose outcome is unknown: {writes}")
            }
        }
    }
}

impl Right {
    /// Whether whoever has this one needs no other to do that.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Send { endpoint, address, path, method },
                Self::Send { endpoint: to, address: at, path: wanted, method: by },
            ) => endpoint == to && address == at && method == by && holds(path, wanted),
            (Self::SafePost { endpoint, path }, Self::SafePost { endpoint: to, path: wanted }) => {
                endpoint == to && holds(path, wanted)
            }
            (Self::Limit { name, value }, Self::Limit { name: other, value: wanted }) => {
                name == other && value >= wanted
            }
            (Self::SendAgain { writes }, Self::SendAgain { writes: wanted }) => crate::manifest::covers(writes, wanted),
            (mine, other) => mine == other,
        }
    }
}

/// Whether every path that one pattern matches is one that another does.
fn holds(pattern: &str, other: &str) -> bool {
    let mut ours = pattern.split('/').peekable();
    let mut theirs = other.split('/').peekable();
    loop {
        match (ours.next(), theirs.next()) {
            (None, None) => return true,
            // Any rest that is not empty.
            (Some("*"), Some(first)) if ours.peek().is_none() => return !first.is_empty() || theirs.peek().is_some(),
            // Their `*` at the end stands for more than one segment.
            (Some("*"), Some("*")) if theirs.peek().is_none() => return false,
            (Some("*"), Some(segment)) if !segment.is_empty() => {}
            (Some(segment), Some(same)) if segment == same && segment != "*" => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(rest: &str) -> Manifest {
        let text = format!(
            "[plugin]\nname = \"p\"\nversion = \"1.0.0\"\ndescription = \"d\"\nhost = \"*\"\ncapabilities = [\"a:b@0.1.0\"]\n{rest}"
        );
        Manifest::from_toml(&text).unwrap()
    }

    fn endpoint(name: &str, address: &str, methods: &str, paths: &str) -> String {
        format!(
            "[[endpoints]]\nname = \"{name}\"\ndescription = \"d\"\naddress = \"{address}\"\nmethods = {methods}\npaths = {paths}\n"
        )
    }

    const CONFIG: &str = "[config]\ntype = \"object\"\n[config.properties.url]\ntype = \"string\"\n[config.properties.other]\ntype = \"string\"\n";

    fn rights(rest: &str) -> Rights {
        let given = Limits { memory_mib: Some(64), ..Limits::default() };
        Rights::of(&manifest(rest), &given)
    }

    fn with(endpoints: &[String]) -> Rights {
        rights(&format!("{}{CONFIG}", endpoints.concat()))
    }

    #[test]
    fn one_more_endpoint_is_all_that_a_version_asks_for_beyond_the_one_before() {
        let api = endpoint("api", "url", "[\"GET\", \"POST\"]", "[\"/v1/*\"]");
        let old = with(std::slice::from_ref(&api));
        let new = with(&[api, endpoint("telemetry", "other", "[\"POST\"]", "[\"/push\"]")]);
        assert_eq!(new.beyond([&old]).lines(), ["send to `telemetry` (the address in `other`): POST /push"]);
        assert!(old.beyond([&new]).is_empty());
        assert_eq!(old.lines(), ["send to `api` (the address in `url`): GET, POST /v1/*"]);
    }

    #[test]
    fn another_address_for_the_same_endpoint_is_something_new() {
        let old = with(&[endpoint("api", "url", "[\"GET\"]", "[\"/a\"]")]);
        let new = with(&[endpoint("api", "other", "[\"GET\"]", "[\"/a\"]")]);
        assert_eq!(new.beyond([&old]).iter().count(), 1);
    }

    #[test]
    fn less_than_before_is_nothing_new() {
        let old = rights(&format!(
            "issues = [\"basic\"]\n[limits]\nmemory-mib = 256\n[writes]\nonce-by-key = [\"b.*\"]\n{}{CONFIG}",
            endpoint("api", "url", "[\"GET\", \"PUT\"]", "[\"/v1/*\"]")
        ));
        let new = rights(&format!(
            "[limits]\nmemory-mib = 128\n[writes]\nonce-by-key = [\"b.put\"]\n{}{CONFIG}",
            endpoint("api", "url", "[\"GET\"]", "[\"/v1/query\"]")
        ));
        assert!(new.beyond([&old]).is_empty(), "{:?}", new.beyond([&old]));
        assert_eq!(old.beyond([&new]).iter().count(), 5, "{:?}", old.beyond([&new]).lines());
    }

    #[test]
    fn a_limit_within_what_everybody_has_is_nothing_to_ask_for() {
        assert!(rights("[limits]\nmemory-mib = 64\n").is_empty());
        assert_eq!(rights("[limits]\nmemory-mib = 65\n").lines(), ["use more than by default: memory-mib 65"]);
    }

    #[test]
    fn a_token_stands_for_one_set_of_one_plugin() {
        let one = with(&[endpoint("api", "url", "[\"GET\"]", "[\"/a\", \"/b\"]")]);
        let same = with(&[endpoint("api", "url", "[\"GET\"]", "[\"/b\", \"/a\"]")]);
        let more = with(&[endpoint("api", "url", "[\"GET\", \"PUT\"]", "[\"/a\", \"/b\"]")]);
        assert_eq!(one.token("p"), same.token("p"));
        assert_ne!(one.token("p"), more.token("p"));
        assert_ne!(one.token("p"), one.token("q"));
        assert_eq!(one.token("p").len(), TOKEN_DIGITS);
    }

    #[test]
    fn a_pattern_holds_another_only_if_it_matches_all_that_the_other_does() {
        for (pattern, other, expected) in [
            ("/a", "/a", true),
            ("/a", "/b", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", true),
            ("/a/*", "/a/*", true),
            ("/a/*", "/a/*/c", true),
            ("/a/*", "/a", false),
            ("/a/*", "/a/", false),
            ("/a/b", "/a/*", false),
            ("/a/*/c", "/a/b/c", true),
            ("/a/*/c", "/a/*/c", true),
            ("/a/*/c", "/a/*", false),
            ("/a/*/c", "/a/*/d", false),
            ("/a/*/c/*", "/a/*", false),
            ("/*", "/", false),
            ("/*", "/*/x", true),
        ] {
            assert_eq!(holds(pattern, other), expected, "{pattern} {other}");
        }
    }
}
