//! Leases that credentials were granted elsewhere: list, and give one back or forget it.

use axum::{
    Json,
    extract::State,
    routing::{MethodRouter, delete, get},
};
use http::{StatusCode, Uri};
use jackfield_core::LeaseInfo;

use crate::{
    paging::{self, Page},
    problem::Problem,
    request::{path::Segments, query::Known},
    state::App,
};

pub(super) fn collection() -> MethodRouter<App> {
    get(list)
}

pub(super) fn item() -> MethodRouter<App> {
    delete(revoke)
}

async fn list(State(app): State<App>, uri: Uri) -> Result<Json<Page<LeaseInfo>>, Problem> {
    let query = Known::read(&uri, &["cursor", "limit"])?;
    let mut leases = app.host.leases();
    // Pages go by what they are in order of.
    leases.sort_by(|a, b| a.id.cmp(&b.id));
    paging::page(leases, |lease| &lease.id, &query).map(Json)
}

async fn revoke(State(app): State<App>, Segments(id): Segments<String>, uri: Uri) -> Result<StatusCode, Problem> {
    let force = Known::read(&uri, &["force"])?.flag("force")?;
    app.host.revoke_lease(&id, force).await?;
    Ok(StatusCode::NO_CONTENT)
}
