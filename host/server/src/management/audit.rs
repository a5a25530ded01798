//! The audit trail: its records, newest first, all of it to be verified elsewhere, and where it is sent besides.

use axum::{
    Json,
    body::Body,
    extract::State,
    response::Response,
    routing::{MethodRouter, get},
};
use http::{HeaderValue, Uri, header};
use jackfield_core::{AuditPage, SinkStatus};
use serde::Serialize;

use crate::{problem::Problem, request::query::Known, state::App};

/// Records of a page, unless told otherwise, and at most.
const USUAL: usize = 100;
const MOST: usize = 1000;

pub(super) fn collection() -> MethodRouter<App> {
    get(list)
}

pub(super) fn whole() -> MethodRouter<App> {
    get(export)
}

pub(super) fn sinks() -> MethodRouter<App> {
    get(list_sinks)
}

#[derive(Serialize)]
struct Sinks {
    items: Vec<SinkStatus>,
}

async fn list_sinks(State(app): State<App>, uri: Uri) -> Result<Json<Sinks>, Problem> {
    Known::read(&uri, &[])?;
    Ok(Json(Sinks { items: app.host.audit_sinks() }))
}

async fn list(State(app): State<App>, uri: Uri) -> Result<Json<AuditPage>, Problem> {
    let query = Known::read(&uri, &["before", "contains", "limit"])?;
    let number = |name: &'static str, most: u64| match query.one(name)? {
        None => Ok(None),
        Some(text) => match text.parse::<u64>() {
            Ok(number) if (1..=most).contains(&number) => Ok(Some(number)),
            _ => Err(Problem::invalid(format!("`{name}` is a whole number from 1 to {most}")).at(format!("/{name}"))),
        },
    };
    let before = number("before", u64::MAX)?;
    let limit = number("limit", MOST as u64)?.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(USUAL);
    let containing: Vec<String> = query.all("contains").map(str::to_owned).collect();
    Ok(Json(app.host.audit(before, limit, &containing).await?))
}

async fn export(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    Known::read(&uri, &[])?;
    let mut response = Response::new(Body::from_stream(app.host.export_audit()?));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}
