//! The most that plugins from one place may ask for, whatever an operator would accept.

use jackfield_registry::{Limits, Right, Rights};
use serde::{Deserialize, Serialize};

/// The most that a plugin may ask for. What is not said has no ceiling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ceiling {
    /// The methods of requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub methods: Option<Vec<String>>,
    /// Whether a `POST` may pass for one that changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safe_posts: Option<bool>,
    /// Types of credentials that may be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Vec<String>>,
    /// Whether writes may be sent again of which nobody knows what came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_again: Option<bool>,
    /// Limits by their names in manifests, e.g. `memory-mib`: the most that calls may use, and not only what a plugin may ask for.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
}

impl Ceiling {
    /// Those rights and limits that are above it, a line each. `limits`: those that the plugin would run with.
    pub(crate) fn exceeded(&self, rights: &Rights, limits: &Limits) -> Vec<String> {
        let mut beyond: Vec<String> =
            rights.iter().filter(|right| !self.holds(right)).map(ToString::to_string).collect();
        let most = self.limits.by_name();
        let above = |(name, value): (String, u64)| {
            let most = most.get(&name).filter(|most| value > **most)?;
            Some(format!("use {name} {value}; at most {most}"))
        };
        beyond.extend(limits.by_name().into_iter().filter_map(above));
        beyond
    }

    /// Whether it says something of every one of some rights: then whoever wrote it has said how much of each is right, and what is
    /// within it needs no other acceptance.
    pub fn speaks_of(&self, rights: &Rights) -> bool {
        rights.iter().all(|right| match right {
            Right::Send { .. } => self.methods.is_some(),
            Right::SafePost { .. } => self.safe_posts.is_some(),
            Right::Limit { name, .. } => self.limits.by_name().contains_key(name),
            Right::Issue { .. } => self.credentials.is_some(),
            Right::SendAgain { .. } => self.send_again.is_some(),
        })
    }

    fn holds(&self, right: &Right) -> bool {
        let listed = |most: &Option<Vec<String>>, name: &str| {
            most.as_ref().is_none_or(|most| most.iter().any(|one| one.eq_ignore_ascii_case(name)))
        };
        match right {
            Right::Send { method, .. } => listed(&self.methods, method),
            Right::SafePost { .. } => self.safe_posts.unwrap_or(true),
            // By what it would run with, which is more than what it asks for.
            Right::Limit { .. } => true,
            Right::Issue { credential } => listed(&self.credentials, credential),
            Right::SendAgain { .. } => self.send_again.unwrap_or(true),
        }
    }
}
