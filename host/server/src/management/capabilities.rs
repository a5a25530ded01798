//! Capabilities: what is known here, as JSON or as the WIT it all comes from.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use http::{HeaderMap, Uri};
use jackfield_core::{CapabilityComparison, CapabilityInfo};

use crate::{
    paging::{self, Page},
    problem::Problem,
    request::{headers, path::Segments, query::Known},
    state::App,
};

pub(super) fn collection() -> MethodRouter<App> {
    get(list)
}

pub(super) fn item() -> MethodRouter<App> {
    get(show)
}

pub(super) fn comparison() -> MethodRouter<App> {
    get(compare)
}

async fn compare(
    State(app): State<App>,
    Segments((from, to)): Segments<(String, String)>,
    uri: Uri,
) -> Result<Json<CapabilityComparison>, Problem> {
    Known::read(&uri, &[])?;
    Ok(Json(app.host.compare_capabilities(&from, &to)?))
}

async fn list(State(app): State<App>, uri: Uri) -> Result<Json<Page<CapabilityInfo>>, Problem> {
    let query = Known::read(&uri, &["cursor", "limit"])?;
    paging::page(app.host.capabilities(), |capability| &capability.id, &query).map(Json)
}

async fn show(
    State(app): State<App>,
    Segments(name): Segments<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Known::read(&uri, &["format"])?;
    let wit = match query.one("format")? {
        Some("wit") => true,
        Some("json") => false,
        Some(_) => return Err(Problem::invalid("`format` is `json` or `wit`").at("/format")),
        None => headers::asks_for(&headers, "text/plain"),
    };
    // A text answers as `text/plain; charset=utf-8`.
    Ok(if wit {
        app.host.capability_wit(&name)?.into_response()
    } else {
        Json(app.host.capability(&name)?).into_response()
    })
}
