//! How integrations look to an operator: above all, how they are.

use crate::output::{Cell, Colour, Style, Table, Tree, cell, printable, rfc3339_of};

pub(super) fn list(items: &[Tree], style: Style) -> String {
    let mut table = Table::new(["name", "plugin", "health", "capabilities", "labels", "message"]);
    for item in items {
        let health = item.get("health").unwrap_or(&Tree::Null);
        table.row([
            Cell::from(item.text("name")),
            Cell::from(format!("{} {}", item.text("plugin"), item.text("plugin-version"))),
            if is_disabled(item) { Cell::from("disabled") } else { state(health) },
            Cell::from(item.texts("capabilities")),
            Cell::from(labels(item)),
            Cell::from(health.text("message")),
        ]);
    }
    if table.is_empty() {
        return "(no integrations; add one with `jackfield integration add NAME --plugin PLUGIN`)\n".into();
    }
    table.render(style)
}

pub(super) fn show(integration: &Tree, style: Style) -> String {
    let health = integration.get("health").unwrap_or(&Tree::Null);
    let mut facts = Table::plain();
    let mut fact = |name: &str, value: &str| facts.row([Cell::from(name), Cell::from(value)]);
    fact("name", integration.text("name"));
    if is_disabled(integration) {
        fact("disabled", "it runs nothing until it is enabled");
    }
    fact("plugin", &format!("{} {}", integration.text("plugin"), integration.text("plugin-version")));
    fact("digest", integration.text("plugin-digest"));
    if let Some(previous) = integration.get("previous") {
        fact("before", &format!("{}, until {}", previous.text("plugin-version"), rfc3339_of(previous, "left-at")));
    }
    if integration.get("probation-until").is_some() {
        fact("watched until", &rfc3339_of(integration, "probation-until"));
    }
    if let Some(share) = integration.get("share") {
        let number = |name: &str| share.number(name).unwrap_or_default();
        let (version, percent) = (share.text("plugin-version"), number("percent"));
        let (calls, failed) = (number("calls"), number("failed"));
        fact("shared with", &format!("{version}: {percent} of 100 calls, of which {failed} of {calls} failed"));
    }
    if let Some(shadow) = integration.get("shadow") {
        let number = |name: &str| shadow.number(name).unwrap_or_default();
        let (version, until) = (shadow.text("plugin-version"), rfc3339_of(shadow, "until"));
        let (compared, different) = (number("compared"), number("different"));
        fact("rehearsed", &format!("{version} until {until}: {different} of {compared} reads differ"));
    }
    fact("capabilities", &integration.texts("capabilities"));
    fact("labels", &labels(integration));
    fact("revision", &integration.get("revision").map(ToString::to_string).unwrap_or_default());
    fact("added", &rfc3339_of(integration, "created-at"));
    fact("changed", &rfc3339_of(integration, "updated-at"));
    for (name, value) in integration.get("config").map(Tree::members).unwrap_or_default() {
        fact(&format!("config {name}"), &cell(value, None));
    }
    for (name, settings) in integration.get("endpoints").map(Tree::members).unwrap_or_default() {
        let ranges = settings.texts("allow-addresses");
        if !ranges.is_empty() {
            fact(&format!("endpoint {name}"), &format!("may be at {ranges}"));
        }
        if settings.get("ca-pem").is_some() {
            fact(&format!("endpoint {name}"), "trusts its own certificates");
        }
        if let Some(credential) = settings.get("credential") {
            let place = match (credential.text("header"), credential.text("query")) {
                ("", "") => String::new(),
                ("", query) => format!(" in the query's `{query}`"),
                (header, _) => format!(" in the header `{header}`"),
            };
            fact(&format!("endpoint {name}"), &format!("uses the credential {}{place}", credential.text("name")));
        }
    }
    for (name, value) in integration.get("limits").map(Tree::members).unwrap_or_default() {
        fact(&format!("limit {name}"), &value.to_string());
    }
    if !integration.list("not-run").is_empty() {
        fact("not run", &format!("{}, which crashed again and again", integration.texts("not-run")));
    }
    if !integration.list("deprecated").is_empty() {
        fact("deprecated", &integration.texts("deprecated"));
    }
    if integration.get("untested").is_some() {
        fact("untested", integration.text("untested"));
    }
    if let Some(cassette) = integration.get("cassette") {
        fact("cassette", &cassette_of(cassette));
    }
    let mut out = facts.render(Style { width: None, ..style });
    if !is_disabled(integration) {
        out.push('\n');
        out.push_str(&report(health, style));
    }
    out
}

/// What came of an upgrade, or would.
pub(super) fn upgraded(upgrade: &Tree, style: Style) -> String {
    let is = |name: &str| matches!(upgrade.get(name), Some(Tree::Bool(true)));
    let name = upgrade.get("integration").map(|integration| integration.text("name")).unwrap_or_default();
    let (name, from, to) = (printable(name), printable(upgrade.text("from")), printable(upgrade.text("to")));
    if from == to {
        return format!("integration {name} runs with {to} already\n");
    }
    let share = upgrade.number("share").filter(|share| *share < 100);
    let mut out = match (is("changed"), share) {
        (true, Some(share)) => {
            format!("{share} of 100 calls of integration {name} go to {to}, the others to {from}\n")
        }
        (false, Some(share)) => {
            format!("{share} of 100 calls of integration {name} would go to {to}; nothing was changed\n")
        }
        (true, None) => format!("upgraded integration {name} from {from} to {to}\n"),
        (false, None) => format!("integration {name} would be upgraded from {from} to {to}; nothing was changed\n"),
    };
    let mut facts = Table::plain();
    let mut all = |title: &str, name: &str| {
        for line in upgrade.list(name) {
            if let Tree::Text(text) = line {
                facts.row([Cell::from(title), Cell::from(text.as_str())]);
            }
        }
    };
    all("new operation", "operations-gained");
    all("gone", "operations-lost");
    all("deprecated", "operations-deprecated");
    all("it may now", "new-rights");
    all("settings dropped for endpoint", "endpoints-dropped");
    if !is("checked") {
        facts.row([Cell::from("not checked"), Cell::from("its outside system was not asked how it is")]);
    }
    out.push_str(&facts.render(Style { width: None, ..style }));
    out
}

/// What is done with an integration's traffic. That it is replayed is not to be overlooked.
fn cassette_of(cassette: &Tree) -> String {
    let file = cassette.text("file");
    let part = match cassette.get("complete").map(ToString::to_string).as_deref() {
        Some("false") => ", which is not complete",
        _ => "",
    };
    match cassette.text("use") {
        "replay" => format!("REPLAYED from {file} by {} match{part}; nothing is sent", cassette.text("match")),
        _ => format!("recorded to {file}{part}"),
    }
}

/// A health report.
pub(super) fn report(health: &Tree, style: Style) -> String {
    let mut facts = Table::plain();
    facts.row([Cell::from("health"), state(health)]);
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            facts.row([Cell::from(name), Cell::from(value)]);
        }
    };
    fact("message", health.text("message"));
    fact("kind", health.text("kind"));
    fact("at fault", health.text("source"));
    fact("system version", health.text("system-version"));
    fact("since", &rfc3339_of(health, "since"));
    fact("checked", &rfc3339_of(health, "checked-at"));
    if let Some(Tree::Number(latency)) = health.get("latency-ms") {
        fact("took", &format!("{latency} ms"));
    }
    facts.render(Style { width: None, ..style })
}

/// Whether a health report says that nothing can be expected to work.
pub(super) fn is_unhealthy(health: &Tree) -> bool {
    health.text("state") == "unhealthy"
}

/// Whether an integration is not to run.
fn is_disabled(integration: &Tree) -> bool {
    matches!(integration.get("enabled"), Some(Tree::Bool(false)))
}

fn state(health: &Tree) -> Cell {
    let colour = match health.text("state") {
        "healthy" => Some(Colour::Good),
        "degraded" => Some(Colour::Middling),
        "unhealthy" => Some(Colour::Bad),
        _ => None,
    };
    Cell::from(health.text("state")).coloured(colour)
}

fn labels(integration: &Tree) -> String {
    let labels = integration.get("labels").map(Tree::members).unwrap_or_default();
    labels.iter().map(|(name, value)| format!("{name}={}", cell(value, None))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_how_each_integration_is() {
        let items: Tree = serde_json::from_str(
            r#"[{"name":"pg","plugin":"playground","plugin-version":"0.1.0","capabilities":["key-value"],
                "labels":{"env":"dev"},"health":{"state":"healthy","message":"ready"}}]"#,
        )
        .unwrap();
        let Tree::List(items) = items else { panic!("a list") };
        let text = list(&items, Style::default());
        assert!(text.ends_with("pg    playground 0.1.0  healthy  key-value     env=dev  ready\n"), "{text}");
    }

    #[test]
    fn what_is_disabled_says_so_in_place_of_how_it_is() {
        let one = r#"{"name":"pg","enabled":false,"health":{"state":"unknown","message":"it is disabled"}}"#;
        let integration: Tree = serde_json::from_str(one).unwrap();
        let listed = list(std::slice::from_ref(&integration), Style::default());
        assert!(listed.contains("disabled") && !listed.contains("unknown"), "{listed}");
        let shown = show(&integration, Style::default());
        assert!(shown.contains("until it is enabled") && !shown.contains("unknown"), "{shown}");
    }

    #[test]
    fn what_runs_beside_an_integration_is_shown_with_it() {
        let integration: Tree = serde_json::from_str(
            r#"{"name":"e","plugin-version":"0.1.0","share":{"plugin-version":"0.2.0","percent":10,"calls":7,"failed":1},
                "shadow":{"plugin-version":"0.3.0","until":0,"compared":5,"different":2},"health":{}}"#,
        )
        .unwrap();
        let text = show(&integration, Style::default());
        assert!(text.contains("0.2.0: 10 of 100 calls, of which 1 of 7 failed"), "{text}");
        assert!(text.contains("0.3.0 until 1970-01-01T00:00:00Z: 2 of 5 reads differ"), "{text}");
        let given =
            r#"{"from":"0.1.0","to":"0.2.0","changed":true,"share":10,"checked":true,"integration":{"name":"e"}}"#;
        let text = upgraded(&serde_json::from_str(given).unwrap(), Style::default());
        assert_eq!(text, "10 of 100 calls of integration e go to 0.2.0, the others to 0.1.0\n");
    }

    #[test]
    fn what_is_replayed_says_so() {
        let integration: Tree = serde_json::from_str(
            r#"{"name":"p","cassette":{"use":"replay","file":"/tmp/c","match":"strict","complete":false},"health":{}}"#,
        )
        .unwrap();
        let text = show(&integration, Style::default());
        let said = "REPLAYED from /tmp/c by strict match, which is not complete; nothing is sent";
        assert!(text.contains(said), "{text}");
    }

    #[test]
    fn a_report_leaves_out_what_is_not_known() {
        let health: Tree =
            serde_json::from_str(r#"{"state":"unhealthy","message":"gone","since":0,"kind":null}"#).unwrap();
        assert!(is_unhealthy(&health));
        let text = report(&health, Style::default());
        assert!(!text.contains("kind"), "{text}");
        assert!(text.contains("since    1970-01-01T00:00:00Z"), "{text}");
    }
}
