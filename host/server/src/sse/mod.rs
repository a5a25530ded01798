//! Server-sent events: frames, heartbeats and the end of a stream. A stream is pulled by its reader: nothing is read
//! from the source before the client took what came before, so a slow client costs one batch and no more. It ends when
//! the client goes (the body is dropped, and the source with it), after an error (told as an `error` event) or when the
//! server drains.

mod reader;

use std::{pin::Pin, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderName, HeaderValue, header};
use tokio::sync::OwnedSemaphorePermit;

pub use self::reader::{Event, Parser, TooLong};
use crate::{Drain, problem::Problem, state::App};

/// Tells clients to wait this long before they connect again, in milliseconds.
const RETRY_MS: u32 = 1000;

/// One event, or several that belong together, in the form of the wire.
#[derive(Default)]
pub(crate) struct Frame(String);

impl Frame {
    /// Adds an event. `id` must hold no control characters; see [`is_id`].
    pub(crate) fn event(&mut self, event: &str, id: Option<&str>, data: &str) {
        self.0.push_str("event: ");
        self.0.push_str(event);
        if let Some(id) = id {
            self.0.push_str("\nid: ");
            self.0.push_str(id);
        }
        for line in data.split(['\n', '\r']) {
            self.0.push_str("\ndata: ");
            self.0.push_str(line);
        }
        self.0.push_str("\n\n");
    }

    /// Moves the client's last event id on without an event: clients keep the id and tell nobody.
    pub(crate) fn position(&mut self, id: &str) {
        self.0.push_str("id: ");
        self.0.push_str(id);
        self.0.push_str("\n\n");
    }

    fn text(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text can be an event's id.
pub(crate) fn is_id(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

struct State<S> {
    source: Pin<Box<S>>,
    drain: Drain,
    heartbeat: Duration,
    opened: bool,
    ended: bool,
    /// Counts this stream among the open ones for as long as it lives.
    _permit: OwnedSemaphorePermit,
}

/// Answers with a stream of the source's frames.
pub(crate) fn respond<S>(app: &App, source: S) -> Result<Response, Problem>
where
    S: Stream<Item = Result<Frame, Problem>> + Send + 'static,
{
    let state = State {
        source: Box::pin(source),
        drain: app.options.drain.clone(),
        heartbeat: app.options.heartbeat,
        opened: false,
        ended: false,
        _permit: app.open_stream()?,
    };
    let frames = stream::unfold(state, |mut state| async move {
        let frame = next(&mut state).await?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(frame.0)), state))
    });
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Some proxies collect an answer before they pass it on; this asks them not to.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

async fn next<S>(state: &mut State<S>) -> Option<Frame>
where
    S: Stream<Item = Result<Frame, Problem>>,
{
    if state.ended {
        return None;
    }
    if !state.opened {
        state.opened = true;
        return Some(Frame(format!("retry: {RETRY_MS}\n\n")));
    }
    tokio::select! {
        biased;
        () = state.drain.started() => {
            state.ended = true;
            Some(Frame::text(": the server is stopping\n\n"))
        }
        item = state.source.next() => match item {
            Some(Ok(frame)) => Some(frame),
            Some(Err(problem)) => {
                state.ended = true;
                let mut frame = Frame::default();
                frame.event("error", None, &problem.json());
                Some(frame)
            }
            None => None,
        },
        () = tokio::time::sleep(state.heartbeat) => Some(Frame::text(": heartbeat\n\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_several_lines_stays_one_event() {
        let mut frame = Frame::default();
        frame.event("change", Some("7"), "{\n\"a\": 1}");
        assert_eq!(frame.0, "event: change\nid: 7\ndata: {\ndata: \"a\": 1}\n\n");
    }

    #[test]
    fn a_cursor_with_a_line_break_cannot_forge_an_event() {
        assert!(!is_id("1\nevent: error"));
        assert!(!is_id("1\0"));
        assert!(is_id("rev:12/äö"));
    }
}
