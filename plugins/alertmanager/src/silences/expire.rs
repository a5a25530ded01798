//! Ending a silence. That is the same however often it is asked for, so a key only has to tell another request apart, and
//! let one that comes again pass the precondition, which its own first effect has changed.

use jackfield_sdk::prelude::*;

use super::once::{Fingerprint, Known, Once};
use super::{remote, revision};
use crate::api::Api;
use crate::wit::silences::{SilenceInfo, SilenceState};

pub(crate) fn expire(id: &str, options: &WriteOptions) -> Result<SilenceInfo> {
    let once = Once::new(options, Fingerprint::new("expire").with(id))?;
    let tried = once.known()? != Known::New;
    let api = Api::open()?;
    let found = remote::get(&api, id)?;
    if !tried {
        options.check(&format!("the silence `{id}`"), Some(&revision(&found)))?;
    }
    let over = found.info.state == SilenceState::Expired;
    if options.dry_run {
        return Ok(if over { found.info } else { ended(found.info) });
    }
    if !tried {
        once.remember(id)?;
    }
    if over {
        return Ok(found.info);
    }
    let sent = remote::end(&api, id);
    // Whatever came of it: it is over, or it is not.
    match (remote::get(&api, id), sent) {
        (Ok(now), _) if now.info.state == SilenceState::Expired => Ok(now.info),
        (_, Ok(())) => Ok(ended(found.info)),
        (_, Err(error)) => Err(error),
    }
}

/// What becomes of a silence that is ended now.
fn ended(info: SilenceInfo) -> SilenceInfo {
    let now = time::now_ms();
    SilenceInfo {
        state: SilenceState::Expired,
        starts_at: info.starts_at.min(now),
        ends_at: now,
        updated_at: now,
        ..info
    }
}
