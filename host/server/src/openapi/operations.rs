//! One operation of one integration as a path: `POST` always, `GET` too when it reads, and a stream when it is a feed.

use jackfield_reflect::{Operation, OperationKind, Shape};
use serde_json::{Map, Value, json};

use super::{
    finish, params,
    schemas::{Adopted, Schemas},
};

const CALL_PROBLEMS: [u16; 8] = [404, 409, 429, 501, 502, 503, 504, 408];
const BODY_PROBLEMS: [u16; 2] = [413, 415];

/// The tag that groups what an integration can do; `/` keeps it apart from the host's own tags.
pub(super) fn tag(integration: &str, capability: &str) -> String {
    format!("{integration}/{capability}")
}

/// The path of an operation and what can be done there.
pub(super) fn path_item(
    integration: &str,
    capability: &str,
    operation: &Operation,
    schemas: &mut Schemas,
) -> (String, Value) {
    let adopted = schemas.adopt(operation, integration);
    let mut item = Map::new();
    item.insert("post".into(), post(integration, capability, operation, &adopted));
    if operation.kind == OperationKind::Read {
        item.insert("get".into(), get(integration, capability, operation, &adopted));
    }
    (format!("/v1/integrations/{integration}/{capability}/{}", operation.name), Value::Object(item))
}

fn post(integration: &str, capability: &str, operation: &Operation, adopted: &Adopted) -> Value {
    let required = adopted.request.get("required").and_then(Value::as_array).is_some_and(|names| !names.is_empty());
    let mut parameters = vec![reference("timeout-ms")];
    if operation.kind == OperationKind::Write {
        parameters.push(reference("idempotency-key"));
    }
    let mut post = describe(integration, capability, operation, "");
    post.insert("parameters".into(), Value::Array(parameters));
    post.insert(
        "requestBody".into(),
        json!({"required": required, "content": {"application/json": {"schema": adopted.request}}}),
    );
    answer(post, operation, adopted, CALL_PROBLEMS.iter().chain(&BODY_PROBLEMS), false)
}

fn get(integration: &str, capability: &str, operation: &Operation, adopted: &Adopted) -> Value {
    let mut get = describe(integration, capability, operation, ".get");
    let mut parameters = params::of(operation, adopted);
    parameters.push(reference("timeout-ms"));
    if operation.feed {
        // As a stream it needs none of them, and OpenAPI has one list of parameters for both forms.
        for parameter in &mut parameters {
            if parameter["name"] == "wait-ms" {
                parameter["required"] = false.into();
                parameter["description"] =
                    "How long to wait for a change, in milliseconds; more than 5000 count as 5000. A stream needs none.".into();
            }
        }
        parameters.push(reference("last-event-id"));
    }
    get.insert("parameters".into(), Value::Array(parameters));
    answer(get, operation, adopted, CALL_PROBLEMS.iter().filter(|status| **status != 408), operation.feed)
}

fn describe(integration: &str, capability: &str, operation: &Operation, suffix: &str) -> Map<String, Value> {
    let kind = match (operation.kind, operation.feed) {
        (OperationKind::Write, _) => "A write.",
        (OperationKind::Read, false) => "A read: it changes nothing.",
        (OperationKind::Read, true) => {
            "A change feed. With `Accept: text/event-stream` a GET answers with a `change` event for each change and does \
             not end: the host sets `cursor` and `wait-ms` itself, the `id` of an event is the cursor after it, and a \
             client that reconnects sends it as `Last-Event-ID`."
        }
    };
    let docs = operation.docs.trim();
    let description = if docs.is_empty() { kind.to_owned() } else { format!("{docs}\n\n{kind}") };
    let description = match &operation.stability.deprecated {
        Some(deprecation) => format!("{description}\n\nIt is {deprecation}."),
        None => description,
    };
    let summary = if docs.is_empty() { operation.action() } else { first_sentence(docs) };
    let mut described = Map::from_iter([
        ("operationId".to_owned(), format!("{integration}.{capability}.{}{suffix}", operation.name).into()),
        ("tags".to_owned(), json!([tag(integration, capability)])),
        ("summary".to_owned(), summary.into()),
        ("description".to_owned(), description.into()),
    ]);
    if let Some(since) = &operation.stability.since {
        described.insert("x-jackfield-since".into(), since.to_string().into());
    }
    if let Some(deprecation) = &operation.stability.deprecated {
        let (since, removal) = (deprecation.since.to_string(), deprecation.removal().to_string());
        described.insert("deprecated".into(), true.into());
        described.insert("x-jackfield-deprecated".into(), json!({"since": since, "removal": removal}));
    }
    described
}

fn answer<'a>(
    mut item: Map<String, Value>,
    operation: &Operation,
    adopted: &Adopted,
    problems: impl Iterator<Item = &'a u16>,
    stream: bool,
) -> Value {
    let mut content = json!({"application/json": {"schema": adopted.response}});
    if stream {
        content["text/event-stream"] = json!({"schema": {"type": "string"}});
    }
    let description = match &operation.ok {
        None => "It is done.",
        Some(Shape::Option(_)) => "The answer; null when there is none.",
        Some(_) => "The answer.",
    };
    let mut ok = json!({"description": description, "content": content});
    let header = |name: &str| json!({"$ref": format!("#/components/headers/{name}")});
    if operation.kind == OperationKind::Write {
        ok["headers"] = json!({
            "idempotency-key": header("idempotency-key"), "idempotency-replayed": header("idempotency-replayed"),
        });
    }
    if operation.stability.deprecated.is_some() {
        for name in ["deprecation", "jackfield-deprecated", "link"] {
            ok["headers"][name] = header(name);
        }
    }
    item.insert("responses".into(), json!({"200": ok}));
    item.insert("problems".into(), problems.copied().collect());
    let mut item = Value::Object(item);
    finish(&mut item);
    item
}

fn reference(parameter: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{parameter}")})
}

/// Up to the first full stop that ends a sentence (a capital follows), without it, on one line.
fn first_sentence(docs: &str) -> String {
    let paragraph: Vec<&str> = docs.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let paragraph = paragraph.join(" ");
    let ends = |(at, _): &(usize, &str)| paragraph[at + 2..].starts_with(|next: char| !next.is_lowercase());
    let end = paragraph.match_indices(". ").find(ends).map_or(paragraph.len(), |(at, _)| at);
    paragraph[..end].trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::first_sentence;

    #[test]
    fn a_summary_is_the_first_sentence_without_its_full_stop() {
        assert_eq!(first_sentence("Reads one key; absent if none."), "Reads one key; absent if none");
        assert_eq!(first_sentence("Sets a key. Then\nmore."), "Sets a key");
        assert_eq!(first_sentence("Over two\nlines e.g. this"), "Over two lines e.g. this");
        assert_eq!(first_sentence(""), "");
    }
}
