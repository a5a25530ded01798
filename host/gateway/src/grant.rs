//! Which methods and paths of an endpoint a plugin may ask for. Pure: a decision about a request that is already in its
//! normal form (see [`crate::normalize`]).

use crate::GatewayError;

/// What a plugin may ask of one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Methods, in capitals. Empty allows none.
    pub methods: Vec<String>,
    /// Path patterns. `*` as a segment stands for exactly one segment; `/*` at the end for any rest. Empty allows none.
    pub paths: Vec<String>,
}

impl Grant {
    /// Whether a request is allowed, and by which pattern; if not, what would allow it.
    pub fn check(&self, endpoint: &str, method: &str, path: &str) -> Result<&str, GatewayError> {
        let refuse = |rule: &'static str, wanted: &str, has: &[String]| {
            Err(GatewayError::NotGranted {
                endpoint: endpoint.to_owned(),
                asked: format!("{method} {path}"),
                rule,
                wanted: wanted.to_owned(),
                granted: has.iter().map(|p| format!("\"{p}\"")).collect::<Vec<_>>().join(", "),
            })
        };
        if !self.methods.iter().any(|m| m == method) {
            return refuse("methods", method, &self.methods);
        }
        match self.paths.iter().find(|pattern| matches(pattern, path)) {
            Some(pattern) => Ok(pattern),
            None => refuse("paths", path, &self.paths),
        }
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    let mut wanted = pattern.split('/').skip(1).peekable();
    if !pattern.starts_with('/') {
        return false;
    }
    let mut found = path.split('/').skip(1);
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some("*"), Some(segment)) => {
                if wanted.peek().is_none() {
                    // The rest, which must not be empty: `/a/*` is not `/a/`.
                    return !segment.is_empty() || found.next().is_some();
                }
                if segment.is_empty() {
                    return false;
                }
            }
            (Some(wanted), Some(segment)) if wanted == segment => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_segment_within_and_any_rest_at_the_end() {
        for (pattern, path, expected) in [
            ("/a", "/a", true),
            ("/a", "/a/", false),
            ("/a", "/a/b", false),
            ("/a", "/ab", false),
            ("/a", "/", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", true),
            ("/a/*", "/a", false),
            ("/a/*", "/a/", false),
            ("/a/*", "/ab/c", false),
            ("/*", "/x", true),
            ("/*", "/", false),
            ("/a/*/c", "/a/b/c", true),
            ("/a/*/c", "/a/b/d", false),
            ("/a/*/c", "/a/b/b/c", false),
            ("/a/*/c", "/a//c", false),
            ("", "/", false),
            ("a", "/a", false),
            ("*", "/a", false),
            ("/", "/", true),
            ("/v3/kv*", "/v3/kv/range", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn nothing_granted_allows_nothing_and_the_refusal_says_what_would() {
        let error = Grant::default().check("api", "GET", "/x").unwrap_err().to_string();
        assert!(error.contains("methods") && error.contains("\"GET\""), "{error}");
        let grant = Grant { methods: vec!["GET".into()], paths: vec!["/v1/*".into()] };
        assert!(grant.check("api", "GET", "/v1/x").is_ok());
        assert!(grant.check("api", "get", "/v1/x").is_err());
        let error = grant.check("api", "GET", "/admin").unwrap_err().to_string();
        assert!(error.contains("paths = [\"/v1/*\", \"/admin\"]"), "{error}");
    }
}
