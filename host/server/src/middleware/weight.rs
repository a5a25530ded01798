//! What the bodies of all requests together may weigh. Each is bounded, but a thousand connections with the largest each
//! would not fit any machine; so a heavy body is received only once there is room for it, and the room is taken until the
//! request is answered. Light ones, which is nearly all, never wait.

use axum::{body::HttpBody as _, extract::Request};
use http::header;

use crate::ServerOptions;

/// Bodies up to this many bytes are light.
const LIGHT: u64 = 64 << 10;

/// What a request's body may weigh, in bytes; none for a light one.
pub(crate) fn of(request: &Request, options: &ServerOptions) -> Option<u64> {
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()).and_then(|value| value.parse::<u64>().ok());
    // A body of unknown length may be as long as any call's. One that is too long anyway is refused unread, so it takes no
    // room; the few plugin files are long because they may be.
    let most = options.plugin_bytes.max(options.body_bytes) as u64;
    let weight = match announced {
        _ if request.body().is_end_stream() => 0,
        Some(length) if length > most => 0,
        Some(length) => length,
        None => options.body_bytes as u64,
    };
    (weight > LIGHT).then_some(weight)
}
