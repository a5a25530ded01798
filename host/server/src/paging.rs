//! Pages of the host's own lists. The cursor is the last name of the page before, so a list that changes between two
//! pages neither repeats nor skips what stays; it is encoded so that nobody builds one by hand.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use crate::{problem::Problem, request::query::Known};

pub(crate) const DEFAULT_LIMIT: usize = 100;
pub(crate) const MAX_LIMIT: usize = 1000;

/// A part of a list, as a body.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

/// Cuts the page asked for by `cursor` and `limit` out of a list whose items differ in `name`.
pub(crate) fn page<T>(mut items: Vec<T>, name: impl Fn(&T) -> &str, query: &Known) -> Result<Page<T>, Problem> {
    let limit = limit(query.one("limit")?)?;
    let after = query.one("cursor")?.map(decode).transpose()?;
    items.sort_by(|a, b| name(a).cmp(name(b)));
    if let Some(after) = after {
        items.retain(|item| name(item) > after.as_str());
    }
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(name(last)));
    Ok(Page { items, next })
}

pub(crate) fn limit(text: Option<&str>) -> Result<usize, Problem> {
    let Some(text) = text else { return Ok(DEFAULT_LIMIT) };
    match text.parse() {
        Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        _ => Err(Problem::invalid(format!("`limit` must be a whole number from 1 to {MAX_LIMIT}")).at("/limit")),
    }
}

fn decode(cursor: &str) -> Result<String, Problem> {
    let name = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.filter(|name| !name.is_empty()).ok_or_else(|| {
        Problem::invalid("`cursor` is not the `next` of an earlier page; leave it out to start anew").at("/cursor")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["cursor", "limit"];

    fn cut(items: &[&'static str], query: &str) -> Result<Page<&'static str>, Problem> {
        page(items.to_vec(), |item| item, &Known::read(&format!("/?{query}").parse().unwrap(), KNOWN)?)
    }

    #[test]
    fn pages_follow_one_another_and_the_last_has_no_next() {
        let items = ["d", "b", "a", "c", "e"];
        let mut seen = Vec::new();
        let mut query = "limit=2".to_owned();
        loop {
            let page = cut(&items, &query).unwrap();
            seen.extend(page.items);
            let Some(next) = page.next else { break };
            query = format!("limit=2&cursor={next}");
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn a_page_that_holds_all_has_no_next() {
        assert_eq!(cut(&["a", "b"], "limit=2").unwrap().next, None);
        assert_eq!(cut(&[], "").unwrap().next, None);
    }

    #[test]
    fn an_item_removed_between_two_pages_hides_no_other() {
        let next = cut(&["a", "b", "c"], "limit=2").unwrap().next.unwrap();
        assert_eq!(cut(&["a", "c"], &format!("cursor={next}")).unwrap().items, ["c"]);
    }

    #[test]
    fn a_cursor_or_limit_of_ones_own_making_is_refused() {
        for bad in [
            "limit=0",
            "limit=1001",
            "limit=",
            "limit=x",
            "limit=-1",
            "cursor=",
            "cursor=!!",
            "cursor=_w",
            "limit=1&limit=2",
        ] {
            assert!(cut(&["a"], bad).is_err(), "{bad}");
        }
    }
}
