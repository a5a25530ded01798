//! Registries of plugins: what the host knows of them, which release will do, and which faults are known.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use http::{HeaderValue, StatusCode, Uri, header};
use jackfield_core::{AllowAdvisories, Chosen, Found, KnownFault, Need, NewRegistry, RegistryInfo, Want, WantError};
use serde::{Deserialize, Serialize};

use crate::{
    problem::Problem,
    request::{
        body,
        path::Segments,
        query::{self, Known},
    },
    state::App,
};

/// A list that has no pages: there are few of what is in it.
#[derive(Serialize)]
pub(super) struct All<T> {
    items: Vec<T>,
}

/// Nothing is said with it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// What is wanted of the registries.
pub(super) fn want(plugin: &str, needs: &[String], prereleases: bool) -> Result<Want, Problem> {
    let wrong = |error: WantError, at: &str| Problem::invalid(error.to_string()).at(at);
    let want: Want = plugin.parse().map_err(|error| wrong(error, "/plugin"))?;
    let needs = needs.iter().map(|need| need.parse::<Need>().map_err(|error| wrong(error, "/needs")));
    Ok(Want { capabilities: needs.collect::<Result<_, _>>()?, prereleases, ..want })
}

/// The known faults that are let pass for one installation.
pub(super) fn allowed(query: &Known) -> AllowAdvisories {
    AllowAdvisories::Only(query.all("allow-advisory").map(str::to_owned).collect())
}

pub(super) fn collection() -> MethodRouter<App> {
    get(list)
}

pub(super) fn item() -> MethodRouter<App> {
    get(show).put(set).delete(remove)
}

pub(super) fn verb_sync() -> MethodRouter<App> {
    post(sync)
}

pub(super) fn search() -> MethodRouter<App> {
    get(find)
}

pub(super) fn choice() -> MethodRouter<App> {
    get(choose)
}

pub(super) fn advisories() -> MethodRouter<App> {
    get(known)
}

async fn list(State(app): State<App>, uri: Uri) -> Result<Json<All<RegistryInfo>>, Problem> {
    Known::read(&uri, &[])?;
    Ok(Json(All { items: app.host.registries() }))
}

async fn show(
    State(app): State<App>,
    Segments(name): Segments<String>,
    uri: Uri,
) -> Result<Json<RegistryInfo>, Problem> {
    Known::read(&uri, &[])?;
    Ok(Json(app.host.registry(&name)?))
}

/// 201 for one that is new here. Setting the same again reads its index anew, and changes nothing else.
async fn set(State(app): State<App>, Segments(name): Segments<String>, request: Request) -> Result<Response, Problem> {
    Known::read(request.uri(), &[])?;
    let said: NewRegistry = body::json(request, &app.options).await?;
    let (registry, new) = app.host.set_registry(&name, said).await?;
    if !new {
        return Ok(Json(registry).into_response());
    }
    let location = HeaderValue::from_str(&format!("/v1/registries/{}", registry.name))
        .map_err(|_| Problem::internal("the registry's name cannot be in an address"))?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(registry)).into_response())
}

async fn remove(State(app): State<App>, Segments(name): Segments<String>, uri: Uri) -> Result<StatusCode, Problem> {
    Known::read(&uri, &[])?;
    app.host.remove_registry(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn sync(
    State(app): State<App>,
    Segments(name): Segments<String>,
    request: Request,
) -> Result<Json<RegistryInfo>, Problem> {
    Known::read(request.uri(), &[])?;
    let Nothing {} = body::json(request, &app.options).await?;
    Ok(Json(app.host.sync_registry(&name).await?))
}

async fn find(State(app): State<App>, uri: Uri) -> Result<Json<All<Found>>, Problem> {
    let query = Known::read(&uri, &["query"])?;
    Ok(Json(All { items: app.host.search_plugins(query.one("query")?.unwrap_or_default()) }))
}

async fn choose(State(app): State<App>, uri: Uri) -> Result<Json<Chosen>, Problem> {
    let query = Known::read(&uri, &["allow-advisory", "needs", "plugin", "prereleases"])?;
    let plugin = query.one("plugin")?.ok_or_else(|| {
        Problem::invalid("say which plugin: `plugin=NAME`, `plugin=NAME@RANGE`").at(query::pointer("plugin"))
    })?;
    let needs: Vec<String> = query.all("needs").map(str::to_owned).collect();
    let want = want(plugin, &needs, query.flag("prereleases")?)?;
    Ok(Json(app.host.choose_plugin(&want, &allowed(&query)).await?))
}

async fn known(State(app): State<App>, uri: Uri) -> Result<Json<All<KnownFault>>, Problem> {
    Known::read(&uri, &[])?;
    Ok(Json(All { items: app.host.known_faults() }))
}
