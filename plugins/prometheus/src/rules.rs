//! The rules that raise alerts and record series.

use jackfield_sdk::paging::paginate;
use jackfield_sdk::prelude::*;

use crate::api::{Answer, Api, ask};
use crate::metrics::PAGE;
use crate::refusal::Fields;
use crate::time::rfc3339;
use crate::wire::{RuleItem, Rules as Found};
use crate::wit::Rules;
use crate::wit::rules::{Rule, RuleKind, RulePage, RuleState};

impl Rules for crate::Prometheus {
    fn list_rules(page: Page) -> Result<RulePage> {
        let found = fetch(&Api::open()?)?;
        if found.victoria && found.data.groups.is_empty() {
            return Err(no_rules());
        }
        let mut groups = found.into_data().groups;
        // Stable, so that rules stay in the order of their group.
        groups.sort_by(|one, other| one.file.cmp(&other.file).then_with(|| one.name.cmp(&other.name)));
        let rules = groups.into_iter().flat_map(|group| {
            let (name, file) = (group.name, group.file);
            group.rules.into_iter().map(move |item| rule(item, &name, &file))
        });
        let (items, next) = paginate(rules.collect(), &page, PAGE)?;
        Ok(RulePage { items, next })
    }
}

fn fetch(api: &Api) -> Result<Answer<Found>> {
    // The alerts of each rule are another operation's; older systems send them all the same.
    ask(api.get("/api/v1/rules").query("exclude_alerts", "true"), &Fields::NONE)
}

/// Whether the system has any rules.
pub(crate) fn are_there_rules(api: &Api) -> Result<bool> {
    Ok(!fetch(api)?.data.groups.is_empty())
}

/// What VictoriaMetrics means by no rules at all: it answers so for Grafana's sake, although it cannot have any.
pub(crate) fn no_rules() -> Error {
    Error::unsupported(
        "VictoriaMetrics evaluates no rules itself, vmalert does: make an integration with vmalert's address, or start VictoriaMetrics with `-vmalert.proxyURL`",
    )
    .downstream()
}

fn rule(item: RuleItem, group: &str, namespace: &str) -> Rule {
    Rule {
        name: item.name,
        group: group.to_owned(),
        namespace: namespace.to_owned(),
        kind: if item.kind == "recording" { RuleKind::Recording } else { RuleKind::Alerting },
        expression: item.query,
        for_ms: (item.duration.max(0.0) * 1000.0).round() as u64,
        labels: item.labels.0,
        annotations: item.annotations.0,
        state: match item.state.as_str() {
            "firing" => RuleState::Firing,
            "pending" => RuleState::Pending,
            _ => RuleState::Inactive,
        },
        // What was not evaluated yet is `unknown`, and has not failed.
        healthy: item.health != "err",
        last_error: item.last_error,
        last_evaluation: rfc3339(&item.last_evaluation),
    }
}
