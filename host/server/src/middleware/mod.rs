//! What every request passes, from the outside in: it gets an id and a span, it is judged by where it comes from, and it
//! waits until there is room for its body. One layer for all of it: each layer of axum's costs several allocations.

mod origin;
mod trace;
mod weight;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use tracing::Instrument as _;

use self::trace::Traced;
use crate::{problem::Problem, state::App};

pub(crate) async fn layer(State(app): State<App>, request: Request, next: Next) -> Response {
    let traced = Traced::begin(&request);
    let answer = pass(&app, request, next).instrument(traced.span.clone()).await;
    traced.end(answer.unwrap_or_else(Problem::into_response))
}

async fn pass(app: &App, request: Request, next: Next) -> Result<Response, Problem> {
    origin::judge(request.method(), request.uri(), request.headers())?;
    let _room = match weight::of(&request, &app.options) {
        Some(weight) => Some(app.room_for(weight).await?),
        None => None,
    };
    Ok(next.run(request).await)
}
