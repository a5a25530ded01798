//! The trust policy: whose signature plugins need, by where they come from.

use axum::{
    Json,
    extract::{Request, State},
    routing::{MethodRouter, get},
};
use http::Uri;
use jackfield_core::TrustPolicy;
use serde_json::Value;

use crate::{
    problem::Problem,
    request::{body, query::Known},
    state::App,
};

pub(super) fn document() -> MethodRouter<App> {
    get(show).put(set)
}

async fn show(State(app): State<App>, uri: Uri) -> Result<Json<Value>, Problem> {
    Known::read(&uri, &[])?;
    Ok(Json(app.host.trust_policy()?))
}

/// Setting the policy that is set already changes nothing.
async fn set(State(app): State<App>, request: Request) -> Result<Json<Value>, Problem> {
    Known::read(request.uri(), &[])?;
    let text = body::json_text(request, &app.options).await?;
    let policy = TrustPolicy::from_json(&text).map_err(|error| Problem::invalid(error.to_string()))?;
    app.host.set_trust_policy(policy).await?;
    Ok(Json(app.host.trust_policy()?))
}
