//! What is wanted, as documents: apply them, export what there is.

use axum::{
    Json,
    extract::{Request, State},
    routing::{MethodRouter, get, post},
};
use http::Uri;
use jackfield_core::{Applied, Apply};
use serde::Serialize;
use serde_json::Value;

use crate::{
    problem::Problem,
    request::{body, query::Known},
    state::App,
};

/// Documents that would make what there is.
#[derive(Serialize)]
struct Export {
    documents: Vec<Value>,
}

pub(super) fn verb_apply() -> MethodRouter<App> {
    post(apply)
}

pub(super) fn export() -> MethodRouter<App> {
    get(show)
}

async fn apply(State(app): State<App>, request: Request) -> Result<Json<Applied>, Problem> {
    Known::read(request.uri(), &[])?;
    let wanted: Apply = body::json(request, &app.options).await?;
    Ok(Json(app.host.apply(wanted).await?))
}

async fn show(State(app): State<App>, uri: Uri) -> Result<Json<Export>, Problem> {
    Known::read(&uri, &[])?;
    Ok(Json(Export { documents: app.host.export() }))
}
