//! What the operator says of the tokens that are to be made for a credential.

use std::collections::BTreeMap;

use jackfield_sdk::prelude::*;
use serde::Deserialize;

use crate::credential_issuer::Wish;
use crate::wire::NewToken;

/// What is noted in a token: for how many seconds it is to live each time.
pub(crate) const TTL: &str = "jackfield-ttl";

/// How long tokens live where nothing is said. The host renews them in time; one that it has lost is gone after a day.
const DEFAULT_TTL: u64 = 24 * 3600;
/// The shortest life, in seconds: time enough to be renewed in.
const LEAST_TTL: u64 = 10;
/// The longest life, in seconds: ten years.
const MOST_TTL: u64 = 10 * 365 * 24 * 3600;

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Parameters {
    /// What the tokens may do. Those of the role, where there is one and nothing is said.
    #[serde(default)]
    policies: Vec<String>,
    /// How long they live unless they are renewed, e.g. `1h`.
    ttl: Option<String>,
    /// The token role that they are made by.
    role: Option<String>,
    /// Whether they outlive the token that made them.
    #[serde(default)]
    orphan: bool,
    /// What OpenBao calls them in its own trail; the credential's name, where nothing is said.
    display_name: Option<String>,
}

impl Parameters {
    pub(crate) fn of(text: &str) -> Result<Self> {
        let parameters: Self = serde_json::from_str(text).map_err(|error| {
            let known = "a token needs `policies` or a `role`, and may have `ttl`, `orphan` and `display-name`";
            Error::invalid("/parameters", format!("{known}: {error}"))
        })?;
        match &parameters.role {
            // OpenBao would give it all that its maker may do.
            None if parameters.policies.is_empty() => {
                return Err(Error::invalid(
                    "/parameters/policies",
                    "name the policies that the token has, or a token role",
                ));
            }
            Some(role) if role.is_empty() || role.contains('/') || matches!(role.as_str(), "." | "..") => {
                return Err(Error::invalid("/parameters/role", "a token role has a name without `/`"));
            }
            Some(_) if parameters.orphan => {
                let message = "whether tokens of a role are orphans is said in the role: `orphan=true`";
                return Err(Error::invalid("/parameters/orphan", message));
            }
            _ => {}
        }
        parameters.seconds()?;
        Ok(parameters)
    }

    /// Where such tokens are made.
    pub(crate) fn path(&self) -> String {
        match (&self.role, self.orphan) {
            (Some(role), _) => format!("/v1/auth/token/create/{}", http::encode(role)),
            (None, true) => "/v1/auth/token/create-orphan".to_owned(),
            (None, false) => "/v1/auth/token/create".to_owned(),
        }
    }

    /// The token, with a life of at most `first` seconds.
    pub(crate) fn token<'a>(&'a self, wish: &'a Wish, first: u64) -> Result<NewToken<'a>> {
        let seconds = self.seconds()?;
        Ok(NewToken {
            policies: &self.policies,
            ttl: format!("{}s", seconds.min(first)),
            renewable: true,
            // Others cannot be taken back.
            kind: "service",
            display_name: self.display_name.as_deref().unwrap_or(&wish.credential),
            meta: BTreeMap::from([("jackfield-credential", wish.credential.clone()), (TTL, seconds.to_string())]),
        })
    }

    /// How long the token lives, in seconds.
    pub(crate) fn seconds(&self) -> Result<u64> {
        let Some(text) = &self.ttl else { return Ok(DEFAULT_TTL) };
        let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
            Some(number) => (number, text.get(number.len()..).unwrap_or_default()),
            None => (text.as_str(), "s"),
        };
        let unit = match unit {
            "m" => 60,
            "h" => 3600,
            "d" => 24 * 3600,
            _ => 1,
        };
        let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        seconds.filter(|seconds| (LEAST_TTL..=MOST_TTL).contains(seconds)).ok_or_else(|| {
            Error::invalid(
                "/parameters/ttl",
                "a life is written as `90s`, `30m`, `12h` or `30d`: 10 seconds to 10 years",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_says_by_whom_and_whose_child_a_token_is() {
        for (text, path) in [
            (r#"{"policies": ["app"]}"#, "/v1/auth/token/create"),
            (r#"{"policies": ["app"], "orphan": true}"#, "/v1/auth/token/create-orphan"),
            (r#"{"role": "jack field"}"#, "/v1/auth/token/create/jack%20field"),
        ] {
            assert_eq!(Parameters::of(text).unwrap().path(), path);
        }
    }

    #[test]
    fn a_life_is_written_as_openbao_writes_it() {
        for (ttl, seconds) in [("90s", 90), ("30m", 1800), ("12h", 43_200), ("30d", 2_592_000), ("3600", 3600)] {
            let text = format!(r#"{{"policies": ["app"], "ttl": "{ttl}"}}"#);
            assert_eq!(Parameters::of(&text).unwrap().seconds(), Ok(seconds), "{ttl}");
        }
        assert_eq!(Parameters::of(r#"{"policies": ["app"]}"#).unwrap().seconds(), Ok(86_400));
    }

    #[test]
    fn parameters_that_make_no_sense_are_told() {
        for (text, place) in [
            ("{}", "/parameters/policies"),
            (r#"{"policies": []}"#, "/parameters/policies"),
            (r#"{"policy": ["app"]}"#, "/parameters"),
            (r#"{"role": "a/b"}"#, "/parameters/role"),
            (r#"{"role": "r", "orphan": true}"#, "/parameters/orphan"),
            (r#"{"role": "r", "ttl": "5s"}"#, "/parameters/ttl"),
            (r#"{"role": "r", "ttl": "1w"}"#, "/parameters/ttl"),
            (r#"{"role": "r", "ttl": "üh"}"#, "/parameters/ttl"),
            (r#"{"role": "r", "ttl": "99999999999999999d"}"#, "/parameters/ttl"),
        ] {
            let error = Parameters::of(text).unwrap_err();
            assert_eq!(
                error.kind,
                ErrorKind::Invalid(jackfield_sdk::types::FieldViolation { field: place.into() }),
                "{text}"
            );
        }
    }
}
