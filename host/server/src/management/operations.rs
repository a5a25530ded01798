//! Writes that the journal remembers: list, show, and settle those of unknown outcome.

use axum::{
    Json,
    extract::{Request, State},
    routing::{MethodRouter, get, post},
};
use http::Uri;
use jackfield_core::{JournaledWrite, Resolution};
use serde::{Deserialize, Serialize};

use crate::{
    paging,
    problem::Problem,
    request::{body, path::Segments, query::Known},
    state::App,
};

pub(super) fn collection() -> MethodRouter<App> {
    get(list)
}

pub(super) fn item() -> MethodRouter<App> {
    get(show)
}

pub(super) fn verb_resolve() -> MethodRouter<App> {
    post(resolve)
}

/// Some writes. There are no pages: who wants more names an integration.
#[derive(Serialize)]
struct Writes {
    items: Vec<JournaledWrite>,
}

/// What was found.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    found: Resolution,
}

async fn list(State(app): State<App>, uri: Uri) -> Result<Json<Writes>, Problem> {
    let query = Known::read(&uri, &["integration", "state", "limit"])?;
    let unknown_only = match query.one("state")? {
        None => false,
        Some("unknown") => true,
        Some(_) => return Err(Problem::invalid("`state` is `unknown` or left out").at("/state")),
    };
    let limit = paging::limit(query.one("limit")?)?;
    let items = app.host.writes(query.one("integration")?, unknown_only, limit).await?;
    Ok(Json(Writes { items }))
}

async fn show(
    State(app): State<App>,
    Segments((integration, key)): Segments<(String, String)>,
    uri: Uri,
) -> Result<Json<JournaledWrite>, Problem> {
    Known::read(&uri, &[])?;
    Ok(Json(app.host.write(&integration, &key).await?))
}

async fn resolve(
    State(app): State<App>,
    Segments((integration, key)): Segments<(String, String)>,
    request: Request,
) -> Result<Json<JournaledWrite>, Problem> {
    Known::read(request.uri(), &[])?;
    let Found { found } = body::json(request, &app.options).await?;
    Ok(Json(app.host.resolve_write(&integration, &key, found).await?))
}
