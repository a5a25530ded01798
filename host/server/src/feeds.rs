//! Change feeds as server-sent events. The host runs the polling loop; here its batches become `change` events. The
//! cursor is the `id` of a batch's last change only: a client that is cut off within a batch must get the whole batch
//! again, since the cursor continues after all of it.

use std::future::ready;

use axum::response::Response;
use futures_util::StreamExt as _;
use http::{HeaderMap, Uri};
use jackfield_core::{ChangeBatch, WatchRequest};
use jackfield_reflect::Operation;
use serde_json::Value;

use crate::{
    calls::OperationPath,
    deprecation,
    problem::Problem,
    request::{headers, query},
    sse::{self, Frame},
    state::App,
};

/// The parameters that the loop sets, not the client.
const LOOP_PARAMS: [&str; 2] = ["cursor", "wait-ms"];

/// Opens a feed. `Last-Event-ID` goes before `cursor`: a client that reconnects sends its first address again, but has
/// seen more since.
pub(crate) fn open(
    app: &App,
    path: OperationPath,
    operation: &Operation,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (own, pairs): (Vec<_>, Vec<_>) =
        query::pairs(uri)?.into_iter().partition(|(name, _)| LOOP_PARAMS.contains(&name.as_str()));
    let asked = own.into_iter().rfind(|(name, _)| name == "cursor").map(|(_, cursor)| cursor);
    let cursor = headers::last_event_id(headers)?.or(asked);
    let Value::Object(params) = crate::calls::params_from_query(operation, &pairs)? else {
        return Err(Problem::internal("the parameters of an operation are not an object"));
    };
    let deprecated = app.host.deprecated(&path.0, &path.1, &path.2)?;
    let (integration, capability, name) = path;
    let mut position = cursor.clone();
    let batches = app.host.watch(WatchRequest { integration, capability, operation: Some(name), params, cursor })?;
    let frames = batches.filter_map(move |batch| {
        ready(match batch {
            Ok(batch) => frame(&batch, &mut position).transpose(),
            Err(error) => Some(Err(error.into())),
        })
    });
    let mut response = sse::respond(app, frames)?;
    deprecation::tell(response.headers_mut(), deprecated.as_deref());
    Ok(response)
}

/// The events of a batch; none when nothing changed, not even the position of the client, which is moved on here.
fn frame(batch: &ChangeBatch, position: &mut Option<String>) -> Result<Option<Frame>, Problem> {
    if !sse::is_id(&batch.next) {
        return Err(Problem::internal(
            "the plugin's cursor holds control characters, so the stream could not be resumed by it; the plugin must be corrected",
        ));
    }
    let moved = position.as_ref() != Some(&batch.next);
    *position = Some(batch.next.clone());
    let mut frame = Frame::default();
    let last = batch.changes.len().wrapping_sub(1);
    for (index, change) in batch.changes.iter().enumerate() {
        frame.event("change", (index == last).then_some(batch.next.as_str()), change.get());
    }
    if batch.changes.is_empty() {
        // Without this a client that is cut off before the first change would start anew and miss what came between.
        frame.position(&batch.next);
    }
    Ok((moved || !batch.changes.is_empty()).then_some(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(changes: &[&str], next: &str) -> ChangeBatch {
        let raw = |text: &&str| serde_json::value::RawValue::from_string((*text).to_owned()).unwrap();
        ChangeBatch { changes: changes.iter().map(raw).collect(), next: next.to_owned() }
    }

    fn text(changes: &[&str], next: &str, position: Option<&str>) -> Option<String> {
        let frame = frame(&batch(changes, next), &mut position.map(str::to_owned)).unwrap();
        frame.map(|frame| frame.as_str().to_owned())
    }

    #[test]
    fn only_the_last_change_of_a_batch_carries_the_cursor() {
        let expected = "event: change\ndata: 1\n\nevent: change\nid: c\ndata: 2\n\n";
        assert_eq!(text(&["1", "2"], "c", None).as_deref(), Some(expected));
    }

    #[test]
    fn a_batch_without_changes_moves_the_clients_position_once_and_tells_it_nothing() {
        assert_eq!(text(&[], "c", None).as_deref(), Some("id: c\n\n"));
        assert_eq!(text(&[], "c", Some("c")), None);
    }

    #[test]
    fn a_cursor_that_cannot_be_an_id_is_an_error() {
        assert!(frame(&batch(&["1"], "a\nb"), &mut None).is_err());
    }
}
