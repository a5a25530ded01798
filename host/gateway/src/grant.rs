//! Which methods and paths of an endpoint a plugin may ask for: what its manifest asks for, within what the operator
//! allows. Pure: a decision about a request that is already in its normal form (see [`crate::normalize`]).

use crate::GatewayError;

/// Methods that change nothing (RFC 9110, 9.2.1).
const SAFE: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// What a plugin may ask of one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Methods, in capitals. Empty allows none.
    pub methods: Vec<String>,
    /// Path patterns. `*` as a segment stands for exactly one segment; `/*` at the end for any rest. Empty allows none.
    pub paths: Vec<String>,
    /// Those at which a `POST` changes nothing, says the plugin.
    pub safe_posts: Vec<String>,
    /// What the operator allows of that.
    pub allowance: Allowance,
}

/// What the operator allows of what a plugin asks for: all of it where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Methods.
    pub methods: Option<Vec<String>>,
    /// Path patterns; a request's path matches one of these besides one of the plugin's.
    pub paths: Option<Vec<String>>,
    /// Only what changes nothing.
    pub read_only: bool,
    /// Nothing is refused for this; what would be is counted.
    pub count_only: bool,
}

/// A request that is granted.
#[derive(Clone, Debug)]
pub struct Granted<'g> {
    /// The plugin's pattern that it matches.
    pub pattern: &'g str,
    /// Why it would be refused, were it not only counted.
    pub would_refuse: Option<GatewayError>,
}

impl Grant {
    /// Whether a request is granted; if not, what would grant it. `integration` is named in that.
    pub fn check(
        &self,
        integration: &str,
        endpoint: &str,
        method: &str,
        path: &str,
    ) -> Result<Granted<'_>, GatewayError> {
        let pattern = self.asked_for(endpoint, method, path)?;
        match self.refused_by_operator(method, path) {
            None => Ok(Granted { pattern, would_refuse: None }),
            Some((rule, flags)) => {
                let (integration, endpoint) = (integration.to_owned(), endpoint.to_owned());
                let error =
                    GatewayError::NotAllowed { integration, endpoint, asked: format!("{method} {path}"), rule, flags };
                match self.allowance.count_only {
                    true => Ok(Granted { pattern, would_refuse: Some(error) }),
                    false => Err(error),
                }
            }
        }
    }

    /// Which of the operator's rules refuses a request, and the flags of `jackfield grant set` that would allow it.
    fn refused_by_operator(&self, method: &str, path: &str) -> Option<(&'static str, String)> {
        let Allowance { methods, paths, read_only, .. } = &self.allowance;
        let flags = |flag: &str, has: &[String], wanted: &str| {
            let all = has.iter().map(String::as_str).chain([wanted]);
            all.map(|value| format!("--{flag} {}", quoted(value))).collect::<Vec<_>>().join(" ")
        };
        let is_safe = || {
            SAFE.contains(&method) || method == "POST" && self.safe_posts.iter().any(|pattern| matches(pattern, path))
        };
        if *read_only && !is_safe() {
            return Some(("read-only", "--read-write".to_owned()));
        }
        if let Some(methods) = methods.as_ref().filter(|methods| methods.iter().all(|allowed| allowed != method)) {
            return Some(("methods", flags("method", methods, method)));
        }
        if let Some(paths) = paths.as_ref().filter(|paths| !paths.iter().any(|pattern| matches(pattern, path))) {
            return Some(("paths", flags("path", paths, path)));
        }
        None
    }

    /// The plugin's pattern that a request matches.
    fn asked_for(&self, endpoint: &str, method: &str, path: &str) -> Result<&str, GatewayError> {
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

/// A word for a shell. What a refusal tells to type holds a path of the plugin's choice, and a shell must find nothing in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
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
        let error = Grant::default().check("wild", "api", "GET", "/x").unwrap_err().to_string();
        assert!(error.contains("methods") && error.contains("\"GET\""), "{error}");
        let grant = Grant { methods: vec!["GET".into()], paths: vec!["/v1/*".into()], ..Grant::default() };
        assert!(grant.check("wild", "api", "GET", "/v1/x").is_ok());
        assert!(grant.check("wild", "api", "get", "/v1/x").is_err());
        let error = grant.check("wild", "api", "GET", "/admin").unwrap_err().to_string();
        assert!(error.contains("paths = [\"/v1/*\", \"/admin\"]"), "{error}");
    }

    /// A plugin that asks for much, and an operator who allows some of it.
    fn narrowed(allowance: Allowance) -> Grant {
        Grant {
            methods: ["GET", "POST", "DELETE"].map(str::to_owned).into(),
            paths: vec!["/v1/*".into(), "/admin".into()],
            safe_posts: vec!["/v1/query".into()],
            allowance,
        }
    }

    fn texts(texts: &[&str]) -> Option<Vec<String>> {
        Some(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn an_operator_takes_away_and_gives_nothing_that_was_not_asked_for() {
        let grant =
            narrowed(Allowance { methods: texts(&["GET", "PUT"]), paths: texts(&["/v1/a/*"]), ..Allowance::default() });
        let check = |method: &str, path: &str| grant.check("wild", "api", method, path).map(|granted| granted.pattern);
        assert_eq!(check("GET", "/v1/a/b").unwrap(), "/v1/*");
        assert!(check("PUT", "/v1/a/b").unwrap_err().to_string().contains("the manifest would need"));
        let error = check("DELETE", "/v1/a/b").unwrap_err().to_string();
        assert!(
            error.contains("`jackfield grant set wild --endpoint api --method 'GET' --method 'PUT' --method 'DELETE'`"),
            "{error}"
        );
        let error = check("GET", "/v1/b").unwrap_err().to_string();
        assert!(error.contains("--path '/v1/a/*' --path '/v1/b'`"), "{error}");
    }

    #[test]
    fn nothing_in_a_path_ends_the_word_that_an_operator_is_told_to_type() {
        let grant = narrowed(Allowance { paths: texts(&["/v1/a"]), ..Allowance::default() });
        let error = grant.check("wild", "api", "GET", "/v1/x';reboot;'y").unwrap_err().to_string();
        assert!(error.contains(r"--path '/v1/x'\'';reboot;'\''y'`"), "{error}");
    }

    #[test]
    fn read_only_is_the_safe_methods_and_the_posts_that_the_plugin_declares() {
        let grant = narrowed(Allowance { read_only: true, ..Allowance::default() });
        let check = |method: &str, path: &str| grant.check("wild", "api", method, path).map(drop);
        assert!(check("GET", "/v1/x").is_ok() && check("POST", "/v1/query").is_ok());
        for (method, path) in [("POST", "/v1/x"), ("DELETE", "/v1/query")] {
            let error = check(method, path).unwrap_err().to_string();
            assert!(error.contains("`jackfield grant set wild --endpoint api --read-write`"), "{error}");
        }
    }

    #[test]
    fn what_is_only_counted_is_not_refused_and_what_was_not_asked_for_is() {
        let grant = narrowed(Allowance { read_only: true, count_only: true, ..Allowance::default() });
        let granted = grant.check("wild", "api", "DELETE", "/v1/x").unwrap();
        assert!(granted.would_refuse.unwrap().to_string().contains("--read-write"));
        assert!(grant.check("wild", "api", "GET", "/v1/x").unwrap().would_refuse.is_none());
        assert!(grant.check("wild", "api", "PUT", "/v1/x").is_err());
    }
}
