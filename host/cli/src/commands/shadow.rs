//! `jackfield integration shadow`: begins a rehearsal, shows what it has found, ends it.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::{Context, integration::Settings};
use crate::{
    api::{Api, Request, segment},
    args::ShadowArgs,
    failure::Failure,
    output::{Cell, Colour, Style, Table, Tree, cell, printable, rfc3339_of},
};

/// How long reads are waited for that are not compared yet.
const PATIENCE: Duration = Duration::from_secs(15);

/// What reads come to, by name and heading.
const COUNTS: [(&str, &str); 6] = [
    ("compared", "compared"),
    ("equal", "equal"),
    ("different", "different"),
    ("changed-meanwhile", "changed meanwhile"),
    ("failed", "failed"),
    ("dropped", "dropped"),
];

pub(super) async fn run(context: &Context, args: ShadowArgs) -> Result<(), Failure> {
    let integration = format!("/v1/integrations/{}", segment(&args.name));
    let path = format!("{integration}/shadow");
    let settings = Settings::read(args.config.as_deref(), &args.set)?;
    let answer = context
        .with(async |api| {
            if args.stop || args.exit_code {
                settled(api, &path).await;
            }
            if args.stop {
                api.request(Request::new(Method::DELETE, path.as_str())).await?;
            }
            let Some(to) = &args.to else { return api.request(Request::get(path.as_str())).await };
            let mut wanted = json!({"version": to, "dry-run": args.dry_run, "unchecked": args.unchecked});
            if let Some(time) = args.time {
                wanted["for-seconds"] = time.as_secs().into();
            }
            if !settings.is_empty() || !args.unset.is_empty() {
                let current = api.request(Request::get(integration.as_str())).await?;
                let current: Value = serde_json::from_slice(&current.body).unwrap_or_default();
                let plugin = format!("{}@{to}", current["plugin"].as_str().unwrap_or_default());
                wanted["config"] = Value::Object(settings.patch(api, &plugin, &args.unset).await?);
            }
            api.request(Request::new(Method::POST, path.as_str()).json(&wanted)?).await
        })
        .await?;
    context.ui.answer(&answer.body, |report| show(report, context.ui.style))?;
    let report: Tree = serde_json::from_slice(&answer.body).unwrap_or(Tree::Null);
    if args.exit_code && count(&report, "different") > 0 { Err(Failure::Told) } else { Ok(()) }
}

/// Waits a while until what was read by now is compared: whoever asks whether anything differs means that too.
async fn settled(api: &Api, path: &str) {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        // Where it cannot be asked, the request that matters says why.
        let Ok(answer) = api.request(Request::get(path)).await else { return };
        let report: Tree = serde_json::from_slice(&answer.body).unwrap_or(Tree::Null);
        if report.number("waiting").unwrap_or_default() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn count(report: &Tree, name: &str) -> i64 {
    report.get("reads").and_then(|reads| reads.number(name)).unwrap_or_default()
}

fn show(report: &Tree, style: Style) -> String {
    let (name, from, to) = (report.text("integration"), report.text("from"), report.text("to"));
    let (name, from, to) = (printable(name), printable(from), printable(to));
    let mut out = match report.text("state") {
        "tried" => return format!("{to} could be rehearsed for integration {name}; nothing was begun\n"),
        "running" => {
            let until = rfc3339_of(report, "until");
            format!("{to} is rehearsed for integration {name}, which runs with {from}, until {until}\n")
        }
        _ => {
            let (ended, why) = (rfc3339_of(report, "ended-at"), printable(report.text("ended-because")));
            format!("{to} was rehearsed for integration {name}, which ran with {from}, until {ended}: {why}\n")
        }
    };
    for lost in report.list("operations-lost") {
        if let Tree::Text(lost) = lost {
            out.push_str(&format!("{to} does not offer {}\n", printable(lost)));
        }
    }
    let operations = report.list("operations");
    if operations.is_empty() {
        out.push_str("(nothing was read since)\n");
        return out;
    }
    let mut table = Table::new(["operation"].into_iter().chain(COUNTS.map(|(_, heading)| heading)));
    for operation in operations {
        let number = |name: &str| operation.number(name).unwrap_or_default();
        let cells = COUNTS.map(|(name, _)| {
            let bad = (name == "different" && number(name) > 0).then_some(Colour::Bad);
            Cell::from(number(name).to_string()).coloured(bad)
        });
        table.row([Cell::from(operation.text("operation"))].into_iter().chain(cells));
    }
    out.push('\n');
    out.push_str(&table.render(style));
    for operation in operations.iter().filter(|operation| operation.get("last-failure").is_some()) {
        let (name, why) = (operation.text("operation"), operation.text("last-failure"));
        out.push_str(&format!("{} failed the latest time: {}\n", printable(name), printable(why)));
    }
    let differences = report.list("differences");
    if !differences.is_empty() {
        let mut table = Table::new(["difference in", "at", "kind", "times", &*from, &*to]);
        for difference in differences {
            let value = |name: &str| difference.get(name).map(|value| cell(value, None)).unwrap_or_default();
            table.row([
                Cell::from(difference.text("operation")),
                Cell::from(difference.text("pointer")),
                Cell::from(difference.text("kind")),
                Cell::from(difference.number("count").unwrap_or_default().to_string()),
                Cell::from(value("active")),
                Cell::from(value("candidate")),
            ]);
        }
        out.push('\n');
        out.push_str(&table.render(style));
    }
    if let Some(forgotten) = report.number("forgotten").filter(|forgotten| *forgotten > 0) {
        out.push_str(&format!("and {forgotten} more differences, which are not listed\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_shows_what_came_of_each_operation_and_where_answers_differ() {
        let report: Tree = serde_json::from_str(
            r#"{"integration":"e","state":"running","from":"0.1.0","to":"0.2.0","until":0,"operations-lost":["key-value.old"],
                "reads":{"different":2},
                "operations":[{"operation":"key-value.get","compared":3,"equal":1,"different":2,"changed-meanwhile":0,"failed":1,
                    "dropped":0,"last-failure":"gone"}],
                "differences":[{"operation":"key-value.get","pointer":"/value","kind":"value","active":"YQ==","candidate":"Yg==","count":2}],
                "forgotten":0}"#,
        )
        .unwrap();
        let text = show(&report, Style::default());
        assert!(text.starts_with("0.2.0 is rehearsed for integration e, which runs with 0.1.0, until 1970"), "{text}");
        assert!(text.contains("0.2.0 does not offer key-value.old\n"), "{text}");
        assert!(text.contains("key-value.get  3         1      2          0                  1       0\n"), "{text}");
        assert!(text.contains("key-value.get failed the latest time: gone\n"), "{text}");
        assert!(text.ends_with("key-value.get  /value  value  2      YQ==   Yg==\n"), "{text}");
        assert_eq!(count(&report, "different"), 2);
    }

    #[test]
    fn what_ended_says_why_and_what_was_only_tried_that_nothing_was_begun() {
        let ended = r#"{"integration":"e","state":"ended","from":"1.0.0","to":"2.0.0","ended-at":0,"ended-because":"its time is over"}"#;
        let text = show(&serde_json::from_str(ended).unwrap(), Style::default());
        assert!(text.ends_with("until 1970-01-01T00:00:00Z: its time is over\n(nothing was read since)\n"), "{text}");
        let tried = show(&serde_json::from_str(r#"{"state":"tried"}"#).unwrap(), Style::default());
        assert!(tried.contains("nothing was begun"), "{tried}");
    }
}
