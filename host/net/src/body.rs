//! A response's body while it arrives.

use std::time::Instant;

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout_at;
use zeroize::Zeroizing;

use crate::{SendError, sender::explain_hyper};

/// A response's body while it arrives. Dropping it before its end gives up the rest: an HTTP/1.1 connection is closed,
/// of an HTTP/2 connection only the stream.
#[derive(Debug)]
pub struct Body(Incoming);

impl Body {
    pub(crate) fn new(incoming: Incoming) -> Self {
        Self(incoming)
    }

    /// The length, where the head announced one.
    pub fn announced_len(&self) -> Option<u64> {
        self.0.size_hint().exact()
    }

    /// The next piece, never empty; none at the end. Dropping the future loses no byte.
    pub async fn next(&mut self) -> Result<Option<Bytes>, SendError> {
        loop {
            match self.0.frame().await {
                None => return Ok(None),
                Some(Err(error)) => {
                    return Err(match explain_hyper(&error) {
                        // The head has come, so the request was taken up, whatever is claimed now.
                        SendError::Declined => SendError::Lost { reason: "the server reset the answer".into() },
                        other => other,
                    });
                }
                // Trailers say nothing a plugin may see.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(Some(data)),
                    _ => continue,
                },
            }
        }
    }

    /// All of a short answer; none if it is longer than `most` bytes. It may hold a secret, so it is in one place only and
    /// is overwritten there.
    pub async fn all(&mut self, most: usize, until: Instant) -> Result<Option<Zeroizing<Vec<u8>>>, SendError> {
        // Growing would leave copies behind.
        let mut all = Zeroizing::new(Vec::with_capacity(most));
        let read = async {
            while let Some(piece) = self.next().await? {
                if all.len() + piece.len() > most {
                    return Ok(false);
                }
                all.extend_from_slice(&piece);
            }
            Ok::<_, SendError>(true)
        };
        let complete = timeout_at(until.into(), read).await.map_err(|_| SendError::Timeout { sent: true })??;
        Ok(complete.then_some(all))
    }
}
