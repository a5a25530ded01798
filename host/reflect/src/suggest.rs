//! The nearest known name to one that is not known, for errors that help.

const MAX_NAME: usize = 100;

/// The known name most like `wanted`, if one is like it at all: at most a third of its letters differ, or one contains
/// the other. A name that is longer than any real one is like none: comparing it would take time and help nobody.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wanted.len() > MAX_NAME {
        return None;
    }
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

/// ` Did you mean …?` for the end of an error, or nothing.
pub fn did_you_mean<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wanted, known).map(|name| format!(" Did you mean `{name}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_name_meant() {
        let known = ["query", "query-range", "series", "labels"];
        assert_eq!(nearest("qeury", known), Some("query"));
        assert_eq!(nearest("query_range", known), Some("query-range"));
        assert_eq!(nearest("range", known), Some("query-range"));
    }

    #[test]
    fn a_name_like_no_other_suggests_nothing() {
        assert_eq!(nearest("zzz", ["query", "series"]), None);
        assert_eq!(nearest("x", []), None);
        let long = "query".repeat(1_000_000);
        assert_eq!(nearest(&long, ["query", "series"]), None);
    }
}
