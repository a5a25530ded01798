//! Docker's `config.json`, which all programs around registries share. Of what it can hold, a helper for exactly this
//! registry comes first, then the helper for all, then what is in the file itself.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::Path,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Credential, helper};
use crate::OciError;

/// The longest file that is read, in bytes.
const MOST: u64 = 1 << 20;
/// Docker Hub's registry under all its names; the last is what Docker itself files it under.
const HUB: [&str; 3] = ["docker.io", "registry-1.docker.io", "index.docker.io"];
const HUB_KEY: &str = "https://index.docker.io/v1/";

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Config {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<Zeroizing<String>>,
    identitytoken: Option<Zeroizing<String>>,
}

/// The credentials for a registry in a file, or behind the helper that it names.
pub(super) async fn find(file: &Path, registry: &str, patience: Duration) -> Result<Option<Credential>, OciError> {
    let fail = |reason: String| OciError::Credentials {
        registry: registry.to_owned(),
        place: file.display().to_string(),
        reason,
    };
    let path = file.to_owned();
    let text = match tokio::task::spawn_blocking(move || read(&path)).await {
        Ok(Ok(text)) => text,
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(Err(error)) => return Err(fail(error.to_string())),
        Err(_) => return Err(fail("it was not read to its end".into())),
    };
    let config = parse(&text).map_err(fail)?;
    if let Some(name) = config.helper(registry) {
        let server = if HUB.contains(&registry) { HUB_KEY } else { registry };
        if let Some(found) = helper::get(name, server, registry, patience).await? {
            return Ok(Some(found));
        }
    }
    config.own(registry).map_err(fail)
}

fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let about = file.metadata()?;
    if !about.is_file() || about.len() > MOST {
        return Err(io::Error::other(format!("it must be a file of at most {MOST} bytes")));
    }
    // Growing would leave copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MOST as usize));
    file.take(MOST).read_to_end(&mut text)?;
    Ok(text)
}

fn parse(text: &[u8]) -> Result<Config, String> {
    // The parser's own words could repeat a password.
    serde_json::from_slice(text).map_err(|error| {
        format!("it is not what Docker writes, at line {} column {}; log in again", error.line(), error.column())
    })
}

impl Config {
    fn helper(&self, registry: &str) -> Option<&str> {
        let own = self.cred_helpers.iter().find(|(key, _)| is_for(key, registry)).map(|(_, name)| name);
        own.or(self.creds_store.as_ref()).map(String::as_str).filter(|name| !name.is_empty())
    }

    fn own(&self, registry: &str) -> Result<Option<Credential>, String> {
        let Some((key, entry)) =
            self.auths.iter().find(|(key, entry)| is_for(key, registry) && entry.holds_something())
        else {
            return Ok(None);
        };
        if let Some(token) = entry.identitytoken.as_ref().filter(|token| !token.is_empty()) {
            return Ok(Some(Credential::IdentityToken(token.clone())));
        }
        let auth = entry.auth.as_ref().map_or("", |auth| auth.as_str());
        let pair = decoded(auth).ok_or(format!("`auths.{key}.auth` is not user:password in base64; log in again"))?;
        Ok(Some(pair))
    }
}

impl Entry {
    fn holds_something(&self) -> bool {
        [&self.auth, &self.identitytoken].into_iter().flatten().any(|text| !text.is_empty())
    }
}

fn decoded(auth: &str) -> Option<Credential> {
    let bytes = Zeroizing::new(STANDARD.decode(auth).ok()?);
    // Docker pads some of its files with zeros.
    let text = std::str::from_utf8(&bytes).ok()?.trim_end_matches('\0');
    let (user, password) = text.split_once(':').filter(|(user, _)| !user.is_empty())?;
    Some(Credential::Password { user: user.to_owned(), password: Zeroizing::new(password.to_owned()) })
}

/// Whether a key means a registry: its host, with or without a scheme and the path of the API's version.
fn is_for(key: &str, registry: &str) -> bool {
    let host = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let host = host.strip_suffix('/').unwrap_or(host);
    let host = host.strip_suffix("/v1").or_else(|| host.strip_suffix("/v2")).unwrap_or(host);
    host.eq_ignore_ascii_case(registry) || HUB.contains(&registry) && HUB.contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        parse(text.as_bytes()).unwrap()
    }

    fn basic(config: &Config, registry: &str) -> Option<String> {
        config.own(registry).unwrap()?.basic().map(|header| header.to_string())
    }

    #[test]
    fn an_entry_is_found_under_each_spelling_of_its_registry() {
        // user:pass
        for key in ["a.b:5000", "https://a.b:5000", "http://a.b:5000/", "https://a.b:5000/v2/", "https://A.b:5000/v1/"]
        {
            let config = config(&format!(r#"{{"auths": {{"{key}": {{"auth": "dXNlcjpwYXNz"}}}}}}"#));
            assert_eq!(basic(&config, "a.b:5000").as_deref(), Some("Basic dXNlcjpwYXNz"), "{key}");
            assert!(basic(&config, "a.b").is_none(), "{key}");
            assert!(basic(&config, "b:5000").is_none(), "{key}");
        }
        let hub = config(r#"{"auths": {"https://index.docker.io/v1/": {"auth": "dXNlcjpwYXNz"}}}"#);
        assert!(basic(&hub, "docker.io").is_some());
        assert!(basic(&hub, "index.docker.io.example").is_none());
    }

    #[test]
    fn a_helper_for_the_registry_comes_before_the_one_for_all() {
        let config = config(r#"{"credsStore": "all", "credHelpers": {"a.b": "own"}, "other": [1]}"#);
        assert_eq!((config.helper("a.b"), config.helper("c.d")), (Some("own"), Some("all")));
    }

    #[test]
    fn an_identity_token_counts_more_than_a_password_and_an_empty_entry_for_nothing() {
        let text = r#"{"auths": {"a.b": {"auth": "dXNlcjo=", "identitytoken": "t"}, "c.d": {}, "e.f": {"auth": ""}}}"#;
        let config = config(text);
        assert!(matches!(config.own("a.b"), Ok(Some(Credential::IdentityToken(_)))));
        assert!(matches!(config.own("c.d"), Ok(None)));
        assert!(matches!(config.own("e.f"), Ok(None)));
    }

    #[test]
    fn what_is_wrong_with_the_file_is_told_without_what_is_in_it() {
        for text in [r#"{"auths": "hunter2"}"#, r#"{"auths": {"a.b": {"auth": 12345678}}}"#, r#"hunter2"#] {
            let reason = parse(text.as_bytes()).err().unwrap();
            assert!(
                reason.contains("line 1") && !reason.contains("hunter2") && !reason.contains("12345678"),
                "{reason}"
            );
        }
        for auth in ["hunter2", "aHVudGVyMg=="] {
            let config = config(&format!(r#"{{"auths": {{"a.b": {{"auth": "{auth}"}}}}}}"#));
            let reason = config.own("a.b").unwrap_err();
            assert!(reason.contains("auths.a.b.auth") && !reason.contains(auth), "{reason}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_holds_no_credentials() {
        let folder = tempfile::tempdir().unwrap();
        let patience = Duration::from_secs(1);
        assert!(find(&folder.path().join("config.json"), "a.b", patience).await.unwrap().is_none());
        assert!(find(folder.path(), "a.b", patience).await.is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}", key in "\\PC{0,20}") {
            let _ = parse(text.as_bytes());
            let _ = decoded(&text);
            let _ = is_for(&key, "docker.io");
        }
    }
}
