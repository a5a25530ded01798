//! The known name nearest to one that is not known.

pub(crate) use jackfield_core::nearest;

/// The end of a sentence that names what is not known: the nearest name, or else all there are.
pub(crate) fn hint<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(name) = nearest(wanted, known.clone()) {
        return format!("; did you mean `{name}`?");
    }
    let all: Vec<_> = known.into_iter().map(|name| format!("`{name}`")).collect();
    if all.is_empty() { "; there are none".into() } else { format!("; there are {}", all.join(", ")) }
}
