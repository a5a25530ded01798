//! Calls: `POST` with the parameters as a JSON object, or `GET` for reads with the parameters in the query string. The
//! body's bytes go to the host as they came and the answer's bytes go back as they are: between the socket and the
//! component there is no tree of values.

use axum::{
    extract::{Request, State},
    response::Response,
    routing::{MethodRouter, get},
};
use http::{HeaderMap, Uri};
use jackfield_core::{Answer, CallRequest, Error};
use jackfield_reflect::{Operation, OperationKind};
use serde_json::Value;

use crate::{
    answer::json,
    deprecation, feeds,
    problem::Problem,
    request::{body, headers, path::Segments, query},
    state::App,
};

/// Integration, capability and operation.
pub(crate) type OperationPath = (String, String, String);

pub(crate) fn routes() -> MethodRouter<App> {
    get(read).post(call).fallback(other_method)
}

async fn call(
    State(app): State<App>,
    Segments((integration, capability, operation)): Segments<OperationPath>,
    request: Request,
) -> Result<Response, Problem> {
    if let Some(query) = request.uri().query().filter(|query| !query.is_empty()) {
        return Err(Problem::invalid(format!(
            "a call takes its parameters in the body as a JSON object, not in the query string (`{}`)",
            query.chars().take(80).collect::<String>()
        )));
    }
    let timeout = headers::timeout(request.headers())?;
    let idempotency_key = headers::idempotency_key(request.headers())?;
    let params = body::json_text(request, &app.options).await?;
    let request = CallRequest { integration, capability, operation, params, timeout, idempotency_key };
    let Answer { json: text, idempotency_key, replayed, deprecated } = app.host.call(request).await?;
    let mut response = json(text);
    if let Some(key) = idempotency_key {
        headers::name_write(response.headers_mut(), &key, replayed);
    }
    deprecation::tell(response.headers_mut(), deprecated.as_deref());
    Ok(response)
}

async fn read(
    State(app): State<App>,
    Segments(path): Segments<OperationPath>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let operation = app.host.operation(&path.0, &path.1, &path.2)?;
    if operation.kind == OperationKind::Write {
        return Err(not_allowed(&operation));
    }
    if operation.feed && headers::asks_for(&headers, "text/event-stream") {
        return feeds::open(&app, path, &operation, &uri, &headers);
    }
    let params = params_from_query(&operation, &query::pairs(&uri)?)?.to_string().into();
    let timeout = headers::timeout(&headers)?;
    let (integration, capability, operation) = path;
    let request = CallRequest { integration, capability, operation, params, timeout, idempotency_key: None };
    let answer = app.host.call(request).await?;
    let mut response = json(answer.json);
    deprecation::tell(response.headers_mut(), answer.deprecated.as_deref());
    Ok(response)
}

/// `PUT`, `DELETE` and the like: what is allowed depends on whether the operation reads or writes.
async fn other_method(State(app): State<App>, Segments(path): Segments<OperationPath>) -> Problem {
    match app.host.operation(&path.0, &path.1, &path.2) {
        Ok(operation) => not_allowed(&operation),
        Err(error) => error.into(),
    }
}

fn not_allowed(operation: &Operation) -> Problem {
    let action = operation.action();
    match operation.kind {
        OperationKind::Write => Problem::method_not_allowed(
            format!("`{action}` is a write: call it with POST and a JSON body"),
            Some("POST"),
        ),
        OperationKind::Read => Problem::method_not_allowed(
            format!("`{action}` is a read: call it with GET and query parameters, or with POST and a JSON body"),
            Some("GET, HEAD, POST"),
        ),
    }
}

/// The parameters as the object that a `POST` would send.
pub(crate) fn params_from_query(operation: &Operation, pairs: &[(String, String)]) -> Result<Value, Problem> {
    operation.params_from_query(pairs).map_err(|error| {
        let wrong = Error::invalid(error.to_string());
        if error.pointer.is_empty() { wrong.into() } else { wrong.at(error.pointer).into() }
    })
}
