//! Credentials: set, list, show, promote, roll back, revoke, delete. What one holds goes in and never comes out.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use http::{StatusCode, Uri, header};
use jackfield_core::{CredentialKind, CredentialUse, NewCredential, Rotation, Secret, Sources};
use serde::Deserialize;

use crate::{
    etag,
    paging::{self, Page},
    problem::Problem,
    request::{body, path::Segments, query::Known},
    state::App,
};

pub(super) fn collection() -> MethodRouter<App> {
    get(list)
}

pub(super) fn item() -> MethodRouter<App> {
    get(show).put(set).delete(remove)
}

pub(super) fn verb_promote() -> MethodRouter<App> {
    post(promote)
}

pub(super) fn verb_rotate() -> MethodRouter<App> {
    post(rotate)
}

pub(super) fn verb_rollback() -> MethodRouter<App> {
    post(roll_back)
}

pub(super) fn verb_revoke() -> MethodRouter<App> {
    post(revoke)
}

/// The new version, and what becomes of the old one.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Rotate {
    #[serde(rename = "type")]
    kind: CredentialKind,
    fields: BTreeMap<String, Secret>,
    #[serde(default)]
    sources: Sources,
    #[serde(default)]
    revoke_old: bool,
}

/// Which version.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Promote {
    #[serde(default)]
    version: Option<u64>,
}

/// Which version.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    version: u64,
}

async fn list(State(app): State<App>, uri: Uri) -> Result<Json<Page<CredentialUse>>, Problem> {
    let query = Known::read(&uri, &["cursor", "limit"])?;
    paging::page(app.host.credentials(), |item| &item.credential.name, &query).map(Json)
}

async fn show(State(app): State<App>, Segments(name): Segments<String>, uri: Uri) -> Result<Response, Problem> {
    Known::read(&uri, &[])?;
    Ok(tagged(app.host.credential(&name)?))
}

async fn set(State(app): State<App>, Segments(name): Segments<String>, request: Request) -> Result<Response, Problem> {
    Known::read(request.uri(), &[])?;
    let new: NewCredential = body::json(request, &app.options).await?;
    Ok(tagged(app.host.set_credential(&name, new).await?))
}

async fn promote(
    State(app): State<App>,
    Segments(name): Segments<String>,
    request: Request,
) -> Result<Response, Problem> {
    Known::read(request.uri(), &[])?;
    let Promote { version } = body::json(request, &app.options).await?;
    Ok(tagged(app.host.promote_credential(&name, version).await?))
}

async fn rotate(
    State(app): State<App>,
    Segments(name): Segments<String>,
    request: Request,
) -> Result<Json<Rotation>, Problem> {
    Known::read(request.uri(), &[])?;
    let Rotate { kind, fields, sources, revoke_old } = body::json(request, &app.options).await?;
    let new = NewCredential { kind, fields, sources, staged: true };
    Ok(Json(app.host.rotate_credential(&name, new, revoke_old).await?))
}

async fn roll_back(
    State(app): State<App>,
    Segments(name): Segments<String>,
    request: Request,
) -> Result<Response, Problem> {
    Known::read(request.uri(), &[])?;
    Ok(tagged(app.host.roll_back_credential(&name).await?))
}

async fn revoke(
    State(app): State<App>,
    Segments(name): Segments<String>,
    request: Request,
) -> Result<Response, Problem> {
    Known::read(request.uri(), &[])?;
    let Revoke { version } = body::json(request, &app.options).await?;
    Ok(tagged(app.host.revoke_credential(&name, version).await?))
}

async fn remove(State(app): State<App>, Segments(name): Segments<String>, uri: Uri) -> Result<StatusCode, Problem> {
    Known::read(&uri, &[])?;
    app.host.delete_credential(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn tagged(credential: CredentialUse) -> Response {
    ([(header::ETAG, etag::of(credential.credential.revision))], Json(credential)).into_response()
}
