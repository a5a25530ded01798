//! Integrations: add, list by label and plugin, show, change, check, enable, disable, remove. The revision is the entity tag.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use jackfield_core::{
    ErrorKind, HealthReport, IntegrationInfo, NewIntegration, UpdateIntegration, Upgrade, UpgradeIntegration,
};
use serde::Deserialize;

use crate::{
    etag::{self, Condition},
    paging::{self, Page},
    problem::Problem,
    request::{body, path::Segments, query::Known},
    state::App,
};

pub(super) fn collection() -> MethodRouter<App> {
    get(list).post(add)
}

pub(super) fn item() -> MethodRouter<App> {
    get(show).patch(update).delete(remove)
}

pub(super) fn check() -> MethodRouter<App> {
    post(run_check)
}

pub(super) fn verb_upgrade() -> MethodRouter<App> {
    post(upgrade)
}

pub(super) fn verb_rollback() -> MethodRouter<App> {
    post(roll_back)
}

pub(super) fn verb_enable() -> MethodRouter<App> {
    post(enable)
}

pub(super) fn verb_disable() -> MethodRouter<App> {
    post(disable)
}

async fn list(State(app): State<App>, uri: Uri) -> Result<Json<Page<IntegrationInfo>>, Problem> {
    let query = Known::read(&uri, &["cursor", "label", "limit", "plugin"])?;
    let plugin = query.one("plugin")?;
    let labels = query.all("label").map(label).collect::<Result<Vec<_>, _>>()?;
    let mut items = app.host.integrations();
    items.retain(|item| {
        plugin.is_none_or(|plugin| item.plugin == plugin)
            && labels.iter().all(|(name, value)| item.labels.get(*name).is_some_and(|found| found == value))
    });
    paging::page(items, |item| &item.name, &query).map(Json)
}

fn label(text: &str) -> Result<(&str, &str), Problem> {
    let label = text.split_once('=').filter(|(name, _)| !name.is_empty());
    label.ok_or_else(|| {
        Problem::invalid("`label` selects by one label, written `name=value`; repeat it for more").at("/label")
    })
}

async fn add(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    Known::read(request.uri(), &[])?;
    let new: NewIntegration = body::json(request, &app.options).await?;
    let added = app.host.add_integration(new).await?;
    let location = HeaderValue::from_str(&format!("/v1/integrations/{}", added.name))
        .map_err(|_| Problem::internal("the integration's name cannot be in an address"))?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], tagged(added)).into_response())
}

async fn show(State(app): State<App>, Segments(name): Segments<String>, uri: Uri) -> Result<Response, Problem> {
    Known::read(&uri, &[])?;
    Ok(tagged(app.host.integration(&name)?))
}

async fn update(
    State(app): State<App>,
    Segments(name): Segments<String>,
    request: Request,
) -> Result<Response, Problem> {
    Known::read(request.uri(), &[])?;
    let current = app.host.integration(&name)?.revision;
    let condition = etag::check(request.headers(), current)?;
    let mut change: UpdateIntegration = body::json(request, &app.options).await?;
    if let (Condition::At(revision), None) = (&condition, change.revision) {
        // The host checks it again at the moment of the change, so nobody slips in between.
        change.revision = Some(*revision);
        return app.host.update_integration(&name, change).await.map(tagged).map_err(|error| match error.kind {
            ErrorKind::Conflict => Problem::precondition_failed(error.message),
            _ => error.into(),
        });
    }
    Ok(tagged(app.host.update_integration(&name, change).await?))
}

async fn remove(
    State(app): State<App>,
    Segments(name): Segments<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let discard_unknown = Known::read(&uri, &["discard-unknown"])?.flag("discard-unknown")?;
    etag::check(&headers, app.host.integration(&name)?.revision)?;
    app.host.remove_integration(&name, discard_unknown).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn run_check(
    State(app): State<App>,
    Segments(name): Segments<String>,
    request: Request,
) -> Result<Json<HealthReport>, Problem> {
    Known::read(request.uri(), &[])?;
    Ok(Json(app.host.check_integration(&name).await?))
}

async fn upgrade(
    State(app): State<App>,
    Segments(name): Segments<String>,
    request: Request,
) -> Result<Json<Upgrade>, Problem> {
    Known::read(request.uri(), &[])?;
    let wanted: UpgradeIntegration = body::json(request, &app.options).await?;
    Ok(Json(app.host.upgrade_integration(&name, wanted).await?))
}

/// At which revision.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct At {
    #[serde(default)]
    revision: Option<u64>,
}

/// The revision that somebody has seen and wants to change, where that is said.
async fn revision(request: Request, app: &App) -> Result<Option<u64>, Problem> {
    Known::read(request.uri(), &[])?;
    let At { revision } = body::json(request, &app.options).await?;
    Ok(revision)
}

async fn roll_back(
    State(app): State<App>,
    Segments(name): Segments<String>,
    request: Request,
) -> Result<Response, Problem> {
    let revision = revision(request, &app).await?;
    Ok(tagged(app.host.roll_back_integration(&name, revision).await?))
}

async fn enable(
    State(app): State<App>,
    Segments(name): Segments<String>,
    request: Request,
) -> Result<Response, Problem> {
    let revision = revision(request, &app).await?;
    Ok(tagged(app.host.enable_integration(&name, revision).await?))
}

async fn disable(
    State(app): State<App>,
    Segments(name): Segments<String>,
    request: Request,
) -> Result<Response, Problem> {
    let revision = revision(request, &app).await?;
    Ok(tagged(app.host.disable_integration(&name, revision).await?))
}

fn tagged(integration: IntegrationInfo) -> Response {
    ([(header::ETAG, etag::of(integration.revision))], Json(integration)).into_response()
}
