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
use tokio::{sync::OwnedSemaphorePermit, time::timeout_at};

use crate::GatewayError;

/// A response's body while it arrives.
pub struct ResponseBody {
    pub(crate) endpoint: String,
    pub(crate) body: Body,
    pub(crate) rest: Bytes,
    pub(crate) left: usize,
    pub(crate) limit: usize,
    pub(crate) deadline: Instant,
    pub(crate) received: Arc<AtomicU64>,
    /// A response that is still being read is still under way.
    pub(crate) _place: OwnedSemaphorePermit,
}

impl ResponseBody {
    /// The next piece, at most `max` bytes and never empty; none at the end. Dropping the future loses no byte.
    pub async fn read(&mut self, max: usize) -> Result<Option<Bytes>, GatewayError> {
        if self.rest.is_empty() {
            let piece = timeout_at(self.deadline.into(), self.body.next()).await;
            let piece = piece.map_err(|_| GatewayError::BodyTimeout)?;
            let Some(piece) = piece.map_err(|reason| GatewayError::from_send(&self.endpoint, reason))? else {
                return Ok(None);
            };
            self.received.fetch_add(piece.len() as u64, Ordering::Relaxed);
            self.left = self
                .left
                .checked_sub(piece.len())
                .ok_or(GatewayError::TooLarge { what: "response", limit: self.limit })?;
            self.rest = piece;
        }
        Ok(Some(self.rest.split_to(max.max(1).min(self.rest.len()))))
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
