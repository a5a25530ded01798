//! Silences and alerts, against a real Alertmanager: a retried silence is one silence.

use std::time::{SystemTime, UNIX_EPOCH};

use jackfield_peers::{Alertmanager, http, peer};
use jackfield_tests::Stand;
use serde_json::{Value, json};

fn in_an_hour() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64 + 3_600_000
}

fn spec(comment: &str) -> Value {
    json!({"matchers": ["alertname=\"DiskFull\"", "zone!=\"b\""], "ends-at": in_an_hour(), "created-by": "test",
        "comment": comment})
}

fn silences(alertmanager: &Alertmanager, comment: &str) -> usize {
    let all = http::get_json(alertmanager.address(), "/api/v2/silences").unwrap();
    all.as_array().unwrap().iter().filter(|silence| silence["comment"] == comment).count()
}

#[test]
fn a_retried_silence_makes_no_duplicate() {
    let alertmanager = peer!(Alertmanager::start(""));
    let stand = Stand::with("alerts", "alertmanager", &json!({"url": alertmanager.url()}));
    let server = stand.server();

    // With a key, in the options.
    let keyed = json!({"silence": spec("keyed"), "options": {"idempotency-key": "k1"}});
    let first = server.ok("alerts", "alerting.silence", &keyed).unwrap();
    let second = server.ok("alerts", "alerting.silence", &keyed).unwrap();
    assert_eq!(first["id"], second["id"]);

    // Without one: the same matchers, times, author and comment.
    let plain = json!({"silence": spec("plain")});
    let first = server.ok("alerts", "alerting.silence", &plain).unwrap();
    let second = server.ok("alerts", "alerting.silence", &plain).unwrap();
    assert_eq!(first["id"], second["id"]);

    // At once: eight callers who know nothing of each other but the key.
    let raced = json!({"silence": spec("raced"), "options": {"idempotency-key": "k2"}});
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let callers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| server.call("alerts", "alerting.silence", &raced).unwrap().0)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    // Whoever came while another was at work may be told so; nobody may make a second silence.
    assert!(statuses.contains(&200), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 409 | 503)), "{statuses:?}");

    for comment in ["keyed", "plain", "raced"] {
        assert_eq!(silences(&alertmanager, comment), 1, "{comment}");
    }

    // The same key for another request is a mistake, not a second silence.
    let other = json!({"silence": spec("other"), "options": {"idempotency-key": "k1"}});
    let (status, problem) = server.call("alerts", "alerting.silence", &other).unwrap();
    assert!(matches!(status, 400 | 409), "{status} {problem}");
    assert_eq!(silences(&alertmanager, "other"), 0);
}

#[test]
fn a_dry_run_changes_nothing() {
    let alertmanager = peer!(Alertmanager::start(""));
    let stand = Stand::with("alerts", "alertmanager", &json!({"url": alertmanager.url()}));
    let dry = json!({"silence": spec("dry"), "options": {"dry-run": true}});
    stand.server().ok("alerts", "alerting.silence", &dry).unwrap();
    assert_eq!(silences(&alertmanager, "dry"), 0);
}

#[test]
fn a_silence_is_listed_read_and_ended_for_good() {
    let alertmanager = peer!(Alertmanager::start(""));
    let stand = Stand::with("alerts", "alertmanager", &json!({"url": alertmanager.url()}));
    let server = stand.server();
    let made = server.ok("alerts", "alerting.silence", &json!({"silence": spec("x")})).unwrap();
    let id = json!({"id": made["id"]});
    let read = server.ok("alerts", "alerting.get-silence", &id).unwrap();
    assert_eq!(read["matchers"], json!(["alertname=\"DiskFull\"", "zone!=\"b\""]));
    let listed = server.ok("alerts", "alerting.list-silences", &json!({"matchers": [], "state": "active"})).unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");

    assert_eq!(server.ok("alerts", "alerting.expire", &id).unwrap()["state"], "expired");
    assert_eq!(server.ok("alerts", "alerting.expire", &id).unwrap()["state"], "expired");
    let stored = http::get_json(alertmanager.address(), &format!("/api/v2/silence/{}", made["id"].as_str().unwrap()));
    assert_eq!(stored.unwrap()["status"]["state"], "expired");

    let unknown = json!({"id": "00000000-0000-4000-8000-000000000000"});
    let (status, problem) = server.call("alerts", "alerting.get-silence", &unknown).unwrap();
    assert_eq!((status, &problem["kind"]), (404, &json!("not-found")), "{problem}");
}

#[test]
fn alerts_and_receivers_are_those_of_alertmanager() {
    let alertmanager = peer!(Alertmanager::start(""));
    let alerts = json!([
        {"labels": {"alertname": "DiskFull", "severity": "critical", "zone": "a"}, "annotations": {"summary": "full"}},
        {"labels": {"alertname": "Slow", "severity": "info", "zone": "b"}},
    ]);
    assert_eq!(http::post_json(alertmanager.address(), "/api/v2/alerts", &alerts).unwrap().status, 200);
    let stand = Stand::with("alerts", "alertmanager", &json!({"url": alertmanager.url()}));
    let names = |filter: Value| -> Vec<String> {
        let listed = stand.server().ok("alerts", "alerting.list-alerts", &json!({"filter": filter})).unwrap();
        let name = |alert: &Value| {
            let labels = alert["labels"].as_array().unwrap();
            labels.iter().find(|label| label["name"] == "alertname").unwrap()["value"].as_str().unwrap().to_string()
        };
        let mut names: Vec<_> = listed["items"].as_array().unwrap().iter().map(name).collect();
        names.sort();
        names
    };
    assert_eq!(names(Value::Null), ["DiskFull", "Slow"]);
    assert_eq!(names(json!({"matchers": ["severity=~\"crit.*\""]})), ["DiskFull"]);
    assert_eq!(names(json!({"matchers": [], "receiver": "pager"})), ["DiskFull"]);

    let silence =
        json!({"matchers": ["alertname=\"Slow\""], "ends-at": in_an_hour(), "created-by": "t", "comment": "c"});
    stand.server().ok("alerts", "alerting.silence", &json!({"silence": silence})).unwrap();
    // Alertmanager marks an alert as suppressed when it routes it next.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while names(json!({"matchers": [], "state": "suppressed"})) != ["Slow"] {
        assert!(std::time::Instant::now() < deadline, "the silenced alert is not listed as suppressed");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }

    let receivers = stand.server().ok("alerts", "alerting.receivers", &json!({})).unwrap();
    assert_eq!(receivers["items"], json!([{"name": "default"}, {"name": "pager"}]));
}
