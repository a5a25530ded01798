//! How the host is, at a glance.

use axum::{
    Json,
    extract::State,
    routing::{MethodRouter, get},
};
use http::Uri;
use jackfield_core::Status;

use crate::{problem::Problem, request::query::Known, state::App};

pub(super) fn item() -> MethodRouter<App> {
    get(show)
}

async fn show(State(app): State<App>, uri: Uri) -> Result<Json<Status>, Problem> {
    Known::read(&uri, &[])?;
    Ok(Json(app.host.status().await?))
}
