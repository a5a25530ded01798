//! `/openapi.json`: OpenAPI 3.1 of exactly what can be called now. The host's own API is written down as data
//! (`management.json`, `components.json`; a test holds both to what is served). Everything below an integration is
//! derived from its operations, one concrete path each, so a client generator or a fuzzer needs no knowledge of plugins.

mod credentials;
mod operations;
mod params;
mod schemas;

use axum::{Json, extract::State};
use http::Uri;
use jackfield_core::Host;
use serde_json::{Map, Value, json};

use crate::{problem::Problem, request::query::Known, state::App};
use schemas::Schemas;

const MANAGEMENT: &str = include_str!("management.json");
const COMPONENTS: &str = include_str!("components.json");

const DESCRIPTION: &str = "\
Every integration of this host behind one API. Paths below `/v1/integrations/{name}/` are derived from the WIT of the \
capabilities that are installed. A capability that is named with a version, `dns@0.1.0`, is that version of it: for clients \
that were made for it, translated where the integration speaks another one.\n\n\
Errors are `application/problem+json`. Every answer carries an `X-Request-Id`, the request's own if it had one. \
Change feeds answer with server-sent events when asked for `text/event-stream`.";

pub(crate) async fn serve(State(app): State<App>, uri: Uri) -> Result<Json<Value>, Problem> {
    Known::read(&uri, &[])?;
    document(&app.host).map(Json)
}

fn document(host: &Host) -> Result<Value, Problem> {
    let mut components = object(COMPONENTS)?;
    let mut paths = object(MANAGEMENT)?;
    for operation in paths.values_mut().filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        finish(operation);
    }
    if let Some(Value::Object(schemas)) = components.get_mut("schemas") {
        schemas.insert(credentials::NAME.into(), credentials::types());
    }
    let mut schemas = Schemas::new(components.remove("schemas"));
    let mut tags = vec![
        json!({"name": "plugins", "description": "The plugins that are installed."}),
        json!({"name": "integrations", "description": "Plugins configured for an outside system each."}),
        json!({"name": "capabilities", "description": "What plugins can do, from their WIT."}),
        json!({"name": "credentials", "description": "What authenticates requests to outside systems."}),
        json!({"name": "operations", "description": "Writes that were begun, and what came of them."}),
        json!({"name": "audit", "description": "What was done, chained and signed."}),
        json!({"name": "vault", "description": "Where credentials are kept, sealed."}),
        json!({"name": "host", "description": "The host itself."}),
    ];
    let mut operations = host.operations();
    let spoken = operations.len();
    operations.extend(host.translated_operations());
    let mut operations: Vec<_> = operations.into_iter().enumerate().map(|(at, of)| (of, at >= spoken)).collect();
    operations.sort_by(|(a, _), (b, _)| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    for ((integration, capability, operation), translated) in &operations {
        let tag = operations::tag(integration, capability);
        if tags.last().is_none_or(|last| last["name"] != tag) {
            let how = if *translated { ", which speaks another version: what is said to it is translated" } else { "" };
            let description = format!("`{}` of the integration `{integration}`{how}.", operation.capability);
            tags.push(json!({"name": tag, "description": description}));
        }
        let (path, item) = operations::path_item(integration, capability, operation, &mut schemas);
        paths.insert(path, item);
    }
    components.insert("schemas".into(), schemas.into());
    components.insert("responses".into(), problem_responses());
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Jackfield",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": components,
    }))
}

fn object(text: &str) -> Result<Map<String, Value>, Problem> {
    serde_json::from_str(text)
        .map_err(|_| Problem::internal("a part of the OpenAPI document that is built in does not parse"))
}

/// The problems any request may meet: it cannot be read, it comes from where it must not, something fails inside.
const ALWAYS: [u16; 3] = [400, 403, 500];

/// Turns an operation's `problems` (a list of statuses) into responses.
fn finish(operation: &mut Value) {
    let Some(operation) = operation.as_object_mut() else { return };
    let listed = operation.remove("problems").unwrap_or_default();
    let listed = listed.as_array().into_iter().flatten().filter_map(Value::as_u64);
    let statuses: Vec<u64> = listed.chain(ALWAYS.map(u64::from)).collect();
    if let Some(Value::Object(responses)) = operation.get_mut("responses") {
        for status in statuses {
            responses.insert(status.to_string(), json!({"$ref": format!("#/components/responses/problem-{status}")}));
        }
    }
}

fn problem_responses() -> Value {
    let responses = [
        (400, "The request is wrong; the problem says where."),
        (403, "The request comes from where it must not, or the host does not let it through."),
        (404, "There is no such thing, or not any more."),
        (408, "The body took too long to arrive."),
        (409, "It exists already, or another change came first."),
        (412, "`If-Match` names another revision."),
        (413, "The body is too large."),
        (415, "The body is of another content type than is taken here."),
        (429, "Too many requests."),
        (500, "Something failed inside."),
        (501, "This plugin, or this version of the outside system, cannot do it."),
        (502, "The outside system refused Jackfield, or its answer to a write was lost."),
        (503, "It cannot be reached or cannot answer now."),
        (504, "Time ran out."),
    ];
    let responses = responses.map(|(status, description)| {
        let mut response = json!({
            "description": description,
            "content": {crate::problem::CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/problem"}}},
        });
        if matches!(status, 429 | 503) {
            response["headers"] = json!({"retry-after": {"$ref": "#/components/headers/retry-after"}});
        }
        (format!("problem-{status}"), response)
    });
    Value::Object(responses.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_that_are_written_down_parse_and_every_status_they_name_has_a_response() {
        let responses = problem_responses();
        object(COMPONENTS).unwrap();
        for item in object(MANAGEMENT).unwrap().values() {
            for operation in item.as_object().unwrap().values().filter_map(|o| o.get("problems")) {
                for status in operation.as_array().unwrap() {
                    assert!(responses.get(format!("problem-{status}")).is_some(), "{status}");
                }
            }
        }
    }
}
