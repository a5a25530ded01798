//! Alerts, silences, receivers and health, against answers of real servers: 0.25.0 and 0.33.1.

mod common;

use common::recorded;
use jackfield_sdk::testing::{self, Answer};
use jackfield_sdk::types::{ErrorKind, ErrorSource, Page, label};
use jackfield_sdk::{HealthStatus, Plugin};
use plugin_alertmanager::Alertmanager;
use plugin_alertmanager::wit::alerts::{AlertFilter, AlertState};
use plugin_alertmanager::wit::silences::SilenceState;
use plugin_alertmanager::wit::{Alerts, Receivers, Silences};

const SERVERS: [&str; 2] = ["am25", "am33"];

fn answer_with(server: &str, list: &str) {
    let body = recorded(&format!("{server}-{list}"));
    testing::answer(move |_| Answer::json(200, &body));
}

fn filter(matchers: &[&str], state: Option<AlertState>, receiver: Option<&str>) -> Option<AlertFilter> {
    let matchers = matchers.iter().map(|text| (*text).to_owned()).collect();
    Some(AlertFilter { matchers, state, receiver: receiver.map(str::to_owned) })
}

#[test]
fn alerts_tell_what_holds_them_back_and_who_is_told() {
    for server in SERVERS {
        answer_with(server, "alerts");
        let found = Alertmanager::list_alerts(None, Page::default()).unwrap().items;
        let of = |name: &str| found.iter().find(|alert| alert.labels.contains(&label("alertname", name))).unwrap();
        assert_eq!(found.len(), 3);
        let firing = of("AlwaysFiring");
        assert_eq!((firing.id.as_str(), firing.state), ("481a0455de5f1f75", AlertState::Firing));
        assert_eq!(firing.receivers, ["pager"]);
        assert_eq!(firing.annotations, [label("runbook", "none"), label("summary", "value is 1.5")]);
        assert_eq!((firing.starts_at, firing.value), (1_795_451_169_456, None));
        assert!(firing.ends_at.unwrap() > firing.starts_at && firing.generator_url.starts_with("http://vm:1909"));
        let inhibited = of("Muted");
        assert_eq!((inhibited.state, &inhibited.inhibited_by[..]), (AlertState::Suppressed, &[firing.id.clone()][..]));
        let silenced = of("Silenced");
        assert_eq!((silenced.state, silenced.silenced_by.len()), (AlertState::Suppressed, 1));
        assert_eq!(silenced.labels[1], label("zone", "ä\"x"));
        let held = Alertmanager::list_alerts(filter(&[], Some(AlertState::Suppressed), None), Page::default()).unwrap();
        assert_eq!(held.items.len(), 2);
    }
}

#[test]
fn alertmanager_finds_what_the_filter_chooses() {
    testing::set_config(r#"{"tenant": "team-a", "timeout-ms": 700}"#);
    answer_with("am25", "alerts");
    let page = Page { cursor: None, limit: Some(2) };
    let first = Alertmanager::list_alerts(filter(&["a=b", "c!~\"x.*\""], None, Some("team.a")), page).unwrap();
    assert_eq!(first.items.len(), 2);
    let sent = testing::sent().remove(0);
    assert_eq!(sent.path_and_query, "/api/v2/alerts?filter=a%3D%22b%22&filter=c%21~%22x.%2A%22&receiver=team%5C.a");
    assert_eq!((sent.method.as_str(), sent.endpoint.as_str()), ("GET", "api"));
    assert!(sent.headers.contains(&("x-scope-orgid".into(), "team-a".into())));
    assert_eq!(sent.timeout.unwrap().as_millis(), 700);
    let page = Page { cursor: first.next, limit: Some(2) };
    let second = Alertmanager::list_alerts(filter(&["a=b", "c!~\"x.*\""], None, Some("team.a")), page).unwrap();
    assert_eq!((second.items.len(), second.next), (1, None));
}

#[test]
fn what_alertmanager_never_lists_is_not_asked_for() {
    for state in [AlertState::Pending, AlertState::Resolved] {
        assert!(Alertmanager::list_alerts(filter(&[], Some(state), None), Page::default()).unwrap().items.is_empty());
    }
    for (wrong, field) in [
        (filter(&["a=\"b\"", "c"], None, None), "/filter/matchers/1"),
        (filter(&["x"], Some(AlertState::Pending), None), "/filter/matchers/0"),
        (filter(&[], None, Some("")), "/filter/receiver"),
    ] {
        let error = Alertmanager::list_alerts(wrong, Page::default()).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Invalid(at) if at.field == field));
    }
    assert!(testing::sent().is_empty());
    testing::answer(|_| Answer::json(400, "\"error parsing regexp: missing closing ): `^(?:()$`\"\n"));
    let error = Alertmanager::list_alerts(filter(&["a=~\"(\""], None, None), Page::default()).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Invalid(at) if at.field == "/filter/matchers/0"));
    assert!(error.message.contains("missing closing") && error.source == ErrorSource::Downstream);
}

#[test]
fn silences_are_chosen_by_matchers_as_they_are_written() {
    for server in SERVERS {
        answer_with(server, "silences");
        let list = |matchers: &[&str], state| {
            let matchers = matchers.iter().map(|text| (*text).to_owned()).collect();
            Alertmanager::list_silences(matchers, state, Page::default()).unwrap().items
        };
        let all = list(&[], None);
        assert_eq!(all.len(), if server == "am25" { 3 } else { 4 });
        let expired = list(&[], Some(SilenceState::Expired));
        assert_eq!((expired.len(), all.last()), (1, expired.first()));
        assert_eq!(expired[0].matchers, ["alertname=\"X\"", "a!~\"y|z\""]);
        assert_eq!((expired[0].created_by.as_str(), expired[0].comment.as_str()), ("me", "why"));
        assert_eq!(expired[0].updated_at, expired[0].ends_at);
        assert_eq!(list(&["a!~\"y|z\""], None), expired);
        assert_eq!(list(&["a!~\"y|z\"", "alertname=X"], None), expired);
        assert!(list(&["a=~\"y|z\""], None).is_empty());
        assert_eq!(list(&["b=X"], None)[0].matchers, ["b=\"X\""]);
        // A value with everything that needs escaping finds itself.
        let odd = all.iter().find(|silence| silence.matchers[0].contains("\\\\d")).unwrap();
        assert_eq!(odd.matchers, [r#"a="x\\d\n\"ü""#]);
        assert_eq!(&list(&[&odd.matchers[0]], None)[0], odd);
        let page = Page { cursor: None, limit: Some(1) };
        let next = Alertmanager::list_silences(vec![], None, page).unwrap().next;
        let page = Page { cursor: next, limit: Some(1) };
        assert_eq!(Alertmanager::list_silences(vec![], None, page).unwrap().items, all[1..2]);
    }
    let error = Alertmanager::list_silences(vec!["x".into()], None, Page::default()).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Invalid(at) if at.field == "/matchers/0"));
}

#[test]
fn receivers_are_listed_by_name() {
    for server in SERVERS {
        answer_with(server, "receivers");
        let found = Alertmanager::receivers(Page::default()).unwrap().items;
        assert_eq!(found.iter().map(|receiver| receiver.name.as_str()).collect::<Vec<_>>(), ["default", "pager"]);
    }
}

#[test]
fn health_tells_the_version_and_the_clusters_state() {
    for (server, version) in [("am25", "0.25.0"), ("am33", "0.33.1")] {
        answer_with(server, "status");
        let health = Alertmanager::check_health().unwrap();
        assert_eq!((health.status, health.system_version.as_deref()), (HealthStatus::Healthy, Some(version)));
    }
    let body = recorded("am33-status").replace("disabled", "settling");
    testing::answer(move |_| Answer::json(200, &body));
    assert_eq!(Alertmanager::check_health().unwrap().status, HealthStatus::Degraded);
    for (status, body, kind) in [
        (404, "404 page not found\n", ErrorKind::Unsupported),
        (503, "", ErrorKind::Unavailable),
        (401, "", ErrorKind::Unauthenticated),
        (200, "<html></html>", ErrorKind::Internal),
        (200, "[]", ErrorKind::Internal),
    ] {
        testing::answer(move |_| Answer::new(status, body));
        let error = Alertmanager::check_health().unwrap_err();
        assert_eq!((error.kind, error.source), (kind, ErrorSource::Downstream), "{status} {body}");
    }
}
