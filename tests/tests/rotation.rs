//! Rotation under load: an etcd with authentication on, users that come and go, and calls that never notice.

#![allow(clippy::print_stdout, reason = "tells the figures, which are shown with --nocapture")]

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use jackfield_peers::{Etcd, Etcdctl, peer};
use jackfield_tests::{Stand, base64};
use serde_json::{Value, json};

const ROTATIONS: usize = 20;
const CALLERS: usize = 4;

/// An etcd whose users are asked for passwords.
struct Guarded {
    etcd: Etcd,
    root: Etcdctl,
}

impl Guarded {
    fn start() -> jackfield_peers::Result<Guarded> {
        let etcd = Etcd::start("")?;
        let client = etcd.client()?;
        for line in [
            "user add root:r00t-pass",
            "user grant-role root root",
            "role add app",
            "role grant-permission app readwrite --prefix=true /",
            // Where the plugin notes what it has done.
            "role grant-permission app readwrite --prefix=true jackfield/",
            "auth enable",
        ] {
            client.run(&line.split(' ').collect::<Vec<_>>())?;
        }
        Ok(Guarded { root: client.as_user("root:r00t-pass"), etcd })
    }

    fn admit(&self, number: usize) -> jackfield_peers::Result<()> {
        self.root.run(&["user", "add", &format!("user-{number}:{}", password(number))])?;
        self.root.run(&["user", "grant-role", &format!("user-{number}"), "app"])?;
        Ok(())
    }

    fn dismiss(&self, number: usize) {
        self.root.run(&["user", "delete", &format!("user-{number}")]).unwrap();
    }
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

fn stand(guarded: &Guarded) -> Stand {
    let stand = Stand::start();
    stand.install("etcd");
    let kek = stand.scratch().join("kek");
    stand.server().cli(&["vault", "init", "--key-file", kek.to_str().unwrap()]).unwrap();
    let set = stand.server().send("PUT", "/v1/credentials/etcd", &version(0, &password(0))).unwrap();
    assert_eq!(set.0, 200, "{}", set.1);
    let new = json!({
        "name": "etcd", "plugin": "etcd", "config": {"url": guarded.etcd.url()},
        "endpoints": {"api": {"credential": {"name": "etcd", "login": "etcd", "allow-plain-http": true}}},
    });
    let (status, answer) = stand.server().send("POST", "/v1/integrations", &new).unwrap();
    assert_eq!(status, 201, "{answer}");
    stand
}

/// The version that is used.
fn current(stand: &Stand) -> u64 {
    let credential = stand.server().get("/v1/credentials/etcd").unwrap();
    let versions = credential["versions"].as_array().unwrap();
    versions.iter().find(|version| version["state"] == "current").unwrap()["version"].as_u64().unwrap()
}

#[test]
fn no_call_fails_while_a_credential_is_rotated_and_a_bad_version_is_never_used() {
    let guarded = peer!(Guarded::start());
    guarded.admit(0).unwrap();
    let stand = stand(&guarded);
    let (over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failed = thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (stand, over, calls) = (&stand, &over, &calls);
                scope.spawn(move || {
                    let mut failed = Vec::new();
                    let key = format!("/load/{caller}");
                    while !over.load(Ordering::Relaxed) {
                        let put = json!({"key": key, "value": base64("x")});
                        for (operation, params) in [("put", &put), ("get", &json!({"key": key}))] {
                            let (status, answer) =
                                stand.server().call("etcd", &format!("key-value.{operation}"), params).unwrap();
                            calls.fetch_add(1, Ordering::Relaxed);
                            if status != 200 {
                                failed.push(answer);
                            }
                        }
                    }
                    failed
                })
            })
            .collect();
        let rotating = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for number in 1..=ROTATIONS {
                guarded.admit(number).unwrap();
                let (status, rotation) = rotate(&stand, number, &password(number));
                assert_eq!(status, 200, "{rotation}");
                assert_eq!(rotation["verified"], json!(["etcd"]));
                assert_eq!((&rotation["drained"], &rotation["revoked"]), (&json!(true), &json!(true)), "{rotation}");
                // Whoever still used it would fail from here on.
                guarded.dismiss(number - 1);
                if number % 5 == 0 {
                    let before = current(&stand);
                    let (status, problem) = rotate(&stand, number, "not the password");
                    assert_eq!((status, &problem["kind"]), (409, &json!("conflict")), "{problem}");
                    assert!(problem["detail"].as_str().unwrap().contains("still used"), "{problem}");
                    assert!(!problem.to_string().contains("not the password"), "{problem}");
                    assert_eq!(current(&stand), before);
                }
                thread::sleep(Duration::from_millis(50));
            }
        }));
        over.store(true, Ordering::Relaxed);
        let failed: Vec<Value> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
        if let Err(panic) = rotating {
            std::panic::resume_unwind(panic);
        }
        failed
    });
    let calls = calls.into_inner();
    assert!(failed.is_empty(), "{} of {calls} calls failed: {}", failed.len(), failed[0]);
    assert!(calls > 10 * ROTATIONS, "{calls}");
    println!("{ROTATIONS} rotations, {calls} calls, none failed");

    // Who used which version is in the audit trail, and the passwords are not.
    let trail = stand.server().get("/v1/audit?limit=1000").unwrap().to_string();
    let used = format!("\"credential\":{{\"name\":\"etcd\",\"version\":{}}}", current(&stand));
    assert!(trail.contains(&used), "{used}");
    assert!((0..=ROTATIONS).all(|number| !trail.contains(&password(number))));
}

#[test]
fn a_password_that_is_wrong_is_told_as_such_and_never_shown() {
    let guarded = peer!(Guarded::start());
    guarded.admit(0).unwrap();
    let stand = stand(&guarded);
    let wrong = stand.server().send("PUT", "/v1/credentials/etcd", &version(0, "wr0ng-pass")).unwrap();
    assert_eq!(wrong.0, 200);
    let (status, problem) = stand.server().call("etcd", "key-value.get", &json!({"key": "/x"})).unwrap();
    assert_eq!((status, &problem["kind"]), (502, &json!("unauthenticated")), "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("password is wrong") && !detail.contains("wr0ng-pass"), "{detail}");
}
