//! Answers of calls. A long one is handed to the connection piece by piece, with a pause for others after each: the system
//! takes megabytes in one go, and whoever waits for the thread would wait as long as that takes.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::{Frame, SizeHint};

/// What the system takes in a tenth of a millisecond or so.
const PIECE: usize = 256 << 10;

/// An answer that is JSON text.
pub(crate) fn json(text: Bytes) -> Response {
    let body = if text.len() <= PIECE { Body::from(text) } else { Body::new(Pieces { rest: text, paused: true }) };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

struct Pieces {
    rest: Bytes,
    /// Others had their turn since the last piece.
    paused: bool,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if !self.paused {
            self.paused = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.paused = false;
        let piece = PIECE.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_long_answer_arrives_whole_and_its_length_is_told_before() {
        let text: Bytes = (0..3 * PIECE + 5).map(|n| b'a' + (n % 23) as u8).collect();
        let body = json(text.clone()).into_body();
        assert_eq!(body.size_hint().exact(), Some(text.len() as u64));
        assert_eq!(body.collect().await.unwrap().to_bytes(), text);
    }
}
