//! `jackfield status`: how the host is, at a glance.

use super::Context;
use crate::{
    api::{Api, Request},
    failure::Failure,
    output::{Cell, Colour, Style, Table, Tree, rfc3339_of},
};

pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let mut served = true;
    let answer = context
        .with(async |api| {
            served = !matches!(api, Api::Embedded(_));
            api.request(Request::get("/v1/status")).await
        })
        .await?;
    if !served {
        context
            .ui
            .note("no server runs on this data folder: this is what one would begin with, and nothing was checked yet");
    }
    context.ui.answer(&answer.body, |status| show(status, context.ui.style))?;
    let status: Tree = serde_json::from_slice(&answer.body).unwrap_or(Tree::Null);
    if is_well(&status) { Ok(()) } else { Err(Failure::Told) }
}

/// Whether everything works, well or not so well.
fn is_well(status: &Tree) -> bool {
    is_ready(status) && status.list("concerns").iter().all(|concern| concern.text("level") != "failing")
}

fn is_ready(status: &Tree) -> bool {
    matches!(status.get("ready"), Some(Tree::Bool(true)))
}

fn show(status: &Tree, style: Style) -> String {
    let mut facts = Table::plain();
    let mut fact = |name: &str, value: &str| facts.row([Cell::from(name), Cell::from(value)]);
    fact("version", status.text("version"));
    fact("since", &rfc3339_of(status, "started-at"));
    if !is_ready(status) {
        fact("not ready", &status.texts("not-ready"));
    }
    fact("vault", status.text("vault"));
    fact("plugins", &status.get("plugins").map(ToString::to_string).unwrap_or_default());
    fact("integrations", &counts(status.get("integrations").map(Tree::members).unwrap_or_default()));
    let mut out = facts.render(Style { width: None, ..style });
    let mut table = Table::new(["level", "what", "name", "since", "message"]);
    for concern in status.list("concerns") {
        let level = concern.text("level");
        let colour = if level == "failing" { Colour::Bad } else { Colour::Middling };
        table.row([
            Cell::from(level).coloured(Some(colour)),
            Cell::from(concern.text("about")),
            Cell::from(concern.text("name")),
            Cell::from(concern.get("since").map(|_| rfc3339_of(concern, "since")).unwrap_or_default()),
            Cell::from(concern.text("message")),
        ]);
    }
    if !table.is_empty() {
        out.push_str(&format!("\n{}", table.render(style)));
    }
    out
}

/// How many are how.
fn counts(integrations: &[(String, Tree)]) -> String {
    let some = integrations.iter().map(|(state, count)| (state, count.to_string())).filter(|(_, count)| count != "0");
    let some: Vec<String> = some.map(|(state, count)| format!("{count} {state}")).collect();
    if some.is_empty() { "none".into() } else { some.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(concerns: &str) -> Tree {
        let text = format!(
            r#"{{"version":"0.1.0","started-at":0,"ready":true,"not-ready":[],"vault":"open","plugins":2,
            "integrations":{{"unknown":0,"healthy":3,"degraded":0,"unhealthy":1}},"concerns":[{concerns}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_does_not_work_is_shown_with_why_and_ends_the_command_with_1() {
        let warning = r#"{"level":"warning","about":"integration","name":"a","message":"half of it works"}"#;
        let failing = r#"{"level":"failing","about":"integration","name":"b","message":"refused","since":0}"#;
        let text = show(&status(failing), Style::default());
        assert!(text.contains("integrations  3 healthy, 1 unhealthy\n"), "{text}");
        assert!(text.ends_with("failing  integration  b     1970-01-01T00:00:00Z  refused\n"), "{text}");
        assert!(is_well(&status("")) && is_well(&status(warning)) && !is_well(&status(failing)));
    }
}
