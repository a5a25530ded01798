//! `jackfield operation`: writes that the journal remembers; list, show, resolve.

use http::Method;
use serde_json::json;

use super::Context;
use crate::{
    api::{Query, Request, segment},
    args::OperationVerb,
    failure::Failure,
    output::{Cell, Colour, Style, Table, Tree, rfc3339_of},
};

pub(super) async fn run(context: &Context, verb: OperationVerb) -> Result<(), Failure> {
    let style = context.ui.style;
    let request = match verb {
        OperationVerb::List(args) => {
            let mut query = Query::default();
            query.add_some("integration", args.integration);
            query.add_some("state", args.unknown.then_some("unknown"));
            query.add_some("limit", args.limit);
            let request = Request::get(format!("/v1/operations{}", query.as_str()));
            return context.show(request, |answer| list(answer.list("items"), args.unknown, style)).await;
        }
        OperationVerb::Show { integration, key } => Request::get(path(&integration, &key)),
        OperationVerb::Resolve(args) => {
            let found = if args.applied { "applied" } else { "not-applied" };
            let path = format!("{}/resolve", path(&args.integration, &args.key));
            Request::new(Method::POST, path).json(&json!({"found": found}))?
        }
    };
    context.show(request, |write| show(write, style)).await
}

fn path(integration: &str, key: &str) -> String {
    format!("/v1/operations/{}/{}", segment(integration), segment(key))
}

fn colour(state: &str) -> Option<Colour> {
    match state {
        "applied" => Some(Colour::Good),
        "unknown" => Some(Colour::Bad),
        _ => None,
    }
}

fn list(items: &[Tree], unknown: bool, style: Style) -> String {
    let mut table = Table::new(["integration", "key", "operation", "state", "began", "message"]);
    for item in items {
        table.row([
            Cell::from(item.text("integration")),
            Cell::from(item.text("key")),
            Cell::from(item.text("action")),
            Cell::from(item.text("state")).coloured(colour(item.text("state"))),
            Cell::from(rfc3339_of(item, "began-at")),
            Cell::from(item.text("message")),
        ]);
    }
    match (table.is_empty(), unknown) {
        (true, true) => "(no write of unknown outcome)\n".into(),
        (true, false) => "(no writes; settled ones are remembered for a day)\n".into(),
        (false, _) => table.render(style),
    }
}

fn show(write: &Tree, style: Style) -> String {
    let mut facts = Table::plain();
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            facts.row([Cell::from(name), Cell::from(value)]);
        }
    };
    fact("integration", write.text("integration"));
    fact("key", write.text("key"));
    fact("operation", write.text("action"));
    fact("state", write.text("state"));
    fact("began", &rfc3339_of(write, "began-at"));
    fact("ended", &rfc3339_of(write, "ended-at"));
    fact("sent", &write.get("attempts").map(ToString::to_string).unwrap_or_default());
    fact("plugin", write.text("plugin-digest"));
    fact("message", write.text("message"));
    facts.render(Style { width: None, ..style })
}
