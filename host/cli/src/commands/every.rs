//! `jackfield plugin upgrade` and `plugin rollback`: every integration of a plugin, one after another. The first that fails ends
//! it; what was done before it is told, and stays.

use http::Method;
use semver::Version;
use serde_json::{Value, json};

use super::{Context, outdated, quoted};
use crate::{
    api::{Api, Request, segment},
    failure::Failure,
    output::{Cell, Style, Table, Tree},
};

/// What became of some integrations, and what ended it.
type Done = (Vec<Value>, Option<Failure>);

pub(super) async fn upgrade(context: &Context, plugin: &str, dry_run: bool) -> Result<(), Failure> {
    let done = context
        .with(async |api| {
            let mut items = Vec::new();
            for integration in of(api, plugin).await? {
                let name = integration.text("name");
                let request = Request::new(Method::POST, format!("/v1/integrations/{}/upgrade", segment(name)));
                match api.request(request.json(&json!({ "dry-run": dry_run }))?).await {
                    Ok(answer) => {
                        let answer: Tree = serde_json::from_slice(&answer.body).unwrap_or(Tree::Null);
                        let (from, to) = (answer.text("from"), answer.text("to"));
                        items.push(
                            json!({"integration": name, "from": from, "to": to, "changed": from != to && !dry_run}),
                        );
                    }
                    Err(failure) => return Ok((items, Some(named(failure, name)))),
                }
            }
            Ok((items, None))
        })
        .await?;
    told(context, plugin, done, dry_run)
}

pub(super) async fn roll_back(context: &Context, plugin: &str, dry_run: bool) -> Result<(), Failure> {
    let done = context
        .with(async |api| {
            let mut items = Vec::new();
            for integration in of(api, plugin).await? {
                let name = integration.text("name");
                let from = integration.text("plugin-version").to_owned();
                let Some(to) = before(&integration) else {
                    items.push(json!({"integration": name, "from": from, "to": from, "changed": false}));
                    continue;
                };
                let request = Request::new(Method::POST, format!("/v1/integrations/{}/rollback", segment(name)));
                if !dry_run && let Err(failure) = api.request(request).await {
                    return Ok((items, Some(named(failure, name))));
                }
                items.push(json!({"integration": name, "from": from, "to": to, "changed": !dry_run}));
            }
            Ok((items, None))
        })
        .await?;
    told(context, plugin, done, dry_run)
}

/// The integrations of a plugin, which must be known.
async fn of(api: &Api, plugin: &str) -> Result<Vec<Tree>, Failure> {
    api.request(Request::get(format!("/v1/plugins/{}", segment(plugin)))).await?;
    outdated::all(api, "/v1/integrations", Some(plugin)).await
}

/// The version that an integration left for a newer one.
fn before(integration: &Tree) -> Option<Version> {
    let now: Version = integration.text("plugin-version").parse().ok()?;
    let before: Version = integration.get("previous")?.text("plugin-version").parse().ok()?;
    (before < now).then_some(before)
}

/// A refusal that says which integration it is about.
fn named(failure: Failure, integration: &str) -> Failure {
    let Failure::Api(mut problem) = failure else { return failure };
    problem.parts.detail = format!("integration `{integration}`: {}", problem.parts.detail);
    Failure::Api(problem)
}

fn told(context: &Context, plugin: &str, (items, failure): Done, dry_run: bool) -> Result<(), Failure> {
    let answer = json!({"items": items, "dry-run": dry_run});
    if failure.is_none() || !items.is_empty() {
        context.ui.answer(answer.to_string().as_bytes(), |answer| table(answer, plugin, context.ui.style))?;
    }
    failure.map_or(Ok(()), Err)
}

fn table(answer: &Tree, plugin: &str, style: Style) -> String {
    let dry_run = matches!(answer.get("dry-run"), Some(Tree::Bool(true)));
    let mut table = Table::new(["integration", "from", "to"]);
    for item in answer.list("items") {
        let to = if item.text("from") == item.text("to") { "stays" } else { item.text("to") };
        table.row([Cell::from(item.text("integration")), Cell::from(item.text("from")), Cell::from(to)]);
    }
    if table.is_empty() {
        return format!("no integration runs with {}\n", quoted(plugin));
    }
    let end = if dry_run { "nothing was changed\n" } else { "" };
    format!("{}{end}", table.render(style))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_left_an_older_version_goes_back() {
        let of = |now: &str, previous: &str| {
            let text = format!(r#"{{"plugin-version":"{now}","previous":{previous}}}"#);
            before(&serde_json::from_str(&text).unwrap()).map(|version| version.to_string())
        };
        assert_eq!(of("0.10.0", r#"{"plugin-version":"0.9.0"}"#).as_deref(), Some("0.9.0"));
        assert_eq!(of("0.9.0", r#"{"plugin-version":"0.10.0"}"#), None, "it went back already");
        assert_eq!(of("0.9.0", "null"), None);
    }

    #[test]
    fn what_became_of_each_is_a_line() {
        let answer: Tree = serde_json::from_str(
            r#"{"items":[{"integration":"a","from":"0.1.0","to":"0.2.0"},{"integration":"b","from":"0.2.0","to":"0.2.0"}],"dry-run":true}"#,
        )
        .unwrap();
        let text = table(&answer, "etcd", Style::default());
        assert!(text.contains("a            0.1.0  0.2.0\n") && text.contains("b            0.2.0  stays\n"), "{text}");
        assert!(text.ends_with("nothing was changed\n"));
        let none: Tree = serde_json::from_str(r#"{"items":[],"dry-run":false}"#).unwrap();
        assert_eq!(table(&none, "etcd", Style::default()), "no integration runs with etcd\n");
    }
}
