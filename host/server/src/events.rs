//! The host's own events as a stream. Events are not kept: who connects sees what happens from then on, and who is too
//! slow is told how many it missed.

use axum::{
    extract::State,
    response::Response,
    routing::{MethodRouter, get},
};
use futures_util::stream;
use http::Uri;
use tokio::sync::broadcast::error::RecvError;

use crate::{
    problem::Problem,
    request::query::Known,
    sse::{self, Frame},
    state::App,
};

pub(crate) fn routes() -> MethodRouter<App> {
    get(open)
}

async fn open(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    Known::read(&uri, &[])?;
    let frames = stream::unfold(app.host.events(), |mut events| async move {
        let mut frame = Frame::default();
        match events.recv().await {
            Ok(event) => match serde_json::to_string(&event) {
                Ok(data) => frame.event("event", None, &data),
                Err(_) => return Some((Err(Problem::internal("an event has no JSON form")), events)),
            },
            Err(RecvError::Lagged(missed)) => frame.event("lagged", None, &format!("{{\"missed\":{missed}}}")),
            Err(RecvError::Closed) => return None,
        }
        Some((Ok(frame), events))
    });
    sse::respond(&app, frames)
}
