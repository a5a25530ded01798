//! When nothing is sent: an outside system has asked to be left alone, or what it may cost today is spent.

use std::{thread, time::Duration};

use jackfield_tests::{Stand, fake::Fake, text};
use serde_json::{Value, json};

fn look(stand: &Stand) -> (u16, Value) {
    stand.server().call("wild", "unruly.look", &json!({"path": "/x"})).unwrap()
}

#[test]
fn nothing_is_sent_to_an_endpoint_before_it_said() {
    let answer = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let stand = Stand::with("wild", "unruly", &json!({"url": Fake::Says(answer.to_vec()).start()}));
    let (status, told) = look(&stand);
    assert_eq!(status, 200, "{told}");
    assert!(text(&told).starts_with("429"), "the plugin hears it first: {}", text(&told));
    let (status, problem) = look(&stand);
    assert_eq!(
        (status, &problem["kind"], &problem["code"]),
        (429, &json!("rate-limited"), &json!("retry-after")),
        "{problem}"
    );
    let wait = problem["detail"].as_str().unwrap();
    assert!(wait.contains("`api`") && wait.contains("ms more"), "{wait}");
    // Nothing of it was sent, though it was tried, and the trail says so.
    let trail = stand.server().get("/v1/audit?limit=50").unwrap();
    let mut calls = trail["items"].as_array().unwrap().iter().filter(|record| record["action"] == "unruly.look");
    let mut newest = || calls.next().unwrap()["requests"][0].clone();
    let (refused, sent) = (newest(), newest());
    assert!(refused["refused"].as_str().unwrap().contains("`Retry-After`"), "{refused}");
    assert_eq!((&refused["host"], &refused["status"]), (&Value::Null, &Value::Null), "{refused}");
    assert_eq!((&sent["refused"], &sent["status"]), (&Value::Null, &json!(429)), "{sent}");
    thread::sleep(Duration::from_millis(2200));
    assert_eq!(look(&stand).0, 200, "it is asked again");
}

#[test]
fn what_a_day_may_cost_is_spent_once_also_over_a_restart() {
    let outside = Fake::answers(200, "text/plain", "ok").start();
    let mut stand = Stand::with("wild", "unruly", &json!({"url": outside}));
    stand.server().cli(&["integration", "update", "wild", "--spend", "api=0.5/2"]).unwrap();
    let spent =
        |stand: &Stand| stand.server().get("/v1/integrations/wild/grant").unwrap()["endpoints"][0]["spent"].clone();
    for number in 1..=2 {
        assert_eq!(look(&stand).0, 200);
        assert_eq!(spent(&stand), json!({"requests": number, "most": 4}));
    }
    stand.crash();
    stand.restart();
    for _ in 0..2 {
        assert_eq!(look(&stand).0, 200);
    }
    let (status, problem) = look(&stand);
    assert_eq!(
        (status, &problem["kind"], &problem["code"]),
        (429, &json!("rate-limited"), &json!("spend-limit")),
        "{problem}"
    );
    let (status, problem) = stand
        .server()
        .send(
            "PATCH",
            "/v1/integrations/wild",
            &json!({"endpoints": {"api": {"spend": {"per-request": 2, "per-day": 1}}}}),
        )
        .unwrap();
    assert_eq!((status, &problem["field"]), (400, &json!("/endpoints/api/spend/per-day")), "{problem}");
}
