//! `jackfield plugin outdated`: which integrations run with an older version of their plugin than the newest release that is
//! installed, and the command that upgrades each; and which plugins the registries have a newer release of that would do, by what
//! is known of them here. The same is told of one plugin when a version of it is installed.

use std::collections::BTreeMap;

use semver::Version;
use serde_json::json;

use super::{Context, quoted};
use crate::{
    api::{Api, Query, Request},
    failure::Failure,
    output::{Cell, Style, Table, Tree},
};

/// The most that a page holds.
const PAGE: u32 = 1000;

/// An integration that could run with a newer version of its plugin.
#[derive(Debug, PartialEq)]
pub(super) struct Behind {
    integration: String,
    plugin: String,
    version: Version,
    newest: Version,
    /// It is one that only who names it gets.
    named: bool,
}

impl Behind {
    /// What upgrades it.
    fn command(&self) -> String {
        let to = if self.named { format!(" --to {}", self.newest) } else { String::new() };
        format!("jackfield integration upgrade {}{to}", quoted(&self.integration))
    }
}

/// A plugin of which a registry has a newer release than is installed.
struct Available {
    plugin: String,
    installed: Version,
    available: Version,
    registry: String,
}

pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let (behind, available) = context
        .with(async |api| {
            let plugins = all(api, "/v1/plugins", None).await?;
            let integrations = all(api, "/v1/integrations", None).await?;
            let newest = newest(&plugins);
            let behind = outdated(&newest, &integrations);
            Ok((behind, available(api, newest).await?))
        })
        .await?;
    let item = |behind: &Behind| {
        json!({
            "integration": behind.integration,
            "plugin": behind.plugin,
            "plugin-version": behind.version,
            "newest": behind.newest,
            "command": behind.command(),
        })
    };
    let items: Vec<_> = behind.iter().map(item).collect();
    let newer = |one: &Available| {
        json!({
            "plugin": one.plugin,
            "installed": one.installed,
            "available": one.available,
            "registry": one.registry,
            "command": format!("jackfield plugin install {}/{}", one.registry, one.plugin),
        })
    };
    let mut answer = json!({"items": items});
    if let (false, Some(members)) = (available.is_empty(), answer.as_object_mut()) {
        members.insert("available".into(), available.iter().map(newer).collect());
    }
    context.ui.answer(answer.to_string().as_bytes(), |answer| table(answer, context.ui.style))
}

/// What the registries have that is newer and would do.
async fn available(api: &Api, newest: BTreeMap<String, Version>) -> Result<Vec<Available>, Failure> {
    let registries = api.request(Request::get("/v1/registries")).await?;
    let registries: Tree = serde_json::from_slice(&registries.body).unwrap_or(Tree::Null);
    if registries.list("items").is_empty() {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for (plugin, installed) in newest {
        let mut query = Query::default();
        query.add("plugin", &plugin);
        // One that no registry has, or in no version that would do, is not outdated.
        let Ok(chosen) = api.request(Request::get(format!("/v1/choice{}", query.as_str()))).await else { continue };
        let chosen: Tree = serde_json::from_slice(&chosen.body).unwrap_or(Tree::Null);
        let registry = chosen.text("registry").to_owned();
        match version(&chosen, "version") {
            Some(available) if available > installed => all.push(Available { plugin, installed, available, registry }),
            _ => {}
        }
    }
    Ok(all)
}

fn table(answer: &Tree, style: Style) -> String {
    let mut table = Table::new(["integration", "plugin", "runs with", "newest", "upgrade it"]);
    for item in answer.list("items") {
        let names = ["integration", "plugin", "plugin-version", "newest", "command"];
        table.row(names.map(|name| Cell::from(item.text(name))));
    }
    let style = Style { width: None, ..style };
    let mut out = match table.is_empty() {
        true => "every integration runs with the newest installed release of its plugin\n".to_owned(),
        false => table.render(style),
    };
    let mut newer = Table::new(["plugin", "installed", "available", "registry", "install it"]);
    for item in answer.list("available") {
        newer.row(["plugin", "installed", "available", "registry", "command"].map(|name| Cell::from(item.text(name))));
    }
    if !newer.is_empty() {
        out.push_str(&format!("\n{}", newer.render(style)));
    }
    out
}

/// The integrations that run with an older version than the one of the plugin that was installed.
pub(super) async fn behind(api: &Api, installed: &[u8]) -> Result<Vec<Behind>, Failure> {
    let plugin: Tree = serde_json::from_slice(installed).unwrap_or(Tree::Null);
    let version = version(&plugin, "pin").or_else(|| version(&plugin, "version"));
    let Some(version) = version else { return Ok(Vec::new()) };
    let name = plugin.text("name").to_owned();
    let integrations = all(api, "/v1/integrations", Some(&name)).await?;
    Ok(outdated(&BTreeMap::from([(name, version)]), &integrations))
}

/// What is said of them after an installation.
pub(super) fn hint(behind: &[Behind]) -> String {
    let mut by_version: BTreeMap<&Version, Vec<&str>> = BTreeMap::new();
    behind.iter().for_each(|one| by_version.entry(&one.version).or_default().push(&one.integration));
    let line = |(version, names): (&Version, Vec<&str>)| {
        let runs = if names.len() == 1 { "runs" } else { "run" };
        format!("{} still {runs} with {version}\n", names.join(", "))
    };
    let lines: String = by_version.into_iter().map(line).collect();
    match behind {
        [one] => format!("{lines}next: {}", one.command()),
        [one, ..] => format!("{lines}next: {}, and so on; `jackfield plugin outdated` lists them", one.command()),
        [] => lines,
    }
}

/// Every item of a list, over all its pages.
pub(super) async fn all(api: &Api, path: &str, plugin: Option<&str>) -> Result<Vec<Tree>, Failure> {
    let mut items = Vec::new();
    let mut cursor = None;
    loop {
        let mut query = Query::default();
        query.add_some("plugin", plugin);
        query.add_some("limit", Some(PAGE));
        query.add_some("cursor", cursor.as_ref());
        let answer = api.request(Request::get(format!("{path}{}", query.as_str()))).await?;
        let page: Tree = serde_json::from_slice(&answer.body)
            .map_err(|error| Failure::Failed(format!("what {} lists is not understood: {error}", api.name())))?;
        items.extend(page.list("items").iter().cloned());
        match page.text("next") {
            "" => return Ok(items),
            next => cursor = Some(next.to_owned()),
        }
    }
}

/// The newest release of each plugin, or the version that it is pinned to.
fn newest(plugins: &[Tree]) -> BTreeMap<String, Version> {
    let mut newest = BTreeMap::new();
    for plugin in plugins {
        if let Some(pinned) = version(plugin, "pin") {
            newest.insert(plugin.text("name").to_owned(), pinned);
            continue;
        }
        let Some(version) = version(plugin, "version").filter(|version| version.pre.is_empty()) else { continue };
        let known = newest.entry(plugin.text("name").to_owned()).or_insert_with(|| version.clone());
        if *known < version {
            *known = version;
        }
    }
    newest
}

fn outdated(newest: &BTreeMap<String, Version>, integrations: &[Tree]) -> Vec<Behind> {
    let behind = |integration: &Tree| {
        let plugin = integration.text("plugin");
        let (newest, version) = (newest.get(plugin)?, version(integration, "plugin-version")?);
        (version < *newest).then(|| Behind {
            integration: integration.text("name").to_owned(),
            plugin: plugin.to_owned(),
            version,
            newest: newest.clone(),
            named: !newest.pre.is_empty(),
        })
    };
    integrations.iter().filter_map(behind).collect()
}

fn version(item: &Tree, name: &str) -> Option<Version> {
    item.text(name).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trees(text: &str) -> Vec<Tree> {
        let Tree::List(items) = serde_json::from_str(text).unwrap() else { panic!("a list") };
        items
    }

    fn integrations() -> Vec<Tree> {
        trees(
            r#"[{"name":"a","plugin":"etcd","plugin-version":"0.1.0"},{"name":"b","plugin":"etcd","plugin-version":"0.10.0"},
            {"name":"c","plugin":"etcd","plugin-version":"0.11.0-rc.1"},{"name":"d","plugin":"gone","plugin-version":"0.1.0"}]"#,
        )
    }

    #[test]
    fn only_who_runs_with_less_than_the_newest_release_is_outdated() {
        let plugins = trees(
            r#"[{"name":"etcd","version":"0.1.0"},{"name":"etcd","version":"0.10.0"},{"name":"etcd","version":"0.9.0"},
            {"name":"etcd","version":"0.11.0-rc.1"},{"name":"other","version":"1.0.0-rc.1"}]"#,
        );
        let found = outdated(&newest(&plugins), &integrations());
        let commands: Vec<String> = found.iter().map(Behind::command).collect();
        assert_eq!(commands, ["jackfield integration upgrade a"]);
        assert_eq!(found[0].newest.to_string(), "0.10.0");
    }

    #[test]
    fn after_an_installation_those_that_are_behind_are_named_by_version_with_a_command() {
        let installed = BTreeMap::from([("etcd".to_owned(), Version::new(0, 12, 0))]);
        let found = outdated(&installed, &integrations());
        assert_eq!(
            hint(&found),
            "a still runs with 0.1.0\nb still runs with 0.10.0\nc still runs with 0.11.0-rc.1\nnext: jackfield integration \
             upgrade a, and so on; `jackfield plugin outdated` lists them"
        );
        assert_eq!(hint(&found[..1]), "a still runs with 0.1.0\nnext: jackfield integration upgrade a");
        let candidate = BTreeMap::from([("etcd".to_owned(), "0.12.0-rc.1".parse().unwrap())]);
        assert!(hint(&outdated(&candidate, &integrations())).contains("upgrade a --to 0.12.0-rc.1, and so on"));
    }
}
