//! Credentials that plugins make: who makes one, the next one now, no more.

use axum::{
    Json,
    extract::{Request, State},
    routing::{MethodRouter, get, post},
};
use http::{StatusCode, Uri};
use jackfield_core::{IssuerInfo, IssuerSettings, Rotation};

use crate::{
    problem::Problem,
    request::{body, path::Segments, query::Known},
    state::App,
};

pub(super) fn item() -> MethodRouter<App> {
    get(show).put(begin).delete(end)
}

pub(super) fn verb_rotate() -> MethodRouter<App> {
    post(rotate)
}

async fn show(State(app): State<App>, Segments(name): Segments<String>, uri: Uri) -> Result<Json<IssuerInfo>, Problem> {
    Known::read(&uri, &[])?;
    Ok(Json(app.host.credential_issuer(&name).await?))
}

async fn begin(
    State(app): State<App>,
    Segments(name): Segments<String>,
    request: Request,
) -> Result<Json<Rotation>, Problem> {
    Known::read(request.uri(), &[])?;
    let settings: IssuerSettings = body::json(request, &app.options).await?;
    Ok(Json(app.host.issue_credential(&name, settings).await?))
}

async fn rotate(State(app): State<App>, Segments(name): Segments<String>, uri: Uri) -> Result<Json<Rotation>, Problem> {
    Known::read(&uri, &[])?;
    Ok(Json(app.host.rotate_issued_credential(&name).await?))
}

async fn end(State(app): State<App>, Segments(name): Segments<String>, uri: Uri) -> Result<StatusCode, Problem> {
    Known::read(&uri, &[])?;
    app.host.remove_credential_issuer(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
