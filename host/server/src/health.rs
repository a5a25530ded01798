//! Whether the process lives and whether it should be sent work. The two differ on purpose: a server that waits for its
//! store, or that is stopping, lives and must not be restarted, but wants no new calls.

use axum::{Json, extract::State, response::IntoResponse};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;

use crate::state::App;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Ready {
    ready: bool,
    not_ready: Vec<String>,
}

pub(crate) async fn healthz() -> impl IntoResponse {
    Json(json!({ "status": "ok" }))
}

pub(crate) async fn readyz(State(app): State<App>) -> impl IntoResponse {
    let readiness = app.host.readiness();
    let mut ready = Ready { ready: readiness.ready, not_ready: readiness.not_ready };
    if app.options.drain.has_started() {
        ready.ready = false;
        ready.not_ready.push("the server is stopping".to_owned());
    }
    let status = if ready.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(ready))
}
