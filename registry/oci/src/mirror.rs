//! Mirrors: what is named as being in one registry is read from another. A site without a way to the public registries
//! keeps references as they are published, and says once where the content is.

use crate::{OciError, Repository, reference::canonical_registry};

/// Everything under one name is read from under another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// A registry, or the beginning of repositories in it, by whole parts: `ghcr.io`, `ghcr.io/acme`.
    pub prefix: String,
    /// What is asked in its place: `mirror.example:5000/ghcr`.
    pub replacement: String,
}

/// Mirrors as they are looked up: the longest prefix first.
#[derive(Debug)]
pub(crate) struct Mirrors(Vec<(String, String)>);

impl Mirrors {
    pub(crate) fn new(mirrors: Vec<Mirror>) -> Result<Self, OciError> {
        let mirrors = mirrors.iter().map(|mirror| Ok((canonical(&mirror.prefix)?, canonical(&mirror.replacement)?)));
        let mut mirrors = mirrors.collect::<Result<Vec<_>, OciError>>()?;
        mirrors.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(Self(mirrors))
    }

    pub(crate) fn of(&self, repository: &Repository) -> Result<Repository, OciError> {
        let name = format!("{}/{}", repository.registry(), repository.path());
        let mirrored = self.0.iter().find_map(|(prefix, replacement)| {
            let rest = name.strip_prefix(prefix.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
            Some(format!("oci://{replacement}{rest}"))
        });
        match mirrored {
            None => Ok(repository.clone()),
            Some(text) => text.parse().map_err(|error| OciError::Options {
                option: "mirrors",
                reason: format!("the mirror of {repository} would be {text}: {error}"),
            }),
        }
    }
}

fn canonical(text: &str) -> Result<String, OciError> {
    let fail = |reason: String| OciError::Options { option: "mirrors", reason };
    let text = text.strip_prefix("oci://").unwrap_or(text);
    let text = text.strip_suffix('/').unwrap_or(text);
    let (registry, path) = text.split_once('/').map_or((text, None), |(registry, path)| (registry, Some(path)));
    let registry = canonical_registry(registry).map_err(|error| fail(error.to_string()))?;
    match path {
        None => Ok(registry),
        Some(path) if crate::reference::is_repository(path) => Ok(format!("{registry}/{path}")),
        Some(_) => Err(fail("a prefix is a registry and whole parts of a repository's name, e.g. ghcr.io/acme".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirrors(pairs: &[(&str, &str)]) -> Result<Mirrors, OciError> {
        let mirror = |(prefix, replacement): &(&str, &str)| Mirror {
            prefix: prefix.to_string(),
            replacement: replacement.to_string(),
        };
        Mirrors::new(pairs.iter().map(mirror).collect())
    }

    #[test]
    fn the_longest_prefix_of_whole_parts_counts() {
        let mirrors =
            mirrors(&[("ghcr.io", "m.x:5000/ghcr"), ("oci://GHCR.io/acme/", "n.x"), ("a.b/c/d", "e.f/g")]).unwrap();
        for (named, read) in [
            ("oci://ghcr.io/other/x", "oci://m.x:5000/ghcr/other/x"),
            ("oci://ghcr.io/acme/x", "oci://n.x/x"),
            ("oci://ghcr.io/acmee/x", "oci://m.x:5000/ghcr/acmee/x"),
            ("oci://a.b/c/d", "oci://e.f/g"),
            ("oci://ghcr.io.x/acme/x", "oci://ghcr.io.x/acme/x"),
        ] {
            assert_eq!(mirrors.of(&named.parse().unwrap()).unwrap().to_string(), read);
        }
        let error = mirrors.of(&"oci://ghcr.io/acme".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("oci://n.x"), "{error}");
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in ["", "a.b/C", "a.b/c:1", "user:hunter2@a.b", "https://a.b"] {
            let error = mirrors(&[(text, "a.b")]).unwrap_err().to_string();
            assert!(error.contains("mirrors") && !error.contains("hunter2"), "{error}");
        }
    }
}
