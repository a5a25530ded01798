//! The rehearsal of an upgrade: begun, shown, ended.

use axum::{
    Json,
    extract::{Request, State},
    routing::{MethodRouter, get},
};
use http::{StatusCode, Uri};
use jackfield_core::{NewShadow, ShadowReport};

use crate::{
    problem::Problem,
    request::{body, path::Segments, query::Known},
    state::App,
};

pub(super) fn item() -> MethodRouter<App> {
    get(show).post(begin).delete(end)
}

async fn show(
    State(app): State<App>,
    Segments(name): Segments<String>,
    uri: Uri,
) -> Result<Json<ShadowReport>, Problem> {
    Known::read(&uri, &[])?;
    Ok(Json(app.host.shadow(&name)?))
}

async fn begin(
    State(app): State<App>,
    Segments(name): Segments<String>,
    request: Request,
) -> Result<Json<ShadowReport>, Problem> {
    Known::read(request.uri(), &[])?;
    let wanted: NewShadow = body::json(request, &app.options).await?;
    Ok(Json(app.host.shadow_integration(&name, wanted).await?))
}

async fn end(State(app): State<App>, Segments(name): Segments<String>, uri: Uri) -> Result<StatusCode, Problem> {
    Known::read(&uri, &[])?;
    app.host.end_shadow(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
