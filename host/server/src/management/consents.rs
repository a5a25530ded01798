//! Consents to a credential: asked for, looked at, ended with what a browser brought back. No token passes here.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use http::{StatusCode, Uri, header};
use jackfield_core::{CodeAnswer, Consent, NewConsent};

use crate::{
    problem::Problem,
    request::{body, path::Segments, query::Known},
    state::App,
};

pub(super) fn collection() -> MethodRouter<App> {
    post(begin)
}

pub(super) fn item() -> MethodRouter<App> {
    get(show).post(complete)
}

async fn begin(
    State(app): State<App>,
    Segments(name): Segments<String>,
    request: Request,
) -> Result<Response, Problem> {
    Known::read(request.uri(), &[])?;
    let new: NewConsent = body::json(request, &app.options).await?;
    let consent = app.host.authorize_credential(&name, new).await?;
    let location = format!("/v1/credentials/{name}/authorize/{}", consent.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(consent)).into_response())
}

async fn show(
    State(app): State<App>,
    Segments((name, id)): Segments<(String, String)>,
    uri: Uri,
) -> Result<Json<Consent>, Problem> {
    Known::read(&uri, &[])?;
    Ok(Json(app.host.consent(&name, &id)?))
}

async fn complete(
    State(app): State<App>,
    Segments((name, id)): Segments<(String, String)>,
    request: Request,
) -> Result<Json<Consent>, Problem> {
    Known::read(request.uri(), &[])?;
    let answer: CodeAnswer = body::json(request, &app.options).await?;
    Ok(Json(app.host.complete_consent(&name, &id, answer).await?))
}
