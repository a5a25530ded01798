//! `jackfield apply` and `jackfield export`. Files of plugins are read here, and installed once everything was tried; the rest
//! is the host's.

use http::Method;
use serde_json::{Value, json};

use jackfield_core::Place;

use super::{Context, place::Arrival, plugin};
use crate::{
    api::{Api, Request, Response, segment},
    args::{ApplyArgs, PlaceArgs},
    documents::{self, Document},
    failure::Failure,
    output::{Cell, Style, Table, Tree, cell},
};

pub(super) async fn apply(context: &Context, args: ApplyArgs) -> Result<(), Failure> {
    let documents = documents::read(&args.files)?;
    let mut refused = false;
    let answer = context
        .with(async |api| {
            // Everything is asked and tried before anything is installed.
            let mut missing = Vec::new();
            for document in &documents {
                for plugin in document.plugins() {
                    let found = find(context, api, document, plugin, &args).await?;
                    refused |= found.as_ref().is_some_and(|missing| missing.refused);
                    missing.extend(found);
                }
            }
            let tried = send(api, &documents, &args, true).await?;
            if args.dry_run {
                return Ok(tried);
            }
            for Missing { id, accept, arrival, .. } in missing {
                api.request(arrival.install(accept)?).await?;
                context.ui.note(&format!("installed {id}"));
            }
            send(api, &documents, &args, false).await
        })
        .await?;
    context.ui.answer(&answer.body, |applied| show(applied, context.ui.style))?;
    let applied: Tree = serde_json::from_slice(&answer.body).unwrap_or(Tree::Null);
    let differs = args.exit_code && !applied.list("changes").is_empty();
    if refused || differs { Err(Failure::Told) } else { Ok(()) }
}

async fn send(api: &Api, documents: &[Document], args: &ApplyArgs, dry_run: bool) -> Result<Response, Failure> {
    let values: Vec<&Value> = documents.iter().map(|document| &document.value).collect();
    let wanted = json!({"documents": values, "dry-run": dry_run, "prune": args.prune});
    let request = Request::new(Method::POST, "/v1/apply").json(&wanted)?;
    api.request(request).await.map_err(|failure| documents::placed(failure, documents))
}

/// A plugin that is wanted and not installed, and that may be.
struct Missing {
    id: String,
    accept: Option<String>,
    arrival: Arrival,
    /// It would not be installed: what it asks for is not accepted.
    refused: bool,
}

/// Finds the file of a plugin that is wanted and is not there, if its document says where it is, and has it accepted.
async fn find(
    context: &Context,
    api: &Api,
    document: &Document,
    wanted: &Value,
    args: &ApplyArgs,
) -> Result<Option<Missing>, Failure> {
    let text = |name: &str| wanted.get(name).and_then(Value::as_str);
    let (Some(name), Some(version), Some(source)) = (text("name"), text("version"), text("source")) else {
        return Ok(None);
    };
    let id = format!("{name}@{version}");
    match api.request(Request::get(format!("/v1/plugins/{}", segment(&id)))).await {
        Ok(_) => return Ok(None),
        Err(Failure::Api(problem)) if problem.parts.kind == "not-found" => {}
        Err(failure) => return Err(failure),
    }
    let wrong = |what: String| Failure::Usage(format!("{}: plugin `{id}`: {what}", document.place()));
    let place = if Place::is_meant(source) { source.into() } else { document.resolve(source).display().to_string() };
    let place = PlaceArgs { place, signature: None, allow_unsigned: args.allow_unsigned, allow_other_signer: false };
    let arrival = Arrival::read(&place).map_err(|failure| match failure {
        Failure::Usage(reason) => wrong(reason),
        other => other,
    })?;
    let plan = api.request(arrival.dry_run()?).await?;
    let plan: Tree = serde_json::from_slice(&plan.body).unwrap_or(Tree::Null);
    let place = &place.place;
    if plan.text("id") != id {
        return Err(wrong(format!("{place} holds `{}`", plan.text("id"))));
    }
    if let Some(digest) = text("digest").filter(|digest| *digest != plan.text("digest")) {
        return Err(wrong(format!("{place} is {}, not {digest}", plan.text("digest"))));
    }
    if !plan.text("refused").is_empty() {
        return Err(wrong(plan.text("refused").to_owned()));
    }
    let asked_for = if plan.list("new-rights").is_empty() { "" } else { plan.text("accept") };
    let accept = match text("accept") {
        Some(accept) => Some(accept.to_owned()),
        None if args.dry_run => None,
        None => plugin::ask_if_possible(context, &plan)?,
    };
    let refused = !asked_for.is_empty() && accept.as_deref() != Some(asked_for);
    if refused {
        let lines = plan.list("new-rights").iter().map(|right| format!("\n  - {right}"));
        let what = format!("it asks for what nobody accepted:{}", lines.collect::<String>());
        let told = wrong(format!("{what}\nTo accept that, and nothing else, write `accept: {asked_for}`"));
        if !args.dry_run {
            return Err(told);
        }
        told.lines().iter().for_each(|(_, line)| context.ui.say(line));
    }
    Ok(Some(Missing { id, accept, arrival, refused }))
}

fn show(applied: &Tree, style: Style) -> String {
    let dry_run = matches!(applied.get("dry-run"), Some(Tree::Bool(true)));
    let mut table = Table::new(["change", "kind", "name", "field", "is", "to be"]);
    for change in applied.list("changes") {
        let begin = || [change.text("action"), change.text("kind"), change.text("name")].map(Cell::from);
        let [action, kind, name] = begin();
        let none = [Cell::from(""), Cell::from(""), Cell::from("")];
        let fields = change.list("fields");
        if fields.is_empty() {
            let [field, is, to] = none;
            table.row([action, kind, name, field, is, to]);
        }
        for field in fields {
            let [action, kind, name] = begin();
            let value = |name: &str| Cell::from(field.get(name).map(|value| cell(value, None)).unwrap_or_default());
            table.row([action, kind, name, Cell::from(field.text("field")), value("from"), value("to")]);
        }
    }
    let unchanged = applied.get("unchanged").map(ToString::to_string).unwrap_or_default();
    if table.is_empty() {
        return format!("nothing to change: {unchanged} as wanted\n");
    }
    let end = match dry_run {
        true => format!("\nnothing was changed; {unchanged} as wanted already\n"),
        false => format!("\n{unchanged} as wanted already\n"),
    };
    format!("{}{end}", table.render(style))
}

pub(super) async fn export(context: &Context) -> Result<(), Failure> {
    let answer = context.with(async |api| api.request(Request::get("/v1/export")).await).await?;
    let mut failed = None;
    context.ui.answer(&answer.body, |export| {
        let written: Result<Vec<String>, _> = export.list("documents").iter().map(serde_norway::to_string).collect();
        written.map(|documents| documents.join("---\n")).unwrap_or_else(|error| {
            failed = Some(Failure::Failed(format!("a document has no form in YAML: {error}")));
            String::new()
        })
    })?;
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_is_shown_field_by_field() {
        let applied: Tree = serde_json::from_str(
            r#"{"changes":[{"kind":"integration","name":"a","action":"update","fields":[{"field":"/config/url","from":"x","to":"y"}]},
            {"kind":"integration","name":"b","action":"add"}],"unchanged":3,"dry-run":true}"#,
        )
        .unwrap();
        let text = show(&applied, Style::default());
        assert!(text.contains("update  integration  a     /config/url  x   y\n"), "{text}");
        assert!(text.ends_with("nothing was changed; 3 as wanted already\n"), "{text}");
        let nothing: Tree = serde_json::from_str(r#"{"changes":[],"unchanged":2,"dry-run":false}"#).unwrap();
        assert_eq!(show(&nothing, Style::default()), "nothing to change: 2 as wanted\n");
    }
}
