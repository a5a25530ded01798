//! `jackfield grant`: show, set, diff, explain.

use http::Method;
use serde_json::{Value, json};

use super::{Context, quoted};
use crate::{
    api::{Request, segment},
    args::{GrantSetArgs, GrantVerb},
    failure::Failure,
    output::{Cell, Colour, Style, Table, Tree, printable},
};

pub(super) async fn run(context: &Context, verb: GrantVerb) -> Result<(), Failure> {
    let style = context.ui.style;
    match verb {
        GrantVerb::Show { integration } => context.show(grant(&integration), |grant| show(grant, style)).await,
        GrantVerb::Diff { integration } => context.show(grant(&integration), diff).await,
        GrantVerb::Set(args) => set(context, args).await,
        GrantVerb::Explain { integration, method, path, endpoint } => {
            let question = json!({"endpoint": endpoint, "method": method, "path": path});
            let request = Request::new(Method::POST, format!("{}/grant/explain", of(&integration))).json(&question)?;
            let answer = context.with(async |api| api.request(request).await).await?;
            context.ui.answer(&answer.body, |answer| explained(answer, &method, &path))?;
            let granted = serde_json::from_slice::<Value>(&answer.body).is_ok_and(|answer| answer["granted"] == true);
            if granted { Ok(()) } else { Err(Failure::Told) }
        }
    }
}

fn of(integration: &str) -> String {
    format!("/v1/integrations/{}", segment(integration))
}

fn grant(integration: &str) -> Request {
    Request::get(format!("{}/grant", of(integration)))
}

async fn set(context: &Context, args: GrantSetArgs) -> Result<(), Failure> {
    let path = of(&args.integration);
    let answer = context
        .with(async |api| {
            let current = api.request(Request::get(path.as_str())).await?;
            let current: Value = serde_json::from_slice(&current.body).unwrap_or_default();
            // An endpoint's settings are replaced whole; if another changed them meanwhile, the revision tells.
            let mut settings = match &current["endpoints"][&args.endpoint] {
                Value::Null => json!({}),
                settings => settings.clone(),
            };
            settings["grant"] = allowed(&settings["grant"], &args);
            let change = json!({"endpoints": {&args.endpoint: settings}, "revision": current["revision"]});
            api.request(Request::new(Method::PATCH, path.as_str()).json(&change)?).await?;
            api.request(grant(&args.integration)).await
        })
        .await?;
    context.ui.answer(&answer.body, |grant| show(grant, context.ui.style))
}

/// What was allowed, with what is named in its place.
fn allowed(before: &Value, args: &GrantSetArgs) -> Value {
    let mut grant = if args.all || before.is_null() { json!({}) } else { before.clone() };
    if !args.methods.is_empty() {
        grant["methods"] = args.methods.clone().into();
    }
    if !args.paths.is_empty() {
        grant["paths"] = args.paths.clone().into();
    }
    for (name, on, off) in
        [("read-only", args.read_only, args.read_write), ("count-only", args.count_only, args.enforce)]
    {
        if on || off {
            grant[name] = on.into();
        }
    }
    grant
}

/// The texts of a list, or what stands for all of them.
fn listed(tree: Option<&Tree>, name: &str, all: &str) -> String {
    match tree.map(|tree| tree.texts(name)) {
        Some(texts) if tree.is_some_and(|tree| tree.get(name).is_some()) => texts,
        _ => all.to_owned(),
    }
}

fn is(tree: Option<&Tree>, name: &str) -> bool {
    tree.and_then(|tree| tree.get(name)).is_some_and(|value| value.to_string() == "true")
}

fn show(grant: &Tree, style: Style) -> String {
    let mut table =
        Table::new(["endpoint", "methods asked", "allowed", "paths asked", "allowed", "mode", "sent", "refused"]);
    for endpoint in grant.list("endpoints") {
        let (asked, allowed) = (endpoint.get("asked"), endpoint.get("allowed"));
        let (read_only, count_only) = (is(allowed, "read-only"), is(allowed, "count-only"));
        let mode = match (read_only, count_only) {
            (true, true) => "read-only, only counted",
            (true, false) => "read-only",
            (false, true) => "only counted",
            (false, false) => "enforced",
        };
        table.row([
            Cell::from(endpoint.text("name")),
            Cell::from(listed(asked, "methods", "")),
            Cell::from(listed(allowed, "methods", "(all)")),
            Cell::from(listed(asked, "paths", "")),
            Cell::from(listed(allowed, "paths", "(all)")),
            Cell::from(mode),
            Cell::from(sum(endpoint.list("used")).to_string()),
            Cell::from(sum(endpoint.list("refused")).to_string())
                .coloured((sum(endpoint.list("refused")) > 0).then_some(Colour::Bad)),
        ]);
    }
    if table.is_empty() {
        return "(the plugin asks for no endpoint)\n".into();
    }
    table.render(style)
}

fn count(used: &Tree) -> u64 {
    used.get("count").and_then(|count| count.to_string().parse().ok()).unwrap_or(0)
}

fn sum(uses: &[Tree]) -> u64 {
    uses.iter().map(count).sum()
}

/// What was never used and what was refused, and what to type about it.
fn diff(grant: &Tree) -> String {
    let mut out = String::new();
    let integration = printable(grant.text("integration")).into_owned();
    for endpoint in grant.list("endpoints") {
        let name = printable(endpoint.text("name")).into_owned();
        out.push_str(&format!("{name}\n"));
        for used in endpoint.list("used") {
            let (method, path) = (printable(used.text("method")), printable(used.text("path")));
            out.push_str(&format!("  = {method} {path}  sent {} times\n", count(used)));
        }
        for refused in endpoint.list("refused") {
            let (method, path) = (printable(refused.text("method")), printable(refused.text("path")));
            out.push_str(&format!("  + {method} {path}  refused, or only counted, {} times\n", count(refused)));
        }
        let flags = |kind: &str, flag: &str| -> String {
            let texts = endpoint.get("least").map(|least| least.list(kind)).unwrap_or_default();
            let text = |text: &Tree| match text {
                Tree::Text(text) => format!(" --{flag} {}", quoted(text)),
                _ => String::new(),
            };
            texts.iter().map(text).collect()
        };
        match endpoint.get("least") {
            Some(_) => out.push_str(&format!(
                "  the least that allows what was sent:\n  jackfield grant set {integration} --endpoint {name}{}{}\n",
                flags("methods", "method"),
                flags("paths", "path"),
            )),
            None => out.push_str("  nothing was sent since the host was started\n"),
        }
    }
    out
}

fn explained(answer: &Tree, method: &str, path: &str) -> String {
    let (method, path) = (printable(method), printable(path));
    let endpoint = printable(answer.text("endpoint")).into_owned();
    let reason = printable(answer.text("reason")).into_owned();
    match answer.text("pattern") {
        "" => format!("no: {reason}\n"),
        pattern if reason.is_empty() => {
            format!("yes: `{method} {path}` at endpoint `{endpoint}`, by the manifest's `{}`\n", printable(pattern))
        }
        pattern => format!(
            "yes: `{method} {path}` at endpoint `{endpoint}`, by the manifest's `{}`; {reason}\n",
            printable(pattern)
        ),
    }
}
