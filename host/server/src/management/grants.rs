//! What an integration may send to the outside: shown, and asked about. It is set with the integration's endpoints.

use axum::{
    Json,
    extract::{Request, State},
    routing::{MethodRouter, get, post},
};
use http::Uri;
use jackfield_core::{GrantAnswer, GrantInfo, GrantQuestion};

use crate::{
    problem::Problem,
    request::{body, path::Segments, query::Known},
    state::App,
};

pub(super) fn item() -> MethodRouter<App> {
    get(show)
}

pub(super) fn verb_explain() -> MethodRouter<App> {
    post(explain)
}

async fn show(State(app): State<App>, Segments(name): Segments<String>, uri: Uri) -> Result<Json<GrantInfo>, Problem> {
    Known::read(&uri, &[])?;
    Ok(Json(app.host.grant(&name)?))
}

async fn explain(
    State(app): State<App>,
    Segments(name): Segments<String>,
    request: Request,
) -> Result<Json<GrantAnswer>, Problem> {
    Known::read(request.uri(), &[])?;
    let question: GrantQuestion = body::json(request, &app.options).await?;
    Ok(Json(app.host.explain_grant(&name, &question)?))
}
