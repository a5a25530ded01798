//! How plugins look to an operator: above all, what one asks for and which settings it takes.

use jackfield_registry::{Manifest, Right, Rights};

use crate::{
    output::{Cell, Style, Table, Tree, printable, rfc3339_of, size},
    schema::Schema,
};

pub(super) fn list(items: &[Tree], style: Style) -> String {
    let mut table = Table::new(["name", "version", "pinned", "capabilities", "integrations", "signed by", "installed"]);
    for item in items {
        table.row([
            Cell::from(item.text("name")),
            Cell::from(item.text("version")),
            Cell::from(if item.text("pin") == item.text("version") { "yes" } else { "" }),
            Cell::from(item.texts("capabilities")),
            Cell::from(item.texts("integrations")),
            Cell::from(short(&signer(item))),
            Cell::from(rfc3339_of(item, "installed-at")),
        ]);
    }
    if table.is_empty() {
        return "(no plugins; install one with `jackfield plugin install FILE`)\n".into();
    }
    table.render(style)
}

/// The beginning of a signer, enough to tell one from another.
fn short(signer: &str) -> String {
    let mut short: String = signer.chars().take(24).collect();
    if short.len() < signer.len() {
        short.push('…');
    }
    short
}

pub(super) fn installed(plugin: &Tree, new: bool) -> String {
    let done = if new { "installed" } else { "is installed already:" };
    let signer = match signer(plugin) {
        signer if signer.is_empty() => "signed by nobody".to_owned(),
        signer => format!("signed by {signer}"),
    };
    format!(
        "{done} {} {} ({}), {}\n",
        printable(plugin.text("name")),
        printable(plugin.text("version")),
        printable(plugin.text("digest")),
        printable(&signer)
    )
}

/// What installing a file would do.
pub(super) fn plan(plan: &Tree, style: Style) -> String {
    let null = Tree::Null;
    let about = plan.get("manifest").and_then(|manifest| manifest.get("plugin")).unwrap_or(&null);
    let mut facts = Table::plain();
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            facts.row([Cell::from(name), Cell::from(value)]);
        }
    };
    fact("plugin", plan.text("id"));
    fact("description", about.text("description"));
    fact("digest", plan.text("digest"));
    fact("capabilities", &about.texts("capabilities"));
    fact("installed", &plan.texts("installed-versions"));
    fact("from", plan.text("origin"));
    fact("signed by", &signer(plan));
    fact("attested", &plan.texts("attestations"));
    fact("accept", plan.text("accept"));
    let mut out = facts.render(Style { width: None, ..style });
    let mut list = |title: &str, lines: &[Tree]| {
        let texts = lines.iter().filter_map(|line| if let Tree::Text(text) = line { Some(text) } else { None });
        lines_under(&mut out, title, texts);
    };
    list("Operations that are new", plan.list("operations-gained"));
    list("Operations that are gone", plan.list("operations-lost"));
    list("Operations that are not to be used any more", plan.list("operations-deprecated"));
    let new = plan.list("new-rights");
    match plan.list("installed-versions") {
        [] => list("It wants to", new),
        _ => list("It wants to, beyond what installed versions of it may", new),
    }
    let known: Vec<String> = plan.list("advisories").iter().map(fault).collect();
    lines_under(&mut out, "Known to be wrong with it, or with what it would run in", known);
    let refused = plan.text("refused");
    if !refused.is_empty() {
        let lines: Vec<String> = refused.lines().map(|line| printable(line).to_string()).collect();
        out.push_str(&format!("\nIt would be refused: {}\n", lines.join("\n")));
        return out;
    }
    let installed = matches!(plan.get("installed"), Some(Tree::Bool(true)));
    match (new, installed) {
        ([], true) => out.push_str("\nIt is installed already.\n"),
        ([], false) => out.push_str("\nIt asks for nothing that is to be accepted.\n"),
        _ => out.push_str(&format!("\nTo accept that, and nothing else: --accept {}\n", plan.text("accept"))),
    }
    out
}

/// What is to be known of the release that was chosen, a line each.
pub(super) fn chosen(chosen: &Tree) -> Vec<String> {
    let id = format!("{} {}", chosen.text("name"), chosen.text("version"));
    let mut lines = vec![format!("{id} of the registry {}", chosen.text("registry"))];
    if let Some(deprecated) = chosen.get("deprecated") {
        let instead = match deprecated.text("replacement") {
            "" => String::new(),
            replacement => format!("; use {replacement} instead"),
        };
        lines.push(format!("{id} is to be used no more: {}{instead}", deprecated.text("reason")));
    }
    let passed_over = chosen.list("passed-over").iter();
    lines.extend(passed_over.filter_map(|line| match line {
        Tree::Text(line) => Some(format!("newer, but will not do: {line}")),
        _ => None,
    }));
    lines
}

/// A known fault in a line.
fn fault(known: &Tree) -> String {
    let fixed = Some(known.text("fixed")).filter(|fixed| !fixed.is_empty());
    let fixed = fixed.map_or("not fixed yet".to_owned(), |fixed| format!("fixed in {fixed}"));
    let subject = known.text("subject");
    let subject = subject.strip_prefix("plugin:").unwrap_or(subject);
    format!("{} ({}) in {subject}: {}; {fixed}", known.text("id"), known.text("severity"), known.text("title"))
}

/// Who signed a plugin.
fn signer(plugin: &Tree) -> String {
    signer_of(plugin.get("signer"))
}

/// A signer, where there is one.
pub(super) fn signer_of(signer: Option<&Tree>) -> String {
    match signer {
        None => String::new(),
        Some(signer) if signer.text("kind") == "key" => format!("key {}", signer.text("fingerprint")),
        Some(signer) => format!("{} (vouched for by {})", signer.text("subject"), signer.text("issuer")),
    }
}

fn lines_under(out: &mut String, title: &str, lines: impl IntoIterator<Item = impl AsRef<str>>) {
    let lines: String = lines.into_iter().map(|line| format!("  {}\n", printable(line.as_ref()))).collect();
    if !lines.is_empty() {
        out.push_str(&format!("\n{title}:\n{lines}"));
    }
}

/// What a plugin asks for beside requests and limits, in the words in which it was accepted.
fn other_rights(manifest: &Tree) -> Vec<String> {
    let Ok(manifest) = serde_json::from_str::<Manifest>(&manifest.to_string()) else {
        return vec!["do what this version of the program does not understand; see `-o yaml`".into()];
    };
    let rights = Rights::of(&manifest, &manifest.limits);
    rights.iter().filter(|right| !matches!(right, Right::Send { .. })).map(ToString::to_string).collect()
}

/// The command that comes next.
pub(super) fn how_to_go_on(plugin: &Tree) -> String {
    let name = plugin.text("name");
    let required =
        plugin.get("manifest").and_then(|manifest| manifest.get("config")).map(|config| config.list("required"));
    let settings = required.unwrap_or_default().iter().filter_map(|name| match name {
        Tree::Text(name) => Some(format!(" --set {name}=…")),
        _ => None,
    });
    format!("next: jackfield integration add NAME --plugin {name}{}", settings.collect::<String>())
}

pub(super) fn show(plugin: &Tree, style: Style) -> String {
    let null = Tree::Null;
    let manifest = plugin.get("manifest").unwrap_or(&null);
    let about = manifest.get("plugin").unwrap_or(&null);
    let mut facts = Table::plain();
    let mut fact = |name: &str, value: &str| facts.row([Cell::from(name), Cell::from(value)]);
    fact("name", plugin.text("name"));
    fact("version", plugin.text("version"));
    fact("description", about.text("description"));
    fact("license", about.text("license"));
    fact("pinned to", plugin.text("pin"));
    fact("digest", plugin.text("digest"));
    fact("from", if plugin.text("pinned").is_empty() { plugin.text("origin") } else { plugin.text("pinned") });
    fact("signed by", &signer(plugin));
    fact("attested", &plugin.texts("attestations"));
    fact("size", &plugin.number("size").and_then(|bytes| u64::try_from(bytes).ok()).map(size).unwrap_or_default());
    fact("installed", &rfc3339_of(plugin, "installed-at"));
    fact("host", about.text("host"));
    fact("capabilities", &plugin.texts("capabilities"));
    fact("integrations", &plugin.texts("integrations"));
    for system in manifest.list("compatibility") {
        fact("tested with", &format!("{} {}", system.text("system"), system.texts("versions")));
    }
    for (name, value) in manifest.get("limits").map(Tree::members).unwrap_or_default() {
        fact(&format!("limit {name}"), &value.to_string());
    }
    let mut out = facts.render(Style { width: None, ..style });
    section(&mut out, "It wants to reach", &endpoints(manifest), style);
    lines_under(&mut out, "It also wants to", other_rights(manifest));
    section(&mut out, "It takes these settings (--set)", &settings(manifest), style);
    out
}

fn section(out: &mut String, title: &str, table: &Table, style: Style) {
    if !table.is_empty() {
        out.push_str(&format!("\n{title}:\n{}", table.render(style)));
    }
}

fn endpoints(manifest: &Tree) -> Table {
    let mut table = Table::new(["endpoint", "address from", "methods", "paths", "what it is"]);
    for endpoint in manifest.list("endpoints") {
        table.row([
            Cell::from(endpoint.text("name")),
            Cell::from(endpoint.text("address")),
            Cell::from(endpoint.texts("methods")),
            Cell::from(endpoint.texts("paths")),
            Cell::from(endpoint.text("description")),
        ]);
    }
    table
}

fn settings(manifest: &Tree) -> Table {
    let mut table = Table::new(["setting", "needed", "takes", "default", "what it is"]);
    let Some(config) = manifest.get("config") else { return table };
    let Ok(document) = serde_json::from_str::<serde_json::Value>(&config.to_string()) else { return table };
    let required = config.list("required");
    for (name, property) in config.get("properties").map(Tree::members).unwrap_or_default() {
        let needed = required.iter().any(|other| matches!(other, Tree::Text(other) if other == name));
        let takes = Schema::new(&document).member(name).map(super::capability::kind_text);
        table.row([
            Cell::from(name),
            Cell::from(if needed { "yes" } else { "no" }),
            Cell::from(takes.unwrap_or_default()),
            Cell::from(property.get("default").map(ToString::to_string).unwrap_or_default()),
            Cell::from(property.text("description")),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin() -> Tree {
        serde_json::from_str(
            r#"{"name":"etcd","version":"0.1.0","digest":"sha256:00","size":72704,"installed-at":0,"capabilities":["jackfield:key-value@0.1.0"],
            "integrations":[],"manifest":{"plugin":{"description":"keys","host":">=0.1.0"},
            "endpoints":[{"name":"api","address":"url","methods":["POST"],"paths":["/v3/*"],"description":"members"}],
            "config":{"required":["url"],"properties":{"url":{"type":["string","array"],"description":"where"},"n":{"type":"integer","default":3}}}}}"#,
        )
        .unwrap()
    }

    #[test]
    fn an_operator_sees_what_a_plugin_asks_for_and_which_settings_it_takes() {
        let text = show(&plugin(), Style::default());
        for needle in [
            "size          71.0 KiB",
            "api       url           POST     /v3/*  members",
            "url      yes     a string or a list  -",
        ] {
            assert!(text.contains(needle), "{needle} in\n{text}");
        }
    }

    #[test]
    fn after_an_installation_the_next_command_is_shown() {
        assert_eq!(how_to_go_on(&plugin()), "next: jackfield integration add NAME --plugin etcd --set url=…");
    }
}
