//! What the bodies of all requests together may weigh. Each is bounded, but a thousand connections with the largest each
//! would not fit any machine; so a heavy body is received only once there is room for it, and the room is taken until the
//! request is answered. Light ones, which is nearly all, never wait.

use axum::{
    body::HttpBody as _,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::header;

use crate::state::App;

/// Bodies up to this many bytes are light.
const LIGHT: u64 = 64 << 10;

pub(crate) async fn layer(State(app): State<App>, request: Request, next: Next) -> Response {
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()).and_then(|value| value.parse::<u64>().ok());
    // A body of unknown length may be as long as any call's. One that is too long anyway is refused unread, so it takes no
    // room; the few plugin files are long because they may be.
    let most = app.options.plugin_bytes.max(app.options.body_bytes) as u64;
    let weight = match announced {
        _ if request.body().is_end_stream() => 0,
        Some(length) if length > most => 0,
        Some(length) => length,
        None => app.options.body_bytes as u64,
    };
    if weight <= LIGHT {
        return next.run(request).await;
    }
    match app.room_for(weight).await {
        Ok(_room) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
