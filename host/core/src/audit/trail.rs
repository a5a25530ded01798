//! The trail as it is stored: lines in blocks, one a commit, by the number of their first; and beside them how far it has
//! come and where it begins.

use std::sync::Arc;

use jackfield_audit::{Chain, Head, Key};
use jackfield_store::{Bucket, Store};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::{Error, Result, clock::now_ms, faults};

/// Where it stands how far the trail has come, in [`Bucket::Meta`].
pub(super) const STATE: &str = "audit/state";
/// Blocks read at once.
const BLOCKS: usize = 16;
/// Records looked through at once, from the newest back.
const SPAN: u64 = 2048;

/// How far the trail has come, and where it begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct State {
    pub(super) chain: String,
    /// What it is signed with, in hexadecimal.
    pub(super) key: String,
    /// The head before the first line that is kept.
    pub(super) before: Head,
    pub(super) head: Head,
    /// Of all lines that are kept.
    pub(super) bytes: u64,
}

/// Some records, and where to go on.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AuditPage {
    /// The records as they are stored, newest first.
    pub items: Vec<Box<RawValue>>,
    /// The number of the last of them, for the next page: records before it.
    pub next: Option<u64>,
}

/// A block's key.
pub(super) fn key(first: u64) -> String {
    format!("{first:020}")
}

/// How far the trail has come.
pub(super) async fn state(store: &dyn Store) -> Result<Option<(State, u64)>> {
    let Some(stored) = store.get(Bucket::Meta, STATE).await.map_err(faults::store)? else { return Ok(None) };
    let state = serde_json::from_slice(&stored.value)
        .map_err(|error| Error::internal(format!("how far the audit trail has come cannot be read: {error}")))?;
    Ok(Some((state, stored.revision)))
}

/// Records before a number, newest first, that `wanted` wants.
pub(crate) async fn page(
    store: &Arc<dyn Store>,
    before: Option<u64>,
    limit: usize,
    wanted: impl Fn(&str) -> bool,
) -> Result<AuditPage> {
    let mut page = AuditPage { items: Vec::new(), next: None };
    let Some((state, _)) = state(&**store).await? else { return Ok(page) };
    let mut end = before.unwrap_or(u64::MAX).min(state.head.seq + 1);
    while end > state.before.seq + 1 {
        let start = end.saturating_sub(SPAN).max(state.before.seq + 1);
        let lines = lines(store, start, end).await?;
        // A block that begins before the span is read with the next one.
        end = lines.first().map_or(start, |(seq, _)| *seq);
        for (seq, line) in lines.into_iter().rev() {
            if !wanted(&line) {
                continue;
            }
            if page.items.len() == limit {
                return Ok(page);
            }
            let item = RawValue::from_string(line);
            page.items.push(item.map_err(|error| Error::internal(format!("a record cannot be read: {error}")))?);
            page.next = Some(seq);
        }
    }
    page.next = None;
    Ok(page)
}

/// The lines of the blocks that begin in a span of numbers, as far as they are in it.
async fn lines(store: &Arc<dyn Store>, start: u64, end: u64) -> Result<Vec<(u64, String)>> {
    let (mut lines, mut after) = (Vec::new(), key(start.saturating_sub(1)));
    loop {
        let blocks = store.list(Bucket::Audit, "", Some(&after), BLOCKS).await.map_err(faults::store)?;
        let Some((last, _)) = blocks.last() else { return Ok(lines) };
        after.clone_from(last);
        for (first, block) in blocks {
            let first = first.parse::<u64>().unwrap_or(u64::MAX);
            if first >= end {
                return Ok(lines);
            }
            let text = String::from_utf8_lossy(&block.value);
            let numbered = (first..end).zip(text.lines());
            lines.extend(numbered.map(|(seq, line)| (seq, line.to_owned())));
        }
    }
}

/// The whole trail, signed at its end: a header, every record, an end. Piece by piece, as fast as they are taken.
pub(crate) async fn export(store: &dyn Store, key: &Key, pieces: &mpsc::Sender<Result<String>>) -> Result<()> {
    let Some((state, _)) = state(store).await? else { return Ok(()) };
    let chain = Chain::resume(state.chain, key, state.head);
    let gone = |_| Error::internal("nobody reads on");
    pieces.send(Ok(chain.header_after(&state.before).to_line())).await.map_err(gone)?;
    // As they are now: what was let go of meanwhile is missed, and whoever verifies is told so.
    let mut after: Option<String> = None;
    'blocks: loop {
        let blocks = store.list(Bucket::Audit, "", after.as_deref(), BLOCKS).await.map_err(faults::store)?;
        let Some((last, _)) = blocks.last() else { break };
        after = Some(last.clone());
        for (first, block) in blocks {
            // What was stored after the state was read is not part of it.
            if first.parse::<u64>().is_ok_and(|first| first > chain.head().seq) {
                break 'blocks;
            }
            let text = String::from_utf8(block.value);
            let text = text.map_err(|_| Error::internal("a block of the audit trail is no text"))?;
            pieces.send(Ok(text)).await.map_err(gone)?;
        }
    }
    pieces.send(Ok(chain.close(now_ms(), key))).await.map_err(gone)
}
