//! The silences that Alertmanager has.

use jackfield_sdk::matchers::Matcher;
use jackfield_sdk::prelude::*;

use super::wanted::Wanted;
use crate::api::{Api, check};
use crate::wire::{Made, SilenceItem};
use crate::wit::silences::SilenceInfo;

/// A silence, and its matchers as more than texts.
#[derive(Clone, Debug)]
pub(crate) struct Silence {
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) info: SilenceInfo,
}

impl From<SilenceItem> for Silence {
    fn from(item: SilenceItem) -> Self {
        let matchers: Vec<Matcher> = item.matchers.into_iter().map(Matcher::from).collect();
        let info = SilenceInfo {
            id: item.id,
            matchers: matchers.iter().map(Matcher::to_string).collect(),
            starts_at: item.starts_at.0,
            ends_at: item.ends_at.0,
            created_by: item.created_by,
            comment: item.comment,
            state: item.status.state,
            updated_at: item.updated_at.0,
        };
        Self { matchers, info }
    }
}

/// All of them, also those that are over and not forgotten yet.
pub(crate) fn list(api: &Api) -> Result<Vec<Silence>> {
    let found: Vec<SilenceItem> = api.get("/api/v2/silences", "")?.json()?;
    Ok(found.into_iter().map(Silence::from).collect())
}

/// The one with this id.
pub(crate) fn get(api: &Api, id: &str) -> Result<Silence> {
    let missing = || {
        Error::not_found(format!("there is no silence `{id}`; Alertmanager may have forgotten one that is long over"))
    };
    if !is_id(id) {
        return Err(missing());
    }
    match api.get(&path(id), "/id") {
        Ok(response) => Ok(response.json::<SilenceItem>()?.into()),
        Err(error) if error.is_not_found() => Err(Error { message: missing().message, ..error }),
        Err(error) => Err(error),
    }
}

/// The one that is what is wanted: with the same matchers, times, author and comment, and not over, unless the request was
/// sent before. Of several, which only another client can have made, the one that began first.
pub(crate) fn find(api: &Api, wanted: &Wanted, sent_before: bool) -> Result<Option<Silence>> {
    let now = time::now_ms();
    let mut same: Vec<Silence> =
        list(api)?.into_iter().filter(|silence| wanted.is(silence, now, sent_before)).collect();
    same.sort_by(|one, other| (one.info.starts_at, &one.info.id).cmp(&(other.info.starts_at, &other.info.id)));
    Ok(same.into_iter().next())
}

/// Makes one and returns its id. This is the request that must not be sent twice.
pub(crate) fn make(api: &Api, wanted: &Wanted) -> Result<String> {
    let request = api.post("/api/v2/silences").json(&wanted.request());
    let made: Made = check(request.send()?, "/silence/matchers")?.json()?;
    Ok(made.id)
}

/// Ends one.
pub(crate) fn end(api: &Api, id: &str) -> Result<()> {
    check(api.delete(&path(id)).send()?, "/id").map(drop)
}

/// Has Alertmanager judge a regular expression: filters are read in the same way as a silence's matchers.
pub(crate) fn judge(api: &Api, matcher: &Matcher, field: &str) -> Result<()> {
    api.fetch(api.reading("/api/v2/silences").query("filter", matcher), field).map(drop)
}

fn path(id: &str) -> String {
    format!("/api/v2/silence/{id}")
}

/// Whether it has the form of a UUID. Alertmanager calls anything else a wrong request rather than an unknown silence,
/// and so it goes into a path as it is.
fn is_id(id: &str) -> bool {
    let hyphens = [8, 13, 18, 23];
    id.len() == 36
        && id.bytes().enumerate().all(|(at, b)| if hyphens.contains(&at) { b == b'-' } else { b.is_ascii_hexdigit() })
}
