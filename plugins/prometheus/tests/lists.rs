//! Series, labels, metadata, targets, rules and alerts, against answers of real servers.

mod common;

use common::{answer_with, dress, form, only_sent, recorded};
use jackfield_sdk::testing::{self, Answer};
use jackfield_sdk::types::{Error, ErrorKind, ErrorSource, Page, label};
use jackfield_sdk::{HealthStatus, Plugin};
use plugin_prometheus::Prometheus;
use plugin_prometheus::wit::alerts::{AlertFilter, AlertState};
use plugin_prometheus::wit::metrics::TargetHealth;
use plugin_prometheus::wit::rules::{RuleKind, RuleState};
use plugin_prometheus::wit::{Alerts, Metrics, Rules};

fn page(cursor: Option<String>, limit: u32) -> Page {
    Page { cursor, limit: Some(limit) }
}

fn field<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result.unwrap_err().kind {
        ErrorKind::Invalid(violation) => violation.field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn series_are_paged_in_an_order_of_their_own() {
    for (file, count) in [("p3-series", 3), ("v1-series", 2)] {
        testing::reset();
        answer_with(200, file);
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let found = Prometheus::series(vec!["up".into()], None, Some(1_700_000_000_500), page(cursor, 1)).unwrap();
            assert_eq!(found.items.len(), 1);
            seen.extend(found.items);
            match found.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(seen.len(), count);
        for series in &seen {
            assert!(series.labels.windows(2).all(|pair| pair[0].name < pair[1].name));
            assert_eq!(series.labels[0], label("__name__", "up"));
        }
        let sent = testing::sent();
        assert_eq!((sent[0].method.as_str(), sent[0].path_and_query.as_str()), ("POST", "/api/v1/series"));
        assert_eq!(form(&sent[0]), "match%5B%5D=up&start=0&end=1700000000.500");
    }
}

#[test]
fn what_selects_no_series_is_refused_before_it_is_sent() {
    assert_eq!(field(Prometheus::series(vec![], None, None, Page::default())), "/matchers");
    assert_eq!(field(Prometheus::series(vec!["up".into(), " ".into()], None, None, Page::default())), "/matchers/1");
    assert_eq!(field(Prometheus::series(vec!["up".into()], Some(2), Some(1), Page::default())), "/end");
    assert_eq!(field(Prometheus::labels(Some(String::new()), vec![], None, None, Page::default())), "/name");
    assert_eq!(field(Prometheus::metadata(Some(String::new()), Page::default())), "/metric");
    assert!(testing::sent().is_empty());
}

#[test]
fn names_of_labels_are_asked_by_post_and_values_by_get() {
    testing::answer(|_| Answer::json(200, r#"{"status":"success","data":["b","a","b"],"warnings":["slow"]}"#));
    let found = Prometheus::labels(None, vec!["up".into(), "x".into()], Some(1500), None, Page::default()).unwrap();
    assert_eq!((found.items, found.next), (vec!["a".to_owned(), "b".to_owned()], None));
    let sent = only_sent();
    assert_eq!((sent.method.as_str(), sent.path_and_query.as_str()), ("POST", "/api/v1/labels"));
    assert_eq!(form(&sent), "match%5B%5D=up&match%5B%5D=x&start=1.500");
    assert_eq!(testing::logs()[0].1, "slow");
    Prometheus::labels(Some("job".into()), vec!["up{a=\"b\"}".into()], None, Some(0), Page::default()).unwrap();
    let sent = &testing::sent()[1];
    assert_eq!(sent.method, "GET");
    assert_eq!(sent.path_and_query, "/api/v1/label/job/values?match%5B%5D=up%7Ba%3D%22b%22%7D&start=0&end=0");
    answer_with(400, "p2-bad-label");
    assert_eq!(field(Prometheus::labels(Some("a-b".into()), vec![], None, None, Page::default())), "/name");
}

#[test]
fn metadata_is_told_by_metric() {
    answer_with(200, "p3-metadata");
    let found = Prometheus::metadata(Some("go_goroutines".into()), Page::default()).unwrap().items;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].metric.as_str(), found[0].kind.as_str()), ("go_goroutines", "gauge"));
    assert_eq!(found[0].help, "Number of goroutines that currently exist.");
    assert_eq!(only_sent().path_and_query, "/api/v1/metadata?metric=go_goroutines");
    answer_with(200, "p2-metadata");
    let found = Prometheus::metadata(None, Page::default()).unwrap().items;
    assert!(found.len() == 3 && found.is_sorted_by(|one, other| one.metric < other.metric));
    answer_with(200, "v1-metadata");
    assert!(Prometheus::metadata(None, Page::default()).unwrap().items.is_empty());
}

#[test]
fn targets_tell_whether_and_how_their_last_scrape_went() {
    for (file, count) in [("p2-targets", 3), ("p3-targets", 3), ("v1-targets", 2), ("v2-targets", 0)] {
        answer_with(200, file);
        let found = Prometheus::targets(Page::default()).unwrap().items;
        assert_eq!(found.len(), count, "{file}");
        assert!(found.is_sorted_by(|one, other| one.pool <= other.pool));
        let told: serde_json::Value = serde_json::from_str(&recorded(file)).unwrap();
        for target in found {
            assert_eq!(target.health == TargetHealth::Down, target.pool == "gone");
            assert_eq!(target.last_error.is_empty(), target.pool != "gone");
            assert!(target.url.starts_with("http://127.0.0.1:") && target.last_scrape.unwrap() > 1_795_000_000_000);
            assert!(target.labels.contains(&label("job", target.pool.clone())));
            let items = told["data"]["activeTargets"].as_array().unwrap();
            let same = items.iter().find(|item| item["scrapePool"] == target.pool.as_str()).unwrap();
            let printed = same["lastScrapeDuration"].to_string().parse::<f64>().unwrap();
            assert_eq!(target.last_scrape_seconds, printed);
        }
    }
}

#[test]
fn rules_are_listed_group_by_group_in_their_order() {
    for file in ["p2-rules", "p3-rules"] {
        answer_with(200, file);
        let rules = Prometheus::list_rules(Page::default()).unwrap().items;
        let names: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!(names, ["job:up:sum", "AlwaysFiring", "StillPending", "Quiet", "bad:join"]);
        assert!(rules.iter().all(|rule| rule.namespace == "rules.yml" && rule.last_evaluation.is_some()));
        let states: Vec<_> = rules.iter().map(|rule| (rule.kind, rule.state, rule.healthy)).collect();
        assert_eq!(states[0], (RuleKind::Recording, RuleState::Inactive, true));
        assert_eq!(states[1], (RuleKind::Alerting, RuleState::Firing, true));
        assert_eq!(states[2], (RuleKind::Alerting, RuleState::Pending, true));
        assert_eq!(states[3], (RuleKind::Alerting, RuleState::Inactive, true));
        assert_eq!((states[4].0, states[4].2), (RuleKind::Recording, false));
        assert!(rules[4].last_error.contains("many-to-many"));
        assert_eq!((rules[2].for_ms, rules[3].for_ms), (864_000_000, 90_000));
        assert_eq!(rules[1].labels, [label("severity", "critical"), label("team", "db")]);
        assert_eq!(rules[1].annotations[1], label("summary", "value is {{ $value }}"));
        assert_eq!((rules[1].expression.as_str(), rules[4].group.as_str()), ("vector(1.5)", "failing"));
        let second = Prometheus::list_rules(page(None, 2)).unwrap().next;
        let second = Prometheus::list_rules(page(second, 2)).unwrap().items;
        assert_eq!(second, rules[2..4]);
    }
    answer_with(200, "vmalert-rules");
    let rules = Prometheus::list_rules(Page::default()).unwrap().items;
    assert_eq!((rules.len(), rules[1].state, rules[2].state), (3, RuleState::Firing, RuleState::Pending));
    assert_eq!((rules[0].kind, rules[0].namespace.as_str()), (RuleKind::Recording, "vmrules.yml"));
}

#[test]
fn alerts_are_filtered_here_because_the_server_cannot() {
    let list = |matchers: &[&str], state| {
        let matchers = matchers.iter().map(|text| (*text).to_owned()).collect();
        let filter = AlertFilter { matchers, state, receiver: None };
        Prometheus::list_alerts(Some(filter), Page::default()).map(|page| page.items)
    };
    answer_with(200, "p3-alerts");
    let all = Prometheus::list_alerts(None, Page::default()).unwrap().items;
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].id.as_str(), all[0].state, all[0].value), ("481a0455de5f1f75", AlertState::Firing, Some(1.5)));
    assert_eq!(all[0].annotations[1], label("summary", "value is 1.5"));
    assert_eq!((all[1].state, all[1].value, all[1].ends_at), (AlertState::Pending, Some(42.0), None));
    assert!(all[0].starts_at > 1_795_000_000_000);
    assert_eq!(list(&["severity=~\"crit.*\""], None).unwrap(), all[..1]);
    assert_eq!(list(&[], Some(AlertState::Pending)).unwrap(), all[1..]);
    assert_eq!(list(&["team=\"\""], Some(AlertState::Pending)).unwrap(), all[1..]);
    assert_eq!(list(&["team!=\"db\""], Some(AlertState::Firing)).unwrap(), []);
    assert_eq!(list(&[], Some(AlertState::Suppressed)).unwrap(), []);
    assert_eq!(field(list(&["team=\"db\"", "x"], None)), "/filter/matchers/1");
    assert_eq!(field(list(&["team=~\"(\""], None)), "/filter/matchers/0");
    let filter = AlertFilter { matchers: vec![], state: None, receiver: Some("pager".into()) };
    assert_eq!(Prometheus::list_alerts(Some(filter), Page::default()).unwrap_err().kind, ErrorKind::Unsupported);

    answer_with(200, "vmalert-alerts");
    let all = Prometheus::list_alerts(None, Page::default()).unwrap().items;
    assert_eq!((all.len(), all[0].state, all[0].value), (2, AlertState::Firing, Some(1.5)));
    assert!(all[0].generator_url.starts_with("http://vm:18881/vmalert/"));
}

#[test]
fn victoria_metrics_without_vmalert_has_no_rules_rather_than_none_that_fire() {
    testing::answer(|sent| {
        let file = if sent.path_and_query.starts_with("/api/v1/rules") { "v1-rules" } else { "v1-alerts" };
        dress(Answer::json(200, &recorded(file)), true)
    });
    for error in [
        Prometheus::list_rules(Page::default()).unwrap_err(),
        Prometheus::list_alerts(None, Page::default()).unwrap_err(),
    ] {
        assert_eq!((error.kind, error.source), (ErrorKind::Unsupported, ErrorSource::Downstream));
        assert!(error.message.contains("vmalert"));
    }
    // Prometheus's own empty lists are lists.
    testing::answer(|sent| {
        let file = if sent.path_and_query.starts_with("/api/v1/rules") { "v1-rules" } else { "v1-alerts" };
        Answer::json(200, &recorded(file))
    });
    assert!(Prometheus::list_rules(Page::default()).unwrap().items.is_empty());
    assert!(Prometheus::list_alerts(None, Page::default()).unwrap().items.is_empty());
    // With vmalert behind it, nothing may well be firing.
    testing::answer(|sent| {
        let file = if sent.path_and_query.starts_with("/api/v1/rules") { "vmalert-rules" } else { "v1-alerts" };
        dress(Answer::json(200, &recorded(file)), true)
    });
    assert!(Prometheus::list_alerts(None, Page::default()).unwrap().items.is_empty());
}

#[test]
fn health_tells_the_version_where_the_system_does() {
    answer_with(200, "p3-buildinfo");
    let health = Prometheus::check_health().unwrap();
    assert_eq!((health.status, health.system_version.as_deref()), (HealthStatus::Healthy, Some("3.5.3+ds1")));
    for file in ["v1-buildinfo", "v2-buildinfo"] {
        answer_with(200, file);
        let health = Prometheus::check_health().unwrap();
        assert_eq!((health.status, health.system_version.as_deref()), (HealthStatus::Healthy, Some("victoriametrics")));
    }
    let body = r#"{"status":"success","data":{"application":"Grafana Mimir","version":"2.10.0","features":{}}}"#;
    testing::answer(move |_| Answer::json(200, body));
    assert_eq!(Prometheus::check_health().unwrap().message, "Grafana Mimir answers");
    // Not ready yet: the write-ahead log is being replayed.
    testing::answer(|_| Answer::new(503, "Service Unavailable"));
    assert_eq!(Prometheus::check_health().unwrap_err().kind, ErrorKind::Unavailable);
}

#[test]
fn health_is_found_out_in_other_ways_where_there_is_no_build_information() {
    let missing = || Answer::new(400, "unsupported path requested: \"/x\"\n");
    testing::answer(move |sent| match sent.path_and_query.as_str() {
        "/api/v1/query" => Answer::json(200, &recorded("v1-scalar")),
        _ => missing(),
    });
    assert_eq!(Prometheus::check_health().unwrap().status, HealthStatus::Healthy);
    // vmalert.
    testing::answer(move |sent| match sent.path_and_query.as_str() {
        "/-/ready" => Answer::new(200, "VictoriaMetrics is Ready.\n"),
        _ => missing(),
    });
    assert_eq!(Prometheus::check_health().unwrap().status, HealthStatus::Degraded);
    testing::answer(|_| Answer::new(404, "404 page not found\n"));
    let error = Prometheus::check_health().unwrap_err();
    assert!(error.kind == ErrorKind::Unsupported && error.message.contains("base path"), "{error:?}");
}
