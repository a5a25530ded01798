//! `jackfield capability`: what can be called here.

use serde_json::Value;

use super::{
    Context,
    offered::{self, Operation},
};
use crate::{
    api::{Query, Request, segment},
    args::CapabilityVerb,
    failure::Failure,
    output::{Cell, Style, Table, Tree, printable, printable_lines},
    schema::{Kind, Schema},
};

pub(super) async fn run(context: &Context, verb: CapabilityVerb) -> Result<(), Failure> {
    match verb {
        CapabilityVerb::List(page) => {
            let mut query = Query::default();
            query.add_some("limit", page.limit);
            query.add_some("cursor", page.cursor);
            let request = Request::get(format!("/v1/capabilities{}", query.as_str()));
            context.show_page(request, |items| list(items, context.ui.style)).await
        }
        CapabilityVerb::Show { name, wit } => {
            let (capability, operation) = offered::split(&name);
            let path = format!("/v1/capabilities/{}", segment(capability));
            if wit {
                let request = Request::get(format!("{path}?format=wit"));
                let text = context.with(async |api| api.request(request).await).await?.body;
                return context.ui.print(&printable_lines(&String::from_utf8_lossy(&text)));
            }
            show(context, Request::get(path), operation).await
        }
        CapabilityVerb::Diff { from, to } => diff(context, &from, &to).await,
    }
}

fn list(items: &[Tree], style: Style) -> String {
    let mut table = Table::new(["name", "id", "operations", "plugins", "integrations"]);
    for item in items {
        table.row([
            Cell::from(item.text("name")),
            Cell::from(item.text("id")),
            Cell::from(item.list("operations").len().to_string()),
            Cell::from(item.texts("plugins")),
            Cell::from(item.texts("integrations")),
        ]);
    }
    if table.is_empty() {
        return "(no capabilities; install a plugin with `jackfield plugin install FILE`)\n".into();
    }
    table.render(style)
}

/// The capability, or one operation of it. As JSON both are the capability, which is what the API sends.
async fn show(context: &Context, request: Request, operation: Option<&str>) -> Result<(), Failure> {
    let body = context.with(async |api| api.request(request).await).await?.body;
    let understood = |e: serde_json::Error| Failure::Failed(format!("the answer is not understood: {e}"));
    let capability: offered::Capability = serde_json::from_slice(&body).map_err(understood)?;
    if let Some(name) = operation {
        capability.operation(name)?;
    }
    context.ui.answer(&body, |tree| {
        let mut out = String::new();
        if operation.is_none() {
            out.push_str(&format!("{}\n{}", printable(tree.text("id")), indented(tree.text("docs"), "")));
            let mut facts = Table::plain();
            facts.row([Cell::from("plugins"), Cell::from(tree.texts("plugins"))]);
            facts.row([Cell::from("integrations"), Cell::from(tree.texts("integrations"))]);
            for other in tree.list("translated") {
                facts.row([Cell::from("translated"), Cell::from(translated(other))]);
            }
            out.push_str(&format!("\n{}", facts.render(Style::default())));
        }
        for (item, known) in tree.list("operations").iter().zip(&capability.operations) {
            if operation.is_some_and(|name| name != known.name) {
                continue;
            }
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&describe(&capability.name, item, known));
        }
        out
    })
}

/// An integration that speaks another version, and what of this one it understands.
fn translated(other: &Tree) -> String {
    let (name, version) = (other.text("integration"), other.text("version"));
    let refused: Vec<&str> = other.list("refused").iter().map(|refused| refused.text("operation")).collect();
    match (other.list("operations").is_empty(), refused.is_empty()) {
        (_, true) => format!("{name}, which speaks {version}"),
        (false, false) => format!("{name}, which speaks {version}; not {}", refused.join(", ")),
        (true, false) => format!("not {name}, which speaks {version}"),
    }
}

/// Two versions of a capability.
async fn diff(context: &Context, from: &str, to: &str) -> Result<(), Failure> {
    let request = Request::get(format!("/v1/capabilities/{}/compare/{}", segment(from), segment(to)));
    let body = context.with(async |api| api.request(request).await).await?.body;
    let mut breaks = false;
    let read: Value =
        serde_json::from_slice(&body).map_err(|e| Failure::Failed(format!("the answer is not understood: {e}")))?;
    let some = |value: &Value| value.as_array().is_some_and(|items| !items.is_empty());
    let refused = |operation: &Value| operation.get("old-clients").or(operation.get("new-clients")).is_some();
    breaks |= some(&read["lost"]) || read["operations"].as_array().into_iter().flatten().any(refused);
    context.ui.answer(&body, compared)?;
    if breaks { Err(Failure::Told) } else { Ok(()) }
}

fn compared(tree: &Tree) -> String {
    let (from, to) = (printable(tree.text("from")).into_owned(), printable(tree.text("to")).into_owned());
    let mut out = String::new();
    for (name, word) in [("gained", "is new"), ("lost", "is gone")] {
        for operation in tree.list(name) {
            if let Tree::Text(operation) = operation {
                out.push_str(&format!("{} {word}\n", printable(operation)));
            }
        }
    }
    for operation in tree.list("operations") {
        let name = printable(operation.text("operation"));
        if matches!(operation.get("same"), Some(Tree::Bool(true))) {
            out.push_str(&format!("{name} is the same\n"));
            continue;
        }
        out.push_str(&format!("{name} differs\n"));
        for (member, clients, plugins) in [("old-clients", &from, &to), ("new-clients", &to, &from)] {
            let told = match operation.get(member) {
                Some(_) => format!("cannot: {}", printable(operation.text(member))),
                None => "is translated".to_owned(),
            };
            out.push_str(&format!("  a client of {clients} to a plugin of {plugins}: {told}\n"));
        }
    }
    if out.is_empty() { format!("{from} and {to} have no operations\n") } else { out }
}

fn describe(capability: &str, item: &Tree, operation: &Operation) -> String {
    let kind = if operation.feed { "change feed" } else { &operation.kind };
    let mut out = format!("{}.{}  ({})\n", printable(capability), printable(&operation.name), printable(kind));
    if let Some(deprecated) = &operation.deprecated {
        out.push_str(&format!("  {}\n", printable(&deprecated.to_string())));
    }
    out.push_str(&indented(item.text("docs"), "  "));
    let mut parameters = Table::plain();
    let schema = Schema::new(&operation.request_schema);
    let required = operation.request_schema.get("required").and_then(Value::as_array);
    if let Kind::Object(object) = schema.kind() {
        for (name, schema) in object.properties() {
            let required = required.is_some_and(|names| names.iter().any(|other| other == name));
            let description = Some(schema.description()).filter(|text| !text.is_empty());
            let cells = [
                Cell::from(format!("  {name}")),
                Cell::from(if required { "required" } else { "optional" }),
                Cell::from(kind_text(schema)),
            ];
            parameters.row(cells.into_iter().chain(description.map(Cell::from)));
        }
    }
    out.push_str(&parameters.render(Style::default()));
    out
}

/// What a parameter takes, in a few words.
pub(super) fn kind_text(schema: Schema<'_>) -> String {
    match schema.kind() {
        Kind::Object(object) => {
            let names: Vec<_> = object.properties().map(|(name, _)| format!(".{name}")).collect();
            if names.is_empty() { "an object".into() } else { names.join(" ") }
        }
        Kind::List(item) => format!("a list of: {}", kind_text(item)),
        kind => kind.expected(),
    }
}

fn indented(docs: &str, indent: &str) -> String {
    docs.lines().map(|line| format!("{indent}{}\n", printable(line))).collect()
}
