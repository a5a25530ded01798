//! Silences. A silence's revision, for preconditions, is its `updated-at` as decimal digits.

mod claim;
mod create;
mod expire;
mod once;
mod remote;
mod wanted;

use jackfield_sdk::matchers::parse_all;
use jackfield_sdk::paging::paginate;
use jackfield_sdk::prelude::*;

use crate::api::Api;
use crate::wit::Silences;
use crate::wit::silences::{SilenceInfo, SilencePage, SilenceSpec, SilenceState};
use remote::Silence;

impl Silences for crate::Alertmanager {
    fn list_silences(matchers: Vec<String>, state: Option<SilenceState>, page: Page) -> Result<SilencePage> {
        let wanted = parse_all(&matchers, "/matchers")?;
        let mut found = remote::list(&Api::open()?)?;
        // Alertmanager's own filter compares texts and takes `a="b"` and `a=~"b"` for the same.
        found.retain(|silence| {
            state.is_none_or(|wanted| silence.info.state == wanted)
                && wanted.iter().all(|matcher| silence.matchers.contains(matcher))
        });
        found.sort_by(|one, other| order(&one.info).cmp(&order(&other.info)));
        let (items, next) = paginate(found, &page, crate::alerts::PAGE)?;
        Ok(SilencePage { items: items.into_iter().map(|silence| silence.info).collect(), next })
    }

    fn get_silence(id: String) -> Result<SilenceInfo> {
        Ok(remote::get(&Api::open()?, &id)?.info)
    }

    fn silence(silence: SilenceSpec, options: WriteOptions) -> Result<SilenceInfo> {
        create::silence(silence, &options)
    }

    fn expire(id: String, options: WriteOptions) -> Result<SilenceInfo> {
        expire::expire(&id, &options)
    }
}

/// What holds now comes first, by its end; what is over comes last, the latest first.
fn order(info: &SilenceInfo) -> (u8, TimestampMs, &str) {
    match info.state {
        SilenceState::Active => (0, info.ends_at, &info.id),
        SilenceState::Pending => (1, info.starts_at, &info.id),
        SilenceState::Expired => (2, info.ends_at.saturating_neg(), &info.id),
    }
}

/// What preconditions are held against.
fn revision(silence: &Silence) -> String {
    silence.info.updated_at.to_string()
}
