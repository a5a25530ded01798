//! Plugins: install a file, list, show, remove.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use http::{HeaderValue, StatusCode, Uri, header};
use jackfield_core::{Accept, PluginInfo};

use crate::{
    paging::{self, Page},
    problem::Problem,
    request::{body, path::Segments, query::Known},
    state::App,
};

pub(super) fn collection() -> MethodRouter<App> {
    get(list).post(install)
}

pub(super) fn item() -> MethodRouter<App> {
    get(show).delete(remove)
}

async fn list(State(app): State<App>, uri: Uri) -> Result<Json<Page<PluginInfo>>, Problem> {
    let query = Known::read(&uri, &["cursor", "limit"])?;
    paging::page(app.host.plugins(), |plugin| &plugin.id, &query).map(Json)
}

/// 201 for a file that is new here, 200 for one that is installed already: installing is idempotent.
async fn install(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let query = Known::read(request.uri(), &["accept", "dry-run"])?;
    let accept = query.one("accept")?.map_or(Accept::Nothing, |token| Accept::Only(token.to_owned()));
    let dry_run = query.flag("dry-run")?;
    let file = body::plugin(request, &app.options).await?.into();
    if dry_run {
        return Ok(Json(app.host.plan_install(file).await?).into_response());
    }
    let (plugin, new) = app.host.install_plugin_with(file, accept).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    let location = HeaderValue::from_str(&format!("/v1/plugins/{}", plugin.id))
        .map_err(|_| Problem::internal("the plugin's name cannot be in an address"))?;
    Ok((status, [(header::LOCATION, location)], Json(plugin)).into_response())
}

async fn show(State(app): State<App>, Segments(name): Segments<String>, uri: Uri) -> Result<Json<PluginInfo>, Problem> {
    Known::read(&uri, &[])?;
    Ok(Json(app.host.plugin(&name)?))
}

async fn remove(State(app): State<App>, Segments(name): Segments<String>, uri: Uri) -> Result<StatusCode, Problem> {
    Known::read(&uri, &[])?;
    app.host.remove_plugin(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
