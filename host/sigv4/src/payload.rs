//! What of a body AWS signatures cover: its hash, nothing, or each piece of it by itself.
//!
//! Source: [Signature calculations for the Authorization header: transferring a payload in multiple
//! chunks](https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html), whose example is the test.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use ring::{
    digest::{SHA256, digest},
    hmac,
};

/// How much of a body one signature covers; AWS wants at least 8 KiB.
const CHUNK: usize = 64 << 10;

/// What of a body is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Payload {
    /// All of it, by its hash.
    #[default]
    Signed,
    /// Nothing: TLS alone sees to it that it arrives as it was sent. S3 takes that.
    Unsigned,
    /// Each 64 KiB of it by themselves, as S3 takes it (`aws-chunked`).
    Streaming,
}

impl Payload {
    /// The way of a name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "signed" => Some(Self::Signed),
            "unsigned" => Some(Self::Unsigned),
            "streaming" => Some(Self::Streaming),
            _ => None,
        }
    }
}

/// A body in chunks, each with a signature that follows from the one before; the first from the head's.
pub(crate) fn framed(body: &[u8], key: &hmac::Key, time: &str, scope: &str, head: &str) -> Bytes {
    let nothing = HEXLOWER.encode(digest(&SHA256, b"").as_ref());
    let mut before = head.to_owned();
    let mut framed = Vec::with_capacity(body.len() + (body.len() / CHUNK + 2) * 100);
    for chunk in body.chunks(CHUNK).chain([&b""[..]]) {
        let hash = HEXLOWER.encode(digest(&SHA256, chunk).as_ref());
        let to_sign = format!("AWS4-HMAC-SHA256-PAYLOAD\n{time}\n{scope}\n{before}\n{nothing}\n{hash}");
        before = HEXLOWER.encode(hmac::sign(key, to_sign.as_bytes()).as_ref());
        framed.extend_from_slice(format!("{:x};chunk-signature={before}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
    }
    framed.into()
}
