//! Credentials that plugins make: a plugin that tries to learn one, a real etcd whose users are rotated under load, and a host
//! that ends in the middle of it.

#![allow(clippy::print_stdout, reason = "tells the figures, which are shown with --nocapture")]

use std::{thread, time::Duration};

use jackfield_peers::{http, peer};
use jackfield_tests::{
    Stand, base64,
    guarded::GuardedEtcd,
    load::{self, until},
    maker::{Maker, token},
    text,
};
use serde_json::{Value, json};

const ROTATIONS: usize = 20;

/// A server with an open vault.
fn with_vault() -> Stand {
    let stand = Stand::start();
    stand.init_vault();
    stand
}

fn send(stand: &Stand, method: &str, path: &str, body: &Value) -> (u16, Value) {
    stand.server().send(method, path, body).unwrap()
}

fn issuer(stand: &Stand, credential: &str) -> Value {
    stand.server().get(&format!("/v1/credentials/{credential}/issuer")).unwrap()
}

/// A server with the unruly plugin at a system that makes tokens.
fn with_maker(maker: &Maker) -> Stand {
    let stand = with_vault();
    stand.add("maker", "unruly", &json!({"url": maker.url()}));
    stand
}

fn begin(stand: &Stand, parameters: &Value) -> (u16, Value) {
    let settings = json!({"integration": "maker", "type": "bearer", "parameters": parameters});
    send(stand, "PUT", "/v1/credentials/made/issuer", &settings)
}

/// The password that the host has made for a request.
fn password(request: &str) -> String {
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    let password = body["password"].as_str().unwrap().to_owned();
    assert_eq!(body["twice"], format!("{password}{password}"), "it is sent wherever its name stands");
    assert!(password.len() == 24 && password.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{password}");
    password
}

#[test]
fn a_plugin_that_issues_credentials_learns_none_whatever_the_system_repeats() {
    let maker = Maker::start();
    let stand = with_maker(&maker);
    let (status, problem) = begin(&stand, &json!({"steal": true}));
    assert_eq!((status, &problem["kind"]), (500, &json!("internal")), "{problem}");
    let made = maker.seen("/made");
    let known = problem["detail"].as_str().unwrap();
    assert!(known.contains("secret-") && known.contains("[redacted]"), "{known}");
    for secret in [token(1), password(&made[0])] {
        assert!(!known.contains(&secret), "{known}");
        let backwards: Vec<u8> = secret.bytes().rev().collect();
        let hunted = stand.server().ok("maker", "unruly.hunt", &json!({"backwards": base64(backwards)})).unwrap();
        assert_eq!(hunted, 0, "it is in the guest's memory");
    }
    let (status, _) = stand.server().send("GET", "/v1/credentials/made/issuer", &Value::Null).unwrap();
    assert_eq!(status, 404, "where nothing was made nothing is remembered");
}

#[test]
fn what_a_plugin_issues_is_used_by_the_host_and_known_to_nobody_else() {
    let maker = Maker::start();
    let stand = with_maker(&maker);
    let (status, rotation) = begin(&stand, &json!({}));
    assert_eq!((status, &rotation["version"]), (200, &json!(1)), "{rotation}");
    // The token that the system made goes where the credential is bound.
    let new = json!({
        "name": "user", "plugin": "unruly", "config": {"url": maker.url()},
        "endpoints": {"api": {"credential": {"name": "made", "allow-plain-http": true}}},
    });
    assert_eq!(send(&stand, "POST", "/v1/integrations", &new).0, 201);
    stand.server().ok("user", "unruly.fetch", &json!({"path": "/used"})).unwrap();
    assert!(maker.seen("/used")[0].contains(&format!("Bearer {}", token(1))), "{:?}", maker.seen("/used"));

    // The next one by the command line. What it checks asks nothing with it, so the one before is kept until the one after.
    stand.server().cli(&["credential", "issue", "made"]).unwrap();
    let told = stand.server().ok("user", "unruly.fetch", &json!({"path": "/used"})).unwrap();
    assert_eq!(text(&told), "{}");
    assert!(maker.seen("/used")[1].contains(&token(2)));
    assert_eq!((maker.seen("/revoke").len(), issuer(&stand, "made")["issued"].as_array().unwrap().len()), (0, 2));
    stand.server().cli(&["credential", "issue", "made"]).unwrap();
    assert_eq!(maker.seen("/revoke").len(), 1);

    let shown = stand.server().cli(&["credential", "issuer", "made"]).unwrap();
    assert_eq!(shown["settings"]["integration"], "maker", "{shown}");
    let trail = stand.server().get("/v1/audit?limit=1000").unwrap().to_string();
    for action in ["credential-issuer.issue", "credential-issuer.revoke"] {
        assert!(trail.contains(action), "{action} is not in the trail");
    }
    let mut everything = trail + &shown.to_string();
    everything.push_str(&std::fs::read_to_string(stand.scratch().join("data.log")).unwrap_or_default());
    for (number, request) in maker.seen("/made").iter().enumerate() {
        assert!(!everything.contains(&token(number + 1)) && !everything.contains(&password(request)));
    }
}

#[test]
fn a_plugin_cannot_issue_what_it_has_made_up_nor_make_secrets_elsewhere() {
    let maker = Maker::start();
    let stand = with_maker(&maker);
    let (status, problem) = begin(&stand, &json!({"invent": true}));
    assert_eq!(status, 500, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("`token` is secret"), "{problem}");
    let (status, problem) = stand.server().call("maker", "unruly.make-secret", &json!({})).unwrap();
    assert_eq!((status >= 400, &problem["kind"]), (true, &json!("permission-denied")), "{problem}");
    // What is to be taken is not there: nothing is issued.
    let (status, problem) = begin(&stand, &json!({"take": ["/nothing"]}));
    assert!(status >= 500, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("no text at `/nothing`"), "{problem}");
    // And what is asked of who makes nothing, or another type.
    for (settings, word) in [
        (json!({"integration": "nobody", "type": "bearer"}), "nobody"),
        (json!({"integration": "maker", "type": "basic"}), "it makes bearer"),
        (json!({"integration": "maker", "type": "bearer", "every-s": 1}), "10 seconds"),
    ] {
        let (status, problem) = send(&stand, "PUT", "/v1/credentials/made/issuer", &settings);
        assert!((400..500).contains(&status), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
    }
}

#[test]
fn what_cannot_be_taken_back_stays_on_the_list_until_it_can() {
    let maker = Maker::start();
    let stand = with_maker(&maker);
    assert_eq!(begin(&stand, &json!({})).0, 200);
    maker.fail(true);
    assert_eq!(send(&stand, "DELETE", "/v1/credentials/made", &Value::Null).0, 204);
    let left = issuer(&stand, "made");
    assert_eq!(left["issued"][0]["withdrawn"], true, "{left}");
    assert!(left["issued"][0]["failed"]["message"].as_str().unwrap().contains("could not be taken back"), "{left}");
    maker.fail(false);
    until(Duration::from_secs(30), || {
        stand.server().send("GET", "/v1/credentials/made/issuer", &Value::Null).unwrap().0 == 404
    });
    assert!(maker.seen("/revoke").len() >= 2, "it was tried again");
}

#[test]
fn one_that_ends_by_itself_is_renewed_before() {
    let maker = Maker::start();
    let stand = with_maker(&maker);
    assert_eq!(begin(&stand, &json!({"lifetime_s": 15})).0, 200);
    until(Duration::from_secs(30), || !maker.seen("/renew").is_empty());
    let info = issuer(&stand, "made");
    assert_eq!((&info["issued"][0]["lifetime-s"], maker.seen("/made").len()), (&json!(60), 1), "{info}");
}

/// A server with an integration that makes users as root, and reads and writes as one of them.
fn stand(etcd: &GuardedEtcd) -> Stand {
    let stand = with_vault();
    stand.install("etcd");
    let root = json!({"type": "basic", "fields": {"username": "root", "password": GuardedEtcd::ROOT}});
    assert_eq!(send(&stand, "PUT", "/v1/credentials/root", &root).0, 200);
    let bound = |name: &str| json!({"credential": {"name": name, "login": "etcd", "allow-plain-http": true}});
    let new = json!({
        "name": "etcd", "plugin": "etcd", "config": {"url": etcd.url()}, "endpoints": {"users": bound("root")},
    });
    let (status, answer) = send(&stand, "POST", "/v1/integrations", &new);
    assert_eq!(status, 201, "{answer}");
    let settings = json!({"integration": "etcd", "type": "basic", "parameters": {"roles": ["app"]}});
    let (status, answer) = send(&stand, "PUT", "/v1/credentials/app/issuer", &settings);
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = send(&stand, "PATCH", "/v1/integrations/etcd", &json!({"endpoints": {"api": bound("app")}}));
    assert_eq!(status, 200, "{answer}");
    stand
}

#[test]
fn the_users_of_an_etcd_are_rotated_by_its_plugin_and_no_call_fails() {
    let etcd = peer!(GuardedEtcd::start());
    let stand = stand(&etcd);
    let calls = load::no_call_fails_while(&stand, "etcd", "/load/", || {
        for number in 0..ROTATIONS {
            let (status, rotation) = send(&stand, "POST", "/v1/credentials/app/issuer/rotate", &Value::Null);
            assert_eq!(status, 200, "{rotation}");
            assert_eq!(rotation["verified"], json!(["etcd"]), "{rotation}");
            assert_eq!((&rotation["drained"], &rotation["revoked"]), (&json!(true), &json!(true)), "{rotation}");
            // The one before is gone from etcd, too.
            assert_eq!(etcd.users().len(), 1, "{:?}", etcd.users());
            if number % 5 == 4 {
                bad_one(&stand, &etcd);
            }
        }
    });
    assert!(calls > 10 * ROTATIONS, "{calls}");
    println!("{ROTATIONS} rotations by the plugin, {calls} calls, none failed");
}

/// A user without the rights that are needed is rolled back by itself, and does not stay in etcd.
fn bad_one(stand: &Stand, etcd: &GuardedEtcd) {
    let before = etcd.users();
    let version = stand.current_version("app");
    let settings = json!({"integration": "etcd", "type": "basic", "parameters": {"roles": ["no-such-role"]}});
    let (status, problem) = send(stand, "PUT", "/v1/credentials/app/issuer", &settings);
    assert!(status >= 400 && problem["detail"].as_str().unwrap().contains("no-such-role"), "{problem}");
    assert_eq!((etcd.users(), stand.current_version("app")), (before, version));
    let settings = json!({"integration": "etcd", "type": "basic", "parameters": {"roles": ["app"]}});
    assert_eq!(send(stand, "PUT", "/v1/credentials/app/issuer", &settings).0, 200);
}

#[test]
fn a_host_that_ends_in_the_middle_of_a_rotation_leaves_no_user_behind() {
    let etcd = peer!(GuardedEtcd::start());
    let mut stand = stand(&etcd);
    for round in 0..8_u64 {
        let address = stand.server().address().to_owned();
        let waiting = thread::spawn(move || {
            // The host ends while this waits, or before, or after.
            let _ = http::request(&address, "POST", "/v1/credentials/app/issuer/rotate", &[], b"");
        });
        thread::sleep(Duration::from_millis(5 + 12 * round));
        stand.crash();
        waiting.join().unwrap();
        stand.restart();
        // Whatever was half done is finished or taken back: one user is left, and it is the one that is used.
        until(Duration::from_secs(30), || {
            etcd.users().len() == 1
                && stand.server().call("etcd", "key-value.get", &json!({"key": "/x"})).unwrap().0 == 200
        });
    }
    let unbound = send(&stand, "PATCH", "/v1/integrations/etcd", &json!({"endpoints": {"api": null}}));
    assert_eq!(unbound.0, 200, "{}", unbound.1);
    assert_eq!(send(&stand, "DELETE", "/v1/credentials/app", &Value::Null).0, 204);
    until(Duration::from_secs(30), || etcd.users().is_empty());
}
