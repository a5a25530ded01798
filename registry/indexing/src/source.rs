//! What an index is built from besides the plugins' files: a few files in TOML that people write and review. A key that is not
//! known is refused with its line, since a yank with a typing error would be none.

use std::collections::BTreeMap;

use semver::Version;
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    Advisory, Deprecation, IndexError, IndexFile, Location,
    error::shown,
    page,
    text::{self, Fault, MAX_LINE},
};

/// The longest such file, in bytes.
const MAX_SOURCE_BYTES: usize = 256 * 1024;
/// The longest that an index may say that it is to be believed, in days.
const MAX_LIFETIME_DAYS: u32 = 366;
/// As many notes on versions as there may be versions.
const MAX_NOTES: usize = page::MAX_RELEASES;

/// What an index is, `index.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// What the index calls itself, for ever.
    pub name: String,
    /// What it is, in a sentence.
    pub description: String,
    /// For how long a root is to be believed: the index is to be built again before that.
    #[serde(default = "lifetime")]
    pub lifetime_days: u32,
    /// Where the plugins' files are: `https://…` with `{name}`, `{version}` and `{digest}` (the 64 digits) in it. Without it they
    /// are copied into the index.
    #[serde(default)]
    pub place: Option<String>,
}

fn lifetime() -> u32 {
    90
}

/// What is said of a plugin beyond its files, `plugins/NAME.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Notes {
    /// Whether it is to be used no more.
    #[serde(default)]
    pub deprecated: Option<Deprecation>,
    /// What is said of versions.
    #[serde(default)]
    pub release: Vec<ReleaseNotes>,
}

/// What is said of a version.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReleaseNotes {
    /// The version.
    pub version: Version,
    /// Where its file is, where that is not as for all of them.
    #[serde(default)]
    pub place: Option<Location>,
    /// Who signed it, for people to read.
    #[serde(default)]
    pub signer: Option<String>,
    /// Why it is taken back.
    #[serde(default)]
    pub yanked: Option<String>,
    /// Whether it is to be used no more.
    #[serde(default)]
    pub deprecated: Option<Deprecation>,
}

impl Settings {
    /// Reads `index.toml`. `path`: what errors call it.
    pub fn parse(toml: &str, path: &str) -> Result<Self, IndexError> {
        let settings: Self = read(toml, path)?;
        settings.check().map_err(|fault| faulty(path, fault))?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), Fault> {
        text::name("name", &self.name)?;
        text::line("description", &self.description, MAX_LINE)?;
        if !(1..=MAX_LIFETIME_DAYS).contains(&self.lifetime_days) {
            let message = format!("is {}; it is from 1 to {MAX_LIFETIME_DAYS}", self.lifetime_days);
            return Err(("lifetime-days".into(), message));
        }
        let Some(place) = &self.place else { return Ok(()) };
        let at = |message: String| Err(("place".to_owned(), message));
        if !(place.contains("{version}") || place.contains("{digest}")) {
            return at("says the same for every version; put `{version}` or `{digest}` in it".into());
        }
        match fill(place, "name", &Version::new(1, 2, 3), &"0".repeat(64)).parse() {
            Ok(Location::Web(_)) => Ok(()),
            Ok(Location::Registry(_)) => at("is in a registry, where each version has a digest of its own; write it as `place` of the version into `plugins/NAME.toml`".into()),
            Ok(Location::Beside(_)) => at("is a path; leave it out, and files are copied into the index".into()),
            Err(error) => at(error.to_string()),
        }
    }
}

/// Where a version's file is, by a template.
pub(crate) fn fill(template: &str, name: &str, version: &Version, digest: &str) -> String {
    // None of the values has a brace in it.
    template.replace("{name}", name).replace("{version}", &version.to_string()).replace("{digest}", digest)
}

impl Notes {
    /// Reads `plugins/NAME.toml`. `path`: what errors call it.
    pub fn parse(toml: &str, path: &str) -> Result<Self, IndexError> {
        let notes: Self = read(toml, path)?;
        notes.check().map_err(|fault| faulty(path, fault))?;
        Ok(notes)
    }

    fn check(&self) -> Result<(), Fault> {
        page::deprecation("deprecated", self.deprecated.as_ref())?;
        text::at_most("release", self.release.len(), MAX_NOTES)?;
        let mut seen = BTreeMap::new();
        for (number, release) in self.release.iter().enumerate() {
            let place = format!("release[{number}]");
            release.check().map_err(text::within(&place))?;
            if seen.insert(&release.version, number).is_some() {
                return Err((place, format!("is of {} once more; put both into one", release.version)));
            }
        }
        Ok(())
    }

    /// What is said of a version.
    pub(crate) fn of(&self, version: &Version) -> Option<&ReleaseNotes> {
        self.release.iter().find(|release| release.version == *version)
    }
}

impl ReleaseNotes {
    fn check(&self) -> Result<(), Fault> {
        text::optional("signer", self.signer.as_ref(), MAX_LINE)?;
        text::optional("yanked", self.yanked.as_ref(), MAX_LINE)?;
        page::deprecation("deprecated", self.deprecated.as_ref())
    }
}

impl Advisory {
    /// Reads `advisories/ID.toml`: the members of an advisory; its description may be of many lines, which become one. `path`:
    /// what errors call it.
    pub fn from_toml(toml: &str, path: &str) -> Result<Self, IndexError> {
        let mut advisory: Self = read(toml, path)?;
        advisory.description = advisory.description.split_whitespace().collect::<Vec<_>>().join(" ");
        advisory.check().map_err(|fault| faulty(path, fault))?;
        Ok(advisory)
    }
}

fn read<T: DeserializeOwned>(toml: &str, path: &str) -> Result<T, IndexError> {
    let file = IndexFile::Source(path.to_owned());
    if toml.len() > MAX_SOURCE_BYTES {
        return Err(IndexError::TooLarge { file, size: toml.len(), most: MAX_SOURCE_BYTES });
    }
    toml::from_str(toml).map_err(|error| {
        let line = |at: usize| toml.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
        let place = error.span().map(|span| format!("line {}", line(span.start))).unwrap_or_default();
        IndexError::Form { file, place, reason: shown(error.message()) }
    })
}

fn faulty(path: &str, (place, reason): Fault) -> IndexError {
    IndexError::Form { file: IndexFile::Source(path.to_owned()), place, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(rest: &str) -> Result<Settings, String> {
        let text = format!("name = \"acme\"\ndescription = \"Ours\"\n{rest}");
        Settings::parse(&text, "index.toml").map_err(|error| error.to_string())
    }

    #[test]
    fn a_template_tells_versions_apart_and_is_not_a_registrys() {
        assert!(settings("").is_ok());
        assert!(settings("place = \"https://plugins.example/{name}-{version}.wasm\"").is_ok());
        for (rest, wanted) in [
            ("place = \"https://plugins.example/a.wasm\"", "{version}"),
            ("place = \"oci://ghcr.io/acme/{name}:{version}\"", "digest"),
            ("place = \"oci://ghcr.io/acme/{name}:{version}@sha256:{digest}\"", "plugins/NAME.toml"),
            ("place = \"files/{name}-{version}.wasm\"", "leave it out"),
            ("place = \"http://plugins.example/{version}\"", "https://"),
            ("lifetime-days = 0", "lifetime-days"),
            ("lifetime-days = 100000", "lifetime-days"),
            ("lifetime = 5", "line 3"),
        ] {
            let error = settings(rest).unwrap_err();
            assert!(error.contains(wanted) && error.starts_with("index.toml"), "{rest}: {error}");
        }
    }

    #[test]
    fn a_note_with_a_typing_error_is_refused_with_its_line() {
        let error = Notes::parse("[[release]]\nversion = \"1.0.0\"\nyankd = \"broken\"\n", "plugins/etcd.toml");
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("plugins/etcd.toml: line 3: unknown field `yankd`"), "{error}");
        let twice = "[[release]]\nversion = \"1.0.0\"\n[[release]]\nversion = \"1.0.0\"\n";
        assert!(Notes::parse(twice, "n").unwrap_err().to_string().contains("1.0.0"));
        let bad = "[[release]]\nversion = \"1.0.0\"\nplace = \"../a.wasm\"\n";
        assert!(Notes::parse(bad, "n").unwrap_err().to_string().contains("line 3"));
    }

    const ADVISORY: &str = r#"
id = "ACME-2026-0001"
subject = "plugin:etcd"
affected = ["<1.2.3"]
severity = "high"
title = "Reads more than was asked for"
description = """
A prefix that ends in 0xff
reads to the end."""
fixed = "1.2.3"
url = "https://advisories.example/ACME-2026-0001"
published = "2026-11-28T10:00:00Z"
"#;

    #[test]
    fn an_advisory_is_written_in_lines_and_read_as_one() {
        let advisory = Advisory::from_toml(ADVISORY, "a").unwrap();
        assert_eq!(advisory.description, "A prefix that ends in 0xff reads to the end.");
        for (from, to, wanted) in [
            ("\"<1.2.3\"", "\"<=1.2.3\"", "fixed"),
            ("\"<1.2.3\"", "", "affected"),
            ("plugin:etcd", "etcd", "plugin:NAME"),
            ("\"high\"", "\"bad\"", "unknown variant"),
            ("https://", "http://", "url"),
            ("ACME-2026-0001\"\nsubject", "../a\"\nsubject", "id"),
            ("2026-11-28T", "2026-11-28 ", "not a time"),
        ] {
            let error = Advisory::from_toml(&ADVISORY.replacen(from, to, 1), "a").unwrap_err().to_string();
            assert!(error.contains(wanted), "{to}: {error}");
        }
    }
}
