//! What operators see of the journal, and how they settle what nobody else can.

use std::time::Duration;

use jackfield_store::Bucket;

use super::{
    Known, claim,
    entry::{End, Entry, Id, at_prefix, done_prefix, open_prefix, time_and_key},
    known,
};
use crate::{
    Error, ErrorKind, ErrorSource, EventKind, JournaledWrite, Resolution, Result, WriteState,
    clock::now_ms,
    faults,
    integrations::Integration,
    shared::{About, Shared},
};

/// How long whoever settles a write waits for his turn.
const TURN: Duration = Duration::from_secs(1);
/// Read of the store at once.
const AT_ONCE: usize = 256;

/// The writes of one integration or of all: those that are open, oldest first, or also the latest that are settled,
/// newest first; at most `limit` of either of one integration.
pub(crate) async fn list(
    shared: &Shared,
    integration: Option<&str>,
    unknown_only: bool,
    limit: usize,
) -> Result<Vec<JournaledWrite>> {
    let view = shared.view.load_full();
    let wanted: Vec<_> = match integration {
        Some(name) => vec![view.integration(name)?.clone()],
        None => view.integrations.values().cloned().collect(),
    };
    let mut writes = Vec::new();
    for integration in wanted {
        writes.extend(open(shared, &integration, unknown_only, limit).await?);
        if !unknown_only {
            writes.extend(settled(shared, &integration, limit).await?);
        }
        if writes.len() >= limit {
            break;
        }
    }
    writes.truncate(limit);
    Ok(writes)
}

async fn open(
    shared: &Shared,
    integration: &Integration,
    unknown_only: bool,
    limit: usize,
) -> Result<Vec<JournaledWrite>> {
    let prefix = open_prefix(&integration.record.incarnation);
    let mut writes = Vec::new();
    let mut after: Option<String> = None;
    while writes.len() < limit {
        let page = shared.store.list(Bucket::Journal, &prefix, after.as_deref(), AT_ONCE).await;
        let page = page.map_err(faults::store)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (at, record) in page {
            let Some(key) = at.strip_prefix(&prefix) else { continue };
            let write = told(shared, integration, key, Entry::decode(record)?.0);
            if !unknown_only || write.state == WriteState::Unknown {
                writes.push(write);
            }
        }
    }
    writes.sort_by_key(|write| write.began_at);
    Ok(writes)
}

/// The latest that are settled. Their times are read from the first on, since a store knows no other direction; there
/// are as many as are remembered, and each is a few bytes.
async fn settled(shared: &Shared, integration: &Integration, limit: usize) -> Result<Vec<JournaledWrite>> {
    let incarnation = &integration.record.incarnation;
    let prefix = at_prefix(incarnation);
    let mut latest = std::collections::VecDeque::with_capacity(limit.min(1024) + 1);
    let mut after: Option<String> = None;
    loop {
        let page = shared.store.list(Bucket::Journal, &prefix, after.as_deref(), 4096).await.map_err(faults::store)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (at, _) in page {
            if latest.len() == limit {
                latest.pop_front();
            }
            latest.push_back(at);
        }
    }
    let mut writes = Vec::with_capacity(latest.len());
    for at in latest.iter().rev() {
        let Some((_, key)) = time_and_key(incarnation, at) else { continue };
        let done = shared.store.get(Bucket::Journal, &(done_prefix(incarnation) + key)).await.map_err(faults::store)?;
        // Forgotten meanwhile.
        let Some(record) = done else { continue };
        writes.push(told(shared, integration, key, Entry::decode(record)?.0));
    }
    Ok(writes)
}

/// One write.
pub(crate) async fn show(shared: &Shared, integration: &str, key: &str) -> Result<JournaledWrite> {
    let integration = shared.view.load().integration(integration)?.clone();
    let id = id(&integration, key);
    match known(&*shared.store, &id).await? {
        Known::Open(entry, _) | Known::Done(entry, _) => Ok(told(shared, &integration, key, entry)),
        Known::Nothing => Err(none(&integration, key)),
    }
}

/// Settles an open write as somebody found it.
pub(crate) async fn resolve(
    shared: &Shared,
    integration: &str,
    key: &str,
    resolution: Resolution,
) -> Result<JournaledWrite> {
    let integration = shared.view.load().integration(integration)?.clone();
    let id = id(&integration, key);
    // Not while it is carried out, but in turn with whoever sends it again and again.
    let claim = claim(&shared.journal.taken, &id, TURN).await?;
    let before = match known(&*shared.store, &id).await? {
        Known::Open(entry, _) => entry,
        Known::Done(entry, _) => {
            let state = told(shared, &integration, key, entry).state;
            let message = format!("this write is not of unknown outcome: it is `{}`", state.as_str());
            return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message));
        }
        Known::Nothing => return Err(none(&integration, key)),
    };
    let (mutations, entry, said) = match resolution {
        Resolution::Applied => {
            let entry = Entry {
                ended_at: Some(now_ms()),
                end: Some(End::FoundApplied),
                message: Some("an operator found that it was carried out".to_owned()),
                ..before
            };
            (id.settle(&entry, &[])?, entry, "was carried out")
        }
        Resolution::NotApplied => {
            let message = Some("an operator found that it was not carried out; its key may be used again".to_owned());
            let entry = Entry { ended_at: Some(now_ms()), message, ..before };
            (vec![id.unnote()], entry, "was not carried out")
        }
    };
    let message =
        format!("an operator found that the write `{key}` (`{}`) of `{}` {said}", entry.action, integration.name);
    let work = async {
        shared.store.commit(mutations).await.map_err(faults::store)?;
        Ok(((), message.clone()))
    };
    shared.act(EventKind::WriteResolved, About::integration(&integration.name), &message, work).await?;
    let mut told = told(shared, &integration, key, entry);
    drop(claim);
    told.state = match resolution {
        Resolution::Applied => WriteState::Applied,
        Resolution::NotApplied => WriteState::NotApplied,
    };
    Ok(told)
}

fn id(integration: &Integration, key: &str) -> Id {
    Id { incarnation: integration.record.incarnation.clone(), key: key.to_owned() }
}

fn none(integration: &Integration, key: &str) -> Error {
    let key: String = key.chars().take(80).collect();
    Error::not_found(format!(
        "`{}` knows no write with the key `{key}`; settled ones are remembered for a day, see `jackfield operation list`",
        integration.name
    ))
}

fn told(shared: &Shared, integration: &Integration, key: &str, entry: Entry) -> JournaledWrite {
    let state = match &entry.end {
        None if shared.journal.taken.has(&id(integration, key)) => WriteState::Running,
        None => WriteState::Unknown,
        Some(End::Failed(_)) => WriteState::NotApplied,
        Some(_) => WriteState::Applied,
    };
    let message = match (&entry.end, entry.message) {
        (_, Some(message)) => Some(message),
        (Some(End::Failed(failure)), None) => Some(failure.message.clone()),
        (None, None) if state == WriteState::Unknown => {
            Some("the host or the caller went away while it was carried out".to_owned())
        }
        _ => None,
    };
    JournaledWrite {
        integration: integration.name.to_string(),
        key: key.to_owned(),
        action: entry.action,
        state,
        began_at: entry.began_at,
        ended_at: entry.ended_at,
        attempts: entry.attempts,
        plugin_digest: entry.plugin_digest,
        message,
    }
}
