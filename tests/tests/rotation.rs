//! Rotation under load: an etcd with authentication on, users that come and go, and calls that never notice.

#![allow(clippy::print_stdout, reason = "tells the figures, which are shown with --nocapture")]

use std::{thread, time::Duration};

use jackfield_peers::peer;
use jackfield_tests::{Stand, guarded::GuardedEtcd, load};
use serde_json::{Value, json};

const ROTATIONS: usize = 20;

/// Adds a user.
fn admit(etcd: &GuardedEtcd, number: usize) {
    etcd.root().run(&["user", "add", &format!("user-{number}:{}", password(number))]).unwrap();
    etcd.root().run(&["user", "grant-role", &format!("user-{number}"), "app"]).unwrap();
}

/// Removes a user.
fn dismiss(etcd: &GuardedEtcd, number: usize) {
    etcd.root().run(&["user", "delete", &format!("user-{number}")]).unwrap();
}

fn password(number: usize) -> String {
    format!("pass-{number}-of-etcd")
}

fn version(number: usize, password: &str) -> Value {
    json!({"type": "basic", "fields": {"username": format!("user-{number}"), "password": password}})
}

fn rotate(stand: &Stand, number: usize, password: &str) -> (u16, Value) {
    let mut body = version(number, password);
    body["revoke-old"] = true.into();
    stand.server().send("POST", "/v1/credentials/etcd/rotate", &body).unwrap()
}

fn stand(etcd: &GuardedEtcd) -> Stand {
    let stand = Stand::start();
    stand.install("etcd");
    stand.init_vault();
    let set = stand.server().send("PUT", "/v1/credentials/etcd", &version(0, &password(0))).unwrap();
    assert_eq!(set.0, 200, "{}", set.1);
    let new = json!({
        "name": "etcd", "plugin": "etcd", "config": {"url": etcd.url()},
        "endpoints": {"api": {"credential": {"name": "etcd", "login": "etcd", "allow-plain-http": true}}},
    });
    let (status, answer) = stand.server().send("POST", "/v1/integrations", &new).unwrap();
    assert_eq!(status, 201, "{answer}");
    stand
}

#[test]
fn no_call_fails_while_a_credential_is_rotated_and_a_bad_version_is_never_used() {
    let etcd = peer!(GuardedEtcd::start());
    admit(&etcd, 0);
    let stand = stand(&etcd);
    let calls = load::no_call_fails_while(&stand, "etcd", "/load/", || {
        for number in 1..=ROTATIONS {
            admit(&etcd, number);
            let (status, rotation) = rotate(&stand, number, &password(number));
            assert_eq!(status, 200, "{rotation}");
            assert_eq!(rotation["verified"], json!(["etcd"]));
            assert_eq!((&rotation["drained"], &rotation["revoked"]), (&json!(true), &json!(true)), "{rotation}");
            // Whoever still used it would fail from here on.
            dismiss(&etcd, number - 1);
            if number % 5 == 0 {
                let before = stand.current_version("etcd");
                let (status, problem) = rotate(&stand, number, "not the password");
                assert_eq!((status, &problem["kind"]), (409, &json!("conflict")), "{problem}");
                assert!(problem["detail"].as_str().unwrap().contains("still used"), "{problem}");
                assert!(!problem.to_string().contains("not the password"), "{problem}");
                assert_eq!(stand.current_version("etcd"), before);
            }
            thread::sleep(Duration::from_millis(50));
        }
    });
    assert!(calls > 10 * ROTATIONS, "{calls}");
    println!("{ROTATIONS} rotations, {calls} calls, none failed");

    // Who used which version is in the audit trail, and the passwords are not.
    let trail = stand.server().get("/v1/audit?limit=1000").unwrap().to_string();
    let used = format!("\"credential\":{{\"name\":\"etcd\",\"version\":{}}}", stand.current_version("etcd"));
    assert!(trail.contains(&used), "{used}");
    assert!((0..=ROTATIONS).all(|number| !trail.contains(&password(number))));
}

#[test]
fn a_password_that_is_wrong_is_told_as_such_and_never_shown() {
    let etcd = peer!(GuardedEtcd::start());
    admit(&etcd, 0);
    let stand = stand(&etcd);
    let wrong = stand.server().send("PUT", "/v1/credentials/etcd", &version(0, "wr0ng-pass")).unwrap();
    assert_eq!(wrong.0, 200);
    let (status, problem) = stand.server().call("etcd", "key-value.get", &json!({"key": "/x"})).unwrap();
    assert_eq!((status, &problem["kind"]), (502, &json!("unauthenticated")), "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("password is wrong") && !detail.contains("wr0ng-pass"), "{detail}");
}
