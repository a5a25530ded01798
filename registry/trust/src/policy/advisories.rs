//! What becomes of a plugin in which, or in whose runtime, a fault is known.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How bad a known fault is, as CVSS has the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// CVSS 0.1 to 3.9.
    Low,
    /// CVSS 4.0 to 6.9.
    Medium,
    /// CVSS 7.0 to 8.9.
    High,
    /// CVSS 9.0 to 10.
    Critical,
}

/// A text that is no severity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a severity: write `low`, `medium`, `high` or `critical`")]
pub struct SeverityError;

/// What the policy says of known faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AdvisoryRule {
    /// From which severity on nothing is installed; what is less is told.
    #[serde(default)]
    pub refuse: Refuse,
}

/// From which severity on nothing is installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refuse {
    /// From the least on.
    Low,
    /// From a medium one on.
    Medium,
    /// From a high one on.
    #[default]
    High,
    /// Only a critical one.
    Critical,
    /// Whatever is known: it is only told.
    Never,
}

impl AdvisoryRule {
    /// Whether nothing is said.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The least severity that is refused; none where none is.
    pub fn refused_from(&self) -> Option<Severity> {
        match self.refuse {
            Refuse::Low => Some(Severity::Low),
            Refuse::Medium => Some(Severity::Medium),
            Refuse::High => Some(Severity::High),
            Refuse::Critical => Some(Severity::Critical),
            Refuse::Never => None,
        }
    }

    /// Whether nothing is installed where a fault of this severity is known.
    pub fn refuses(&self, severity: Severity) -> bool {
        self.refused_from().is_some_and(|least| severity >= least)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

impl FromStr for Severity {
    type Err = SeverityError;

    fn from_str(text: &str) -> Result<Self, SeverityError> {
        let all = [Self::Low, Self::Medium, Self::High, Self::Critical];
        all.into_iter().find(|severity| severity.to_string() == text).ok_or(SeverityError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TrustPolicy;

    #[test]
    fn what_is_refused_is_at_least_as_bad_as_the_policy_says() {
        let all = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
        for (refuse, refused) in [("low", 4), ("medium", 3), ("high", 2), ("critical", 1), ("never", 0)] {
            let text = format!("source = []\n[advisories]\nrefuse = \"{refuse}\"\n");
            let policy = TrustPolicy::parse(&text).unwrap();
            assert_eq!(all.into_iter().filter(|severity| policy.advisories().refuses(*severity)).count(), refused);
            let again = TrustPolicy::from_json(policy.to_json().to_string().as_bytes()).unwrap();
            assert_eq!(again.advisories(), policy.advisories(), "{refuse}");
        }
        assert!(TrustPolicy::default().advisories().refuses(Severity::High), "what nothing is said of");
        assert!(TrustPolicy::parse("source = []\n[advisories]\nrefuse = \"none\"\n").is_err());
    }
}
