//! The known name nearest to one that is not known.

/// The known name most like `wanted`, where at most a third of the letters differ or one contains the other.
pub(crate) fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    known
        .into_iter()
        .filter_map(|name| {
            let distance = strsim::damerau_levenshtein(&wanted, &name.to_lowercase());
            let contained = wanted.len() > 2 && (name.contains(&wanted) || wanted.contains(name));
            let close = distance * 3 <= wanted.chars().count().max(name.chars().count());
            (close || contained).then_some((distance, name))
        })
        .min()
        .map(|(_, name)| name)
}

/// The end of a sentence that names what is not known: the nearest name, or else all there are.
pub(crate) fn hint<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(name) = nearest(wanted, known.clone()) {
        return format!("; did you mean `{name}`?");
    }
    let all: Vec<_> = known.into_iter().map(|name| format!("`{name}`")).collect();
    if all.is_empty() { "; there are none".into() } else { format!("; there are {}", all.join(", ")) }
}
