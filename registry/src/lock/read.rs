//! From a lock file's text to [`Lock`]. The file is written by a machine and merged by hand: whatever is not exactly as it
//! is written is refused with its line, since a key that is skipped is a check that is not made.

use std::{ops::Range, str::FromStr};

use semver::Version;
use serde::Deserialize;
use toml::Spanned;

use super::{FORM, Lock, LockedPlugin, LockedSigner};
use crate::Digest;

/// The longest lock file that is read, in bytes.
pub const MAX_LOCK_BYTES: usize = 8 * 1024 * 1024;
/// Versions of plugins in a lock.
const MAX_PLUGINS: usize = 1000;
/// A manifest asks for less than that many rights.
const MAX_RIGHTS: usize = 8192;
/// The longest text in it, in bytes.
const MAX_TEXT: usize = 4096;
/// The longest name of a plugin, and of a version: as in manifests.
const MAX_NAME: usize = 64;
/// The longest explanation, in characters: it may repeat what is in the file.
const MAX_MESSAGE: usize = 300;
/// How many digits stand for rights.
const ACCEPT_DIGITS: usize = 32;

/// Why a lock file was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}{message}; take the file as it was from version control, or write it anew with `jackfield plugin lock`",
    line.map(|line| format!("line {line}: ")).unwrap_or_default()
)]
pub struct LockError {
    /// The line, where it is one line's fault.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

/// What a lock file says of its own form, whatever else is in it.
#[derive(Deserialize)]
struct Head {
    version: Option<Spanned<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(rename = "version")]
    _version: i64,
    #[serde(default)]
    plugin: Vec<Spanned<Entry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    version: Spanned<String>,
    digest: Spanned<Digest>,
    from: Option<Spanned<String>>,
    signer: Option<Spanned<LockedSigner>>,
    #[serde(default)]
    rights: Vec<Spanned<String>>,
    accept: Option<Spanned<String>>,
}

impl LockError {
    fn new(line: Option<usize>, message: &str) -> Self {
        let mut shown: String = message.chars().take(MAX_MESSAGE).collect();
        if shown.len() < message.len() {
            shown.push('…');
        }
        Self { line, message: shown }
    }
}

impl FromStr for Lock {
    type Err = LockError;

    fn from_str(text: &str) -> Result<Self, LockError> {
        if text.len() > MAX_LOCK_BYTES {
            let message = format!("it has {} bytes; at most {MAX_LOCK_BYTES} are read", text.len());
            return Err(LockError::new(None, &message));
        }
        let lines = Lines(text);
        // Said first: what a later form has more is no fault of this one.
        let head: Head = toml::from_str(text).map_err(|error| lines.not_toml(&error))?;
        match head.version {
            Some(version) if version.get_ref().as_integer() == Some(FORM) => {}
            Some(version) => {
                let message = format!("its form is {}, and this Jackfield reads form {FORM}", version.get_ref());
                return Err(lines.error(&version.span(), &message));
            }
            None => {
                let message = format!("it does not say `version = {FORM}`, as lock files do");
                return Err(LockError::new(None, &message));
            }
        }
        let text: Text = toml::from_str(text).map_err(|error| lines.not_toml(&error))?;
        if text.plugin.len() > MAX_PLUGINS {
            let message = format!("it locks {} versions of plugins; at most {MAX_PLUGINS} are read", text.plugin.len());
            return Err(LockError::new(None, &message));
        }
        let mut lock = Self::default();
        for entry in text.plugin {
            let at = entry.span();
            let plugin = lines.plugin(entry.into_inner(), &at)?;
            let id = plugin.id();
            if lock.insert(plugin).is_some() {
                return Err(lines.error(&at, &format!("`{id}` is locked twice")));
            }
        }
        Ok(lock)
    }
}

/// The text, to tell lines by.
struct Lines<'t>(&'t str);

impl Lines<'_> {
    fn error(&self, at: &Range<usize>, message: &str) -> LockError {
        let before = self.0.as_bytes().get(..at.start).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        LockError::new(Some(line), message)
    }

    fn not_toml(&self, error: &toml::de::Error) -> LockError {
        match error.span() {
            Some(span) => self.error(&span, error.message()),
            None => LockError::new(None, error.message()),
        }
    }

    fn plugin(&self, entry: Entry, at: &Range<usize>) -> Result<LockedPlugin, LockError> {
        let name = self.text("name", entry.name, MAX_NAME)?;
        let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
        if !starts_well || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Err(self.error(at, "`name` is not that of a plugin: lower-case letters, digits and `-`"));
        }
        let wrong = |error: semver::Error| self.error(at, &format!("`version` of `{name}` is no version: {error}"));
        let version = Version::parse(&self.text("version", entry.version, MAX_NAME)?).map_err(wrong)?;
        if entry.rights.len() > MAX_RIGHTS {
            let message = format!("`{name}` has {} rights; at most {MAX_RIGHTS} are read", entry.rights.len());
            return Err(self.error(at, &message));
        }
        let rights = entry.rights.into_iter().map(|right| self.text("rights", right, MAX_TEXT));
        let accept = entry.accept.map(|accept| self.accept(accept)).transpose()?;
        let rights = rights.collect::<Result<Vec<_>, _>>()?;
        if rights.is_empty() != accept.is_none() {
            return Err(self.error(at, &format!("`{name}` has `rights` without `accept`, or the other way round")));
        }
        Ok(LockedPlugin {
            version,
            digest: entry.digest.into_inner(),
            from: entry.from.map(|from| self.text("from", from, MAX_TEXT)).transpose()?,
            signer: entry.signer.map(|signer| self.signer(signer)).transpose()?,
            rights,
            accept,
            name,
        })
    }

    fn signer(&self, signer: Spanned<LockedSigner>) -> Result<LockedSigner, LockError> {
        if let LockedSigner::Identity { issuer, subject } = signer.get_ref() {
            for text in [issuer, subject] {
                self.text("signer", Spanned::new(signer.span(), text.clone()), MAX_TEXT)?;
            }
        }
        Ok(signer.into_inner())
    }

    fn accept(&self, accept: Spanned<String>) -> Result<String, LockError> {
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if accept.get_ref().len() != ACCEPT_DIGITS || !digits(accept.get_ref()) {
            return Err(self.error(&accept.span(), &format!("`accept` is not {ACCEPT_DIGITS} digits of 0-9 and a-f")));
        }
        Ok(accept.into_inner())
    }

    /// One line of text.
    fn text(&self, key: &str, text: Spanned<String>, most: usize) -> Result<String, LockError> {
        let found = text.get_ref();
        let wrong = match found.len() {
            0 => "is empty".to_owned(),
            length if length > most => format!("has {length} bytes, and at most {most} are read"),
            _ if found.chars().any(char::is_control) => "has control characters".to_owned(),
            _ => return Ok(text.into_inner()),
        };
        Err(self.error(&text.span(), &format!("`{key}` {wrong}")))
    }
}
