//! Secrets on their way in: from a prompt that shows nothing, a file, or standard input. Never from an argument, which every
//! program on the machine could read.

use std::{
    io::{IsTerminal as _, Read as _},
    path::Path,
};

use jackfield_core::Secret;

use crate::failure::Failure;

/// The longest secret, in bytes.
const MOST: u64 = 64 << 10;
/// The longest file that a secret is a part of.
const MOST_LONG: u64 = 1 << 20;

/// Asks for a secret.
pub(crate) fn ask(what: &str) -> Result<Secret, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("{what} is needed, and there is no terminal to ask on; give it in a file")));
    }
    rpassword::prompt_password(format!("{what}: "))
        .map(Secret::from)
        .map_err(|error| Failure::Failed(format!("{what} cannot be asked for: {error}")))
}

/// Asks for a secret that is going to be needed again.
pub(crate) fn ask_twice(what: &str) -> Result<Secret, Failure> {
    let (first, second) = (ask(what)?, ask(&format!("{what}, once more"))?);
    if first.expose() == second.expose() {
        return Ok(first);
    }
    Err(Failure::Usage(format!("{what}: the two are not the same; try again")))
}

/// The secret in a file. `line`: it is one line, whose end does not belong to it.
pub(crate) fn from_file(path: &Path, line: bool) -> Result<Secret, Failure> {
    in_file(path, line, MOST).map_err(Failure::Usage)
}

/// A file of which only a part is secret, or sent anywhere.
pub(crate) fn from_long_file(path: &Path) -> Result<Secret, Failure> {
    in_file(path, false, MOST_LONG).map_err(Failure::Usage)
}

/// A file that another one names, or why it cannot be used.
pub(crate) fn in_named_file(path: &Path) -> Result<Secret, String> {
    in_file(path, false, MOST)
}

fn in_file(path: &Path, line: bool, most: u64) -> Result<Secret, String> {
    let unreadable = |reason: String| format!("{} cannot be used: {reason}", path.display());
    let file = std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    read(file, line, most).map_err(unreadable)
}

/// The secret on standard input.
pub(crate) fn from_stdin(line: bool) -> Result<Secret, Failure> {
    read(std::io::stdin().lock(), line, MOST)
        .map_err(|reason| Failure::Usage(format!("standard input cannot be used: {reason}")))
}

fn read(source: impl std::io::Read, line: bool, most: u64) -> Result<Secret, String> {
    // All the room at once: growing would leave copies behind.
    let mut bytes = Vec::with_capacity(usize::try_from(most).unwrap_or(usize::MAX) + 1);
    source.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let mut end = bytes.len();
    if line {
        for terminator in [b'\n', b'\r'] {
            end -= usize::from(bytes.get(..end).is_some_and(|bytes| bytes.ends_with(&[terminator])));
        }
    }
    let secret = Secret::from(bytes.get(..end).unwrap_or_default());
    let long = bytes.len() as u64 > most;
    drop(Secret::from(bytes));
    if long { Err(format!("it is longer than {} KiB", most >> 10)) } else { Ok(secret) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_line_does_not_belong_to_a_secret_that_is_one() {
        for (text, line, expected) in [
            ("a b\n", true, "a b"),
            ("a\r\n", true, "a"),
            ("a\n\n", true, "a\n"),
            ("a", true, "a"),
            ("\n", true, ""),
            ("a\n", false, "a\n"),
        ] {
            assert_eq!(read(text.as_bytes(), line, MOST).unwrap().expose_str(), Some(expected), "{text:?}");
        }
        assert!(read(&vec![b'a'; 65_537][..], false, MOST).is_err());
    }
}
