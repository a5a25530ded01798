//! A response's body, read by the guest in pieces: bounded in length and by the call's deadline.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use jackfield_net::Body;
use jackfield_vault::InUse;
use tokio::{sync::OwnedSemaphorePermit, time::timeout_at};

use crate::{DecodeError, End, GatewayError, Known, ReplayError, cassette::Take, leaks::Filter};

/// Where a response's body comes from.
pub(crate) enum Source {
    /// From outside.
    Network(Body),
    /// From this line of a cassette, where it ended so. What there is of it was read ahead.
    Cassette { line: usize, end: End },
}

/// A response's body while it arrives.
pub struct ResponseBody {
    pub(crate) endpoint: String,
    pub(crate) source: Source,
    /// Where what the guest reads is recorded.
    pub(crate) take: Option<Take>,
    /// What was read of it already.
    pub(crate) ahead: Option<Bytes>,
    /// What stands between the body and the guest.
    pub(crate) filter: Filter,
    /// What is looked for, as it is when a piece comes: a body may take long, and secrets come to be meanwhile.
    pub(crate) known: Option<Arc<Known>>,
    pub(crate) ended: bool,
    pub(crate) rest: Bytes,
    pub(crate) left: usize,
    pub(crate) limit: usize,
    pub(crate) deadline: Instant,
    pub(crate) received: Arc<AtomicU64>,
    /// A response that is still being read is still under way.
    pub(crate) _place: OwnedSemaphorePermit,
    /// And so what it was authenticated with is not given back yet.
    pub(crate) _in_use: InUse,
}

impl ResponseBody {
    /// The next piece, at most `max` bytes and never empty; none at the end. Dropping the future loses no byte.
    pub async fn read(&mut self, max: usize) -> Result<Option<Bytes>, GatewayError> {
        let piece = self.read_on(max).await;
        if let Some(take) = &mut self.take {
            match &piece {
                Ok(Some(piece)) => take.piece(piece),
                Ok(None) => take.ended(),
                Err(error) => take.failed(error),
            }
        }
        piece
    }

    async fn read_on(&mut self, max: usize) -> Result<Option<Bytes>, GatewayError> {
        while self.rest.is_empty() {
            let decoded = self.filter.next().map_err(|reason| self.garbled(reason))?;
            self.rest = match decoded {
                Some(bit) => bit,
                None if self.ended => return Ok(None),
                None => match self.next().await? {
                    Some(piece) => {
                        self.look_anew();
                        self.filter.push(piece);
                        continue;
                    }
                    None => {
                        self.ended = true;
                        self.filter.finish().map_err(|reason| self.garbled(reason))?
                    }
                },
            };
            // What the guest is given counts: a small body may become a large one.
            self.left = self
                .left
                .checked_sub(self.rest.len())
                .ok_or(GatewayError::TooLarge { what: "response", limit: self.limit })?;
        }
        Ok(Some(self.rest.split_to(max.max(1).min(self.rest.len()))))
    }

    /// Whether it is known to hold nothing, without a look.
    pub(crate) fn is_known_empty(&self) -> bool {
        matches!(&self.source, Source::Network(body) if body.announced_len() == Some(0))
    }

    /// How many secrets were found in it so far, and redacted.
    pub fn redacted(&self) -> u64 {
        self.filter.found()
    }

    /// What comes next, as it was sent.
    async fn next(&mut self) -> Result<Option<Bytes>, GatewayError> {
        let piece = match self.ahead.take().filter(|ahead| !ahead.is_empty()) {
            Some(ahead) => Some(ahead),
            None => match &mut self.source {
                Source::Network(body) => {
                    let piece = timeout_at(self.deadline.into(), body.next()).await;
                    let piece = piece.map_err(|_| GatewayError::BodyTimeout)?;
                    piece.map_err(|reason| GatewayError::from_send(&self.endpoint, reason))?
                }
                Source::Cassette { end: End::Whole, .. } => None,
                Source::Cassette { end: End::Failed(failure), .. } => return Err(failure.again(&self.endpoint)),
                Source::Cassette { line, end: End::Cut } => {
                    let (endpoint, reason) = (self.endpoint.clone(), ReplayError::Cut { line: *line });
                    return Err(GatewayError::Replay { endpoint, reason });
                }
            },
        };
        self.received.fetch_add(piece.as_ref().map_or(0, Bytes::len) as u64, Ordering::Relaxed);
        Ok(piece)
    }

    fn look_anew(&mut self) {
        let filter = &mut self.filter;
        if let Some(known) = &self.known {
            known.with(|needles| filter.look_for(needles));
        }
    }

    fn garbled(&self, reason: DecodeError) -> GatewayError {
        GatewayError::Decode { endpoint: self.endpoint.clone(), reason }
    }
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseBody")
            .field("endpoint", &self.endpoint)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
