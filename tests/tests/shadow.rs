//! Upgrades that are rehearsed against a real etcd: what a version does otherwise is found, and what the outside system does
//! meanwhile is not taken for it.

mod common;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use common::version;
use jackfield_peers::{Etcd, peer};
use jackfield_tests::{Stand, base64, fixture::Fixture, text};
use serde_json::{Value, json};

/// The etcd plugin as a version 0.2.0 that answers a few reads otherwise.
fn planted() -> Fixture {
    let fixture = Fixture::of_plugin("etcd");
    fixture.change("plugin.toml", r#"version = "0.1.0""#, r#"version = "0.2.0""#);
    fixture.change(
        "src/kv.rs",
        "Ok(Etcd::open()?.get(&key)?.and_then(entry))",
        r#"let mut found = Etcd::open()?.get(&key)?.and_then(entry);
        match (key.as_str(), &mut found) {
            ("/app/refused", _) => return Err(Error::conflict("it was planted")),
            ("/app/changed", Some(found)) => found.value.push(b'!'),
            ("/app/leased", Some(found)) => found.lease = None,
            _ => {}
        }
        Ok(found)"#,
    );
    fixture.change(
        "src/kv.rs",
        "Ok(EntryPage { items, next })",
        r#"let mut items = items;
        match prefix.as_str() {
            "/order/" => items.reverse(),
            "/short/" => drop(items.remove(1)),
            _ => {}
        }
        Ok(EntryPage { items, next })"#,
    );
    fixture
}

fn put(stand: &Stand, key: &str, value: &str) -> Value {
    stand.server().ok("etcd", "key-value.put", &json!({"key": key, "value": base64(value)})).unwrap()
}

fn get(stand: &Stand, key: &str) -> Value {
    stand.server().ok("etcd", "key-value.get", &json!({"key": key})).unwrap()
}

fn list(stand: &Stand, prefix: &str) {
    stand.server().ok("etcd", "key-value.list", &json!({"prefix": prefix})).unwrap();
}

fn report(stand: &Stand) -> Value {
    stand.server().get("/v1/integrations/etcd/shadow").unwrap()
}

/// The report once so many reads came to something.
fn after(stand: &Stand, reads: u64) -> Value {
    let started = Instant::now();
    loop {
        let report = report(stand);
        let count = |name: &str| report["reads"][name].as_u64().unwrap();
        if count("compared") + count("failed") + count("dropped") >= reads {
            return report;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{reads} reads: {report:#}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_another_version_of_the_etcd_plugin_does_otherwise_is_found_by_place_and_kind() {
    let etcd = peer!(Etcd::start(""));
    let stand = Stand::with("etcd", "etcd", &json!({"url": etcd.url()}));
    let fixture = planted();
    let (status, answer) = stand.server().upload(&fixture.pack(), "").unwrap();
    assert_eq!(status, 201, "it asks for no more than the first: {answer}");
    let keys =
        ["/app/same", "/app/changed", "/app/refused", "/order/a", "/order/b", "/short/a", "/short/b", "/short/c"];
    keys.iter().for_each(|key| drop(put(&stand, key, "x")));
    let lease = stand.server().ok("etcd", "key-value.grant-lease", &json!({"ttl-ms": 60_000})).unwrap();
    let leased = json!({"key": "/app/leased", "value": base64("x"), "lease": lease["id"]});
    stand.server().ok("etcd", "key-value.put", &leased).unwrap();

    let cli = |arguments: &[&str]| stand.server().cli(arguments).unwrap();
    let shadow = ["integration", "shadow", "etcd"];
    let tried = cli(&[&shadow[..], &["--to", "0.2.0", "--dry-run"]].concat());
    assert_eq!(tried["state"], "tried", "{tried}");
    let begun = cli(&[&shadow[..], &["--to", "0.2.0", "--for", "20m"]].concat());
    assert_eq!((&begun["state"], &begun["from"], &begun["to"]), (&json!("running"), &json!("0.1.0"), &json!("0.2.0")));

    // What callers are told is as ever, and what they write is written once.
    assert_eq!(text(&get(&stand, "/app/changed")["value"]), "x");
    get(&stand, "/app/changed");
    (0..3).for_each(|_| drop(get(&stand, "/app/same")));
    assert_eq!(get(&stand, "/app/none"), Value::Null);
    get(&stand, "/app/refused");
    get(&stand, "/app/leased");
    // What was read by now is waited for.
    let early = stand.server().cli(&[&shadow[..], &["--exit-code"]].concat()).unwrap_err().to_string();
    assert!(early.contains("exit status: 1"), "{early}");
    assert_eq!(after(&stand, 8)["waiting"], 0);
    for prefix in ["/order/", "/short/", "/app/"] {
        list(&stand, prefix);
    }
    let report = after(&stand, 11);
    let revision = |entry: &Value| entry["revision"].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(revision(&put(&stand, "/w", "1")) + 1, revision(&put(&stand, "/w", "2")), "a write is made once");

    let reads = json!({"compared": 11, "equal": 5, "different": 6, "changed-meanwhile": 0, "failed": 0, "dropped": 0});
    assert_eq!(report["reads"], reads, "{report:#}");
    let differences = report["differences"].as_array().unwrap();
    let mut found: Vec<_> = differences
        .iter()
        .map(|one| {
            let of = |name: &str| one[name].as_str().unwrap().to_owned();
            (of("operation"), of("pointer"), of("kind"), one["count"].as_u64().unwrap())
        })
        .collect();
    found.sort();
    let one = |operation: &str, pointer: &str, kind: &str, count| {
        (format!("key-value.{operation}"), pointer.to_owned(), kind.to_owned(), count)
    };
    let expected = [
        one("get", "", "error", 1),
        one("get", "/lease", "missing", 1),
        one("get", "/value", "value", 2),
        one("list", "/items", "order", 1),
        one("list", "/items/1", "missing", 1),
    ];
    assert_eq!(found, expected, "{report:#}");
    let changed = differences.iter().find(|one| one["pointer"] == "/value").unwrap();
    assert_eq!((text(&changed["active"]), text(&changed["candidate"])), ("x".into(), "x!".into()));
    let refused = differences.iter().find(|one| one["kind"] == "error").unwrap();
    assert_eq!(refused["candidate"]["kind"], "conflict", "{refused}");

    let shown = stand.server().cli(&[&shadow[..], &["--exit-code"]].concat()).unwrap_err().to_string();
    assert!(shown.contains("exit status: 1") && shown.contains("/items/1"), "{shown}");
    let audit = stand.server().get("/v1/audit?limit=1000").unwrap().to_string();
    for recorded in ["shadow-started", "shadow-differed", "to compare two versions"] {
        assert!(audit.contains(recorded), "{recorded}: {audit}");
    }
    assert!(cli(&["status"]).to_string().contains("0.2.0 is rehearsed beside it"));
    assert_eq!(cli(&["integration", "show", "etcd"])["shadow"]["different"], 6);

    // What was rehearsed is what is switched to.
    let upgraded = cli(&["integration", "upgrade", "etcd", "--watch", "0s"]);
    assert_eq!(upgraded["to"], "0.2.0", "{upgraded}");
    assert_eq!(text(&get(&stand, "/app/changed")["value"]), "x!");
    let ended = cli(&shadow);
    assert_eq!((&ended["state"], &ended["ended-because"]), (&json!("ended"), &json!("the integration was upgraded")));
}

#[test]
fn what_etcd_changes_between_two_reads_is_no_difference_between_two_versions() {
    let etcd = peer!(Etcd::start(""));
    let stand = Stand::with("etcd", "etcd", &json!({"url": etcd.url()}));
    let same = version("etcd", "0.2.0", stand.scratch(), |_| {});
    assert_eq!(stand.server().upload(&same, "").unwrap().0, 201);
    put(&stand, "/busy/0", "0");
    stand.server().cli(&["integration", "shadow", "etcd", "--to", "0.2.0"]).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !over.load(Ordering::SeqCst) {
                number += 1;
                put(&stand, &format!("/busy/{}", number % 7), &number.to_string());
            }
        });
        for _ in 0..150 {
            get(&stand, "/busy/0");
            list(&stand, "/busy/");
        }
        over.store(true, Ordering::SeqCst);
    });
    let report = after(&stand, 300);
    let count = |name: &str| report["reads"][name].as_u64().unwrap();
    assert_eq!((count("different"), count("failed")), (0, 0), "{report:#}");
    assert!(count("changed-meanwhile") > 0 && count("compared") > 20, "it was busy: {report:#}");
    let clean = stand.server().cli(&["integration", "shadow", "etcd", "--exit-code", "--stop"]).unwrap();
    assert_eq!(clean["state"], "ended", "{clean}");
}

#[test]
fn a_server_that_is_killed_goes_on_with_its_rehearsal_and_counts_anew() {
    let mut stand = Stand::with("etcd", "playground", &json!({}));
    let second = version("playground", "0.2.0", stand.scratch(), |_| {});
    assert_eq!(stand.server().upload(&second, "").unwrap().0, 201);
    let begun = stand.server().cli(&["integration", "shadow", "etcd", "--to", "0.2.0"]).unwrap();
    put(&stand, "k", "x");
    get(&stand, "k");
    after(&stand, 1);
    stand.crash();
    stand.restart();
    let now = report(&stand);
    assert_eq!((&now["state"], &now["until"]), (&json!("running"), &begun["until"]), "{now}");
    assert_eq!(now["reads"]["compared"], 0, "{now}");
    assert!(now["counted-since"].as_i64() > begun["counted-since"].as_i64(), "{now}");
    get(&stand, "k");
    assert_eq!(after(&stand, 1)["reads"]["equal"], 1);
    assert_eq!(stand.server().get("/v1/integrations/etcd").unwrap()["plugin-version"], "0.1.0");
}
