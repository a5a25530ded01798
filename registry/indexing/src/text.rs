//! Bounds of what stands in an index. Texts are shown on terminals and pages, so each is one line that cannot pass for
//! another.

/// The longest name of a plugin or an index, in bytes: as in manifests.
const MAX_NAME: usize = 63;
/// The longest description of a plugin, reason or title, in bytes.
pub(crate) const MAX_LINE: usize = 500;
/// The longest description of an advisory, and the longest right, in bytes.
pub(crate) const MAX_PROSE: usize = 4096;

/// A member, and what is wrong with it.
pub(crate) type Fault = (String, String);

/// Whether a text is the name of a plugin, or may be one of an index.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    name.len() <= MAX_NAME && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(plain)
}

/// Holds a text against the form of names.
pub(crate) fn name(place: &str, name: &str) -> Result<(), Fault> {
    if is_name(name) {
        return Ok(());
    }
    let message =
        format!("is not a name: at most {MAX_NAME} lower-case letters, digits and `-`, starting with a letter");
    Err((place.to_owned(), message))
}

/// Holds a text against the form of one line.
pub(crate) fn line(place: &str, text: &str, most: usize) -> Result<(), Fault> {
    let message = match text.len() {
        _ if text.trim().is_empty() => "is empty".to_owned(),
        size if size > most => format!("has {size} bytes, and at most {most} are read"),
        _ if text.chars().any(hides) => "has control characters; it is one line of plain text".to_owned(),
        _ => return Ok(()),
    };
    Err((place.to_owned(), message))
}

/// Holds a text that may be absent against the form of one line.
pub(crate) fn optional(place: &str, text: Option<&String>, most: usize) -> Result<(), Fault> {
    text.map_or(Ok(()), |text| line(place, text, most))
}

/// Holds a count against its bound.
pub(crate) fn at_most(place: &str, count: usize, most: usize) -> Result<(), Fault> {
    if count <= most {
        Ok(())
    } else {
        Err((place.to_owned(), format!("has {count} items, and at most {most} are read")))
    }
}

/// The same fault of a member within another.
pub(crate) fn within(place: &str) -> impl Fn(Fault) -> Fault {
    move |(inner, message)| (format!("{place}.{inner}"), message)
}

/// Whether a character moves or hides others.
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}')
}
