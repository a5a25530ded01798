//! The most that plugins from one place may ask for, whatever an operator would accept.

use std::collections::BTreeMap;

use jackfield_registry::{Right, Rights};
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
    /// Limits by their names in manifests, e.g. `memory-mib`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, u64>,
}

impl Ceiling {
    /// Those rights that are above it, a line each.
    pub(crate) fn exceeded(&self, rights: &Rights) -> Vec<String> {
        rights.iter().filter(|right| !self.holds(right)).map(ToString::to_string).collect()
    }

    fn holds(&self, right: &Right) -> bool {
        let listed = |most: &Option<Vec<String>>, name: &str| {
            most.as_ref().is_none_or(|most| most.iter().any(|one| one.eq_ignore_ascii_case(name)))
        };
        match right {
            Right::Send { method, .. } => listed(&self.methods, method),
            Right::SafePost { .. } => self.safe_posts.unwrap_or(true),
            Right::Limit { name, value } => self.limits.get(name).is_none_or(|most| value <= most),
            Right::Issue { credential } => listed(&self.credentials, credential),
            Right::SendAgain { .. } => self.send_again.unwrap_or(true),
        }
    }
}
