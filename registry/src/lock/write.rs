//! A lock file's text. The same lock is the same bytes on every machine and in every release: a lock file is compared and
//! merged line by line, and a line that changes without a reason is one that nobody reads any more.

use std::fmt::{self, Write as _};

use super::{FORM, Lock, LockedPlugin, LockedSigner};

const HEAD: &str = "\
# Written by `jackfield plugin lock` and `jackfield plugin install --lock`; not by hand.
# `jackfield plugin install --locked` installs exactly this, and refuses whatever differs.
";

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}version = {FORM}")?;
        self.iter().try_for_each(|plugin| entry(f, plugin))
    }
}

fn entry(f: &mut fmt::Formatter<'_>, plugin: &LockedPlugin) -> fmt::Result {
    let LockedPlugin { name, version, digest, from, signer, rights, accept } = plugin;
    writeln!(f, "\n[[plugin]]")?;
    writeln!(f, "name = {}", quoted(name))?;
    writeln!(f, "version = {}", quoted(&version.to_string()))?;
    writeln!(f, "digest = {}", quoted(&digest.to_string()))?;
    if let Some(from) = from {
        writeln!(f, "from = {}", quoted(from))?;
    }
    match signer {
        None => {}
        Some(LockedSigner::Key { fingerprint }) => {
            writeln!(f, "signer = {{ kind = \"key\", fingerprint = {} }}", quoted(&fingerprint.to_string()))?;
        }
        Some(LockedSigner::Identity { issuer, subject }) => {
            let (issuer, subject) = (quoted(issuer), quoted(subject));
            writeln!(f, "signer = {{ kind = \"identity\", issuer = {issuer}, subject = {subject} }}")?;
        }
    }
    if !rights.is_empty() {
        writeln!(f, "rights = [")?;
        rights.iter().try_for_each(|right| writeln!(f, "  {},", quoted(right)))?;
        writeln!(f, "]")?;
    }
    match accept {
        Some(accept) => writeln!(f, "accept = {}", quoted(accept)),
        None => Ok(()),
    }
}

/// A text as one of TOML's basic strings.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
