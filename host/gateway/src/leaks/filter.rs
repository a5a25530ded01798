//! A response's body on its way to a plugin: decoded, then looked through.

use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use http::HeaderMap;

use super::{DecodeError, Decoder, Needles, Scan, decode::SLICE};

/// A body that is decoded and looked through.
pub(crate) struct Filter {
    decoder: Option<Decoder>,
    /// None where there is nothing to look for.
    scan: Option<Scan>,
    /// What came and is not decoded yet.
    waiting: Bytes,
}

impl Filter {
    /// For the body that these headers announce.
    pub(crate) fn new(headers: &HeaderMap, needles: Arc<Needles>) -> Result<Self, DecodeError> {
        let scan = (!needles.is_empty()).then(|| Scan::new(needles));
        Ok(Self { decoder: Decoder::of(headers)?, scan, waiting: Bytes::new() })
    }

    /// Whether the body is another than the one that was sent.
    pub(crate) fn decodes(&self) -> bool {
        self.decoder.is_some()
    }

    /// How many secrets were redacted so far.
    pub(crate) fn found(&self) -> u64 {
        self.scan.as_ref().map_or(0, Scan::found)
    }

    /// Looks for these from here on.
    pub(crate) fn look_for(&mut self, needles: &Arc<Needles>) {
        match &mut self.scan {
            Some(scan) => scan.look_for(needles),
            None if needles.is_empty() => {}
            none => *none = Some(Scan::new(needles.clone())),
        }
    }

    /// Takes what came; [`Filter::next`] gives it back bit by bit.
    pub(crate) fn push(&mut self, piece: Bytes) {
        debug_assert!(self.waiting.is_empty(), "what came before is taken first");
        self.waiting = piece;
    }

    /// The next bit of what came, perhaps empty; none when all of it was given.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, DecodeError> {
        if self.waiting.is_empty() {
            return Ok(None);
        }
        let text = match &mut self.decoder {
            None => std::mem::take(&mut self.waiting),
            Some(decoder) => {
                let len = self.waiting.len().min(SLICE);
                let text = decoder.push(self.waiting.get(..len).unwrap_or_default())?;
                self.waiting.advance(len);
                text.into()
            }
        };
        Ok(Some(match &mut self.scan {
            None => text,
            Some(scan) => {
                let mut out = Vec::with_capacity(text.len());
                scan.push(&text, &mut out);
                out.into()
            }
        }))
    }

    /// What there is left, now that the body has ended.
    pub(crate) fn finish(&mut self) -> Result<Bytes, DecodeError> {
        let text = self.decoder.as_mut().map(Decoder::finish).transpose()?.unwrap_or_default();
        Ok(match &mut self.scan {
            None => text.into(),
            Some(scan) => {
                let mut out = Vec::new();
                scan.push(&text, &mut out);
                scan.finish(&mut out);
                out.into()
            }
        })
    }
}
