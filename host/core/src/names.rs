//! Names and labels: what they may look like, and what to say of one that is not known.

use std::collections::BTreeMap;

use jackfield_reflect::did_you_mean;

use crate::{Error, Result};

/// The most labels of one integration.
const MAX_LABELS: usize = 64;

/// Checks an integration's name: `[a-z][a-z0-9-]{0,62}`. It is part of addresses, metrics and file names.
pub(crate) fn integration(name: &str) -> Result<()> {
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if begins && rest && name.len() <= 63 {
        return Ok(());
    }
    let shown: String = name.chars().take(80).collect();
    let message = format!(
        "`{shown}` cannot be an integration's name: use 1 to 63 lower-case letters, digits and `-`, starting with a letter"
    );
    Err(Error::invalid(message).at("/name"))
}

/// Checks labels: what a person or a program could mistake for something else is refused.
pub(crate) fn labels(labels: &BTreeMap<String, String>) -> Result<()> {
    if labels.len() > MAX_LABELS {
        return Err(Error::invalid(format!("{} labels; at most {MAX_LABELS} are kept", labels.len())).at("/labels"));
    }
    for (name, value) in labels {
        let named = !name.is_empty()
            && name.len() <= 63
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/'));
        let shown: String = name.chars().take(80).collect();
        if !named {
            let message =
                format!("`{shown}` cannot be a label's name: use 1 to 63 letters, digits, `-`, `_`, `.` and `/`");
            return Err(Error::invalid(message).at("/labels"));
        }
        if value.len() > 255 || value.chars().any(char::is_control) {
            let message =
                format!("the label `{shown}` has a value that is longer than 255 bytes or not one line of text");
            return Err(Error::invalid(message).at(format!("/labels/{}", pointer(name))));
        }
    }
    Ok(())
}

/// One segment of a JSON Pointer.
pub(crate) fn pointer(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

/// `what` of this name is not known; says which one may have been meant, or which there are.
pub(crate) fn unknown<'a>(what: &str, wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
    let known: Vec<&str> = known.into_iter().collect();
    let shown: String = wanted.chars().take(80).collect();
    let hint = match did_you_mean(&shown, known.iter().copied()) {
        hint if !hint.is_empty() => hint,
        _ if known.is_empty() => format!(" There is no {what} yet."),
        _ => {
            let more = if known.len() > 8 { ", …" } else { "" };
            let some: Vec<String> = known.iter().take(8).map(|name| format!("`{name}`")).collect();
            let verb = if known.len() == 1 { "is" } else { "are" };
            format!(" There {verb} {}{more}.", some.join(", "))
        }
    };
    Error::not_found(format!("there is no {what} `{shown}`.{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_mistaken_for_something_else_are_refused() {
        for name in ["a", "prom", "prod-k8s-2", &"a".repeat(63)] {
            assert!(integration(name).is_ok(), "{name}");
        }
        for name in ["", "-a", "1a", "A", "a_b", "a b", "a/b", "../a", "ä", &"a".repeat(64)] {
            let error = integration(name).unwrap_err();
            assert_eq!(error.field.as_deref(), Some("/name"), "{name}");
        }
    }

    #[test]
    fn labels_are_one_line_of_bounded_length() {
        let check = |name: &str, value: &str| labels(&BTreeMap::from([(name.to_owned(), value.to_owned())]));
        assert!(check("app.kubernetes.io/name", "Straße 1").is_ok());
        assert_eq!(check("a/b", "x\ny").unwrap_err().field.as_deref(), Some("/labels/a~1b"));
        assert!(check("", "x").is_err() && check("a b", "x").is_err() && check("a", &"x".repeat(256)).is_err());
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest_or_with_those_there_are() {
        let said = |wanted: &str, known: &[&str]| unknown("integration", wanted, known.iter().copied()).message;
        assert!(said("pron", &["prom", "etcd"]).ends_with("Did you mean `prom`?"));
        assert!(said("zzz", &["prom", "etcd"]).ends_with("There are `prom`, `etcd`."));
        assert!(said("zzz", &[]).ends_with("There is no integration yet."));
    }
}
