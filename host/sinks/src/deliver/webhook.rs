//! A webhook: lines of JSON, exactly as they are chained, so that a receiver can follow the chain itself. Headers say which
//! they are, so that it can drop what it has.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{Deliver, Failed, Taken, http::Client};
use crate::trail::Batch;

const CHAIN: HeaderName = HeaderName::from_static("jackfield-audit-chain");
const FIRST: HeaderName = HeaderName::from_static("jackfield-audit-first");
const LAST: HeaderName = HeaderName::from_static("jackfield-audit-last");
const LOST: HeaderName = HeaderName::from_static("jackfield-audit-lost");

pub(super) struct Webhook(pub(super) Client);

#[async_trait]
impl Deliver for Webhook {
    async fn deliver(&mut self, batch: &Batch<'_>) -> Result<Taken, Failed> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        if let Ok(chain) = HeaderValue::from_str(batch.chain.0) {
            headers.insert(CHAIN, chain);
        }
        headers.insert(FIRST, batch.first().into());
        headers.insert(LAST, batch.last().into());
        headers.insert(LOST, batch.lost.into());
        let mut body = Vec::with_capacity(batch.entries.iter().map(|entry| entry.line.len() + 1).sum());
        for entry in batch.entries {
            body.extend_from_slice(entry.line.as_bytes());
            body.push(b'\n');
        }
        self.0.post("", headers, Bytes::from(body)).await.map(|_| Taken::default())
    }
}
