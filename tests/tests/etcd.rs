//! Keys and values in a real etcd, seen from both sides: what Jackfield writes `etcdctl` reads, and the other way round.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    sync::mpsc,
    time::{Duration, Instant},
};

use jackfield_peers::{Etcd, EtcdCluster, Etcdctl, peer, record};
use jackfield_tests::{Stand, base64, text};
use serde_json::{Value, json};

fn stand_on(etcd: &Etcd) -> Stand {
    Stand::with("etcd", "etcd", &json!({"url": etcd.url()}))
}

fn put(stand: &Stand, key: &str, value: &str) -> Value {
    stand.server().ok("etcd", "key-value.put", &json!({"key": key, "value": base64(value)})).unwrap()
}

/// A cursor that stands at now.
fn now(stand: &Stand, prefix: &str) -> String {
    let batch = stand.server().ok("etcd", "key-value.poll-changes", &json!({"prefix": prefix, "wait-ms": 0})).unwrap();
    batch["next"].as_str().unwrap().to_string()
}

/// What a change says: `key=value`, or `-key`.
fn said(change: &Value) -> String {
    match change.get("put") {
        Some(entry) => format!("{}={}", entry["key"].as_str().unwrap(), text(&entry["value"])),
        None => format!("-{}", change["deleted"]["key"].as_str().unwrap()),
    }
}

fn both_ways(version: &'static str) {
    let etcd = peer!(Etcd::start(version));
    let etcdctl = peer!(etcd.client());
    let stand = stand_on(&etcd);
    let server = stand.server();

    put(&stand, "/app/a", "from jackfield\nü");
    assert_eq!(etcdctl.get("/app/a").unwrap().as_deref(), Some("from jackfield\nü"));
    etcdctl.run(&["put", "/app/b", "from etcdctl"]).unwrap();
    let read = server.ok("etcd", "key-value.get", &json!({"key": "/app/b"})).unwrap();
    assert_eq!(text(&read["value"]), "from etcdctl");
    assert_eq!(server.ok("etcd", "key-value.get", &json!({"key": "/app/none"})).unwrap(), Value::Null);

    // Compare-and-set holds against a change from the other side.
    let swap = json!({"key": "/app/b", "expected": base64("from etcdctl"), "value": base64("swapped")});
    server.ok("etcd", "key-value.compare-and-set", &swap).unwrap();
    let (status, problem) = server.call("etcd", "key-value.compare-and-set", &swap).unwrap();
    assert_eq!((status, &problem["kind"]), (409, &json!("conflict")), "{problem}");
    assert_eq!(etcdctl.get("/app/b").unwrap().as_deref(), Some("swapped"));

    // So does a revision.
    let seen = server.ok("etcd", "key-value.get", &json!({"key": "/app/b"})).unwrap()["revision"].clone();
    etcdctl.run(&["put", "/app/b", "newer"]).unwrap();
    let stale = json!({"key": "/app/b", "value": base64("x"), "options": {"precondition": {"revision": seen}}});
    assert_eq!(server.call("etcd", "key-value.put", &stale).unwrap().0, 409);

    // Pages go through everything once.
    for number in 0..25 {
        etcdctl.run(&["put", &format!("/many/{number:02}"), "x"]).unwrap();
    }
    let mut keys = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let page = json!({"prefix": "/many/", "page": {"limit": 10, "cursor": cursor}});
        let page = server.ok("etcd", "key-value.list", &page).unwrap();
        keys.extend(page["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap().to_string()));
        cursor = page["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(keys, (0..25).map(|number| format!("/many/{number:02}")).collect::<Vec<_>>());

    // One transaction, seen whole from the other side.
    let transaction = json!({
        "conditions": [{"key": "/app/a", "holds": {"present": null}}, {"key": "/app/t", "holds": {"absent": null}}],
        "then": [{"put": {"key": "/app/t", "value": base64("1")}}, {"delete": "/app/a"}, {"get": "/app/t"}],
        "otherwise": [],
    });
    let outcome = server.ok("etcd", "key-value.transact", &transaction).unwrap();
    assert_eq!(outcome["succeeded"], true, "{outcome}");
    assert_eq!((etcdctl.get("/app/t").unwrap().as_deref(), etcdctl.get("/app/a").unwrap()), (Some("1"), None));
    assert_eq!(server.ok("etcd", "key-value.transact", &transaction).unwrap()["succeeded"], false);

    // A lease of Jackfield's takes its key along, in etcd itself.
    let lease = server.ok("etcd", "key-value.grant-lease", &json!({"ttl-ms": 60_000})).unwrap();
    let leased = json!({"key": "/app/leased", "value": base64("x"), "lease": lease["id"]});
    server.ok("etcd", "key-value.put", &leased).unwrap();
    assert_eq!(etcdctl.get("/app/leased").unwrap().as_deref(), Some("x"));
    server.ok("etcd", "key-value.revoke-lease", &json!({"id": lease["id"]})).unwrap();
    assert_eq!(etcdctl.get("/app/leased").unwrap(), None);
}

#[test]
fn etcdctl_and_jackfield_see_the_same_in_etcd_3_4() {
    both_ways("3.4.");
}

#[test]
fn etcdctl_and_jackfield_see_the_same_in_etcd_3_5() {
    both_ways("3.5.");
}

#[test]
fn a_lock_is_held_by_one_and_passes_on() {
    let etcd = peer!(Etcd::start(""));
    let stand = stand_on(&etcd);
    let server = stand.server();
    let take = json!({"name": "deploy", "ttl-ms": 30_000, "wait-ms": 0});
    let held = server.ok("etcd", "key-value.lock", &take).unwrap();
    let (status, problem) = server.call("etcd", "key-value.lock", &take).unwrap();
    assert_eq!((status, &problem["kind"]), (409, &json!("conflict")), "{problem}");
    let give_back = json!({"name": "deploy", "token": held["token"]});
    server.ok("etcd", "key-value.unlock", &give_back).unwrap();
    let next = server.ok("etcd", "key-value.lock", &take).unwrap();
    let fencing = |lock: &Value| lock["fencing"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(fencing(&next) > fencing(&held), "{held} {next}");
}

/// A running `jackfield watch`; its lines arrive on a channel with the time they came.
struct Watch {
    child: std::process::Child,
    lines: mpsc::Receiver<(Instant, String)>,
}

impl Watch {
    fn start(stand: &Stand, arguments: &[&str]) -> Watch {
        let mut command = stand.server().command();
        command.args(["watch", "etcd", "key-value", "-o", "json"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Watch { child, lines }
    }

    fn next(&self) -> (Instant, Value) {
        let (at, line) = self.lines.recv_timeout(Duration::from_secs(20)).expect("a change within 20 s");
        (at, serde_json::from_str(&line).unwrap())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn watch_shows_a_change_of_etcdctl_within_100_ms() {
    let etcd = peer!(Etcd::start(""));
    let etcdctl = peer!(etcd.client());
    let stand = stand_on(&etcd);
    let watch = Watch::start(&stand, &["prefix=/w/", "--from", &now(&stand, "/w/")]);
    etcdctl.run(&["put", "/w/warm", "up"]).unwrap();
    assert_eq!(said(&watch.next().1), "/w/warm=up");

    let mut latencies: Vec<f64> = (0..15)
        .map(|number| {
            let value = number.to_string();
            etcdctl.run(&["put", "/w/a", &value]).unwrap();
            let written = Instant::now();
            let (arrived, change) = watch.next();
            assert_eq!(said(&change), format!("/w/a={value}"));
            // It may well arrive before etcdctl has ended.
            arrived.saturating_duration_since(written).as_secs_f64() * 1e3
        })
        .collect();
    latencies.sort_by(f64::total_cmp);
    let (median, worst) = (latencies[latencies.len() / 2], latencies[latencies.len() - 1]);
    record::measured(&format!("a change of etcdctl is shown after {median:.1} ms (median), {worst:.1} ms (worst)"));
    assert!(median < 100.0, "{latencies:?}");
}

#[test]
fn a_watch_resumes_by_cursor_after_a_restart_of_jackfield_with_nothing_lost() {
    let etcd = peer!(Etcd::start(""));
    let etcdctl = peer!(etcd.client());
    let mut stand = stand_on(&etcd);
    let query = "prefix=%2Fr%2F";
    let begin = now(&stand, "/r/");
    let mut feed = stand.server().follow("etcd", "key-value.poll-changes", query, Some(&begin)).unwrap();
    let program = Watch::start(&stand, &["prefix=/r/", "--from", &begin]);
    for number in 0..3 {
        put(&stand, &format!("/r/{number}"), "before");
        assert_eq!(said(&feed.change().unwrap()), format!("/r/{number}=before"));
        assert_eq!(said(&program.next().1), format!("/r/{number}=before"));
    }
    let cursor = feed.cursor().unwrap().to_string();
    drop(feed);

    stand.stop();
    etcdctl.run(&["put", "/r/0", "meanwhile"]).unwrap();
    etcdctl.run(&["del", "/r/1"]).unwrap();
    stand.restart();
    put(&stand, "/r/2", "after");

    let expected = ["/r/0=meanwhile", "-/r/1", "/r/2=after"];
    let mut feed = stand.server().follow("etcd", "key-value.poll-changes", query, Some(&cursor)).unwrap();
    for line in expected {
        assert_eq!(said(&feed.change().unwrap()), line);
    }
    // The program has gone on by itself.
    for line in expected {
        assert_eq!(said(&program.next().1), line);
    }
}

#[test]
fn a_watch_resumes_by_cursor_after_a_restart_of_etcd_with_nothing_lost() {
    let mut etcd = peer!(Etcd::start(""));
    let etcdctl = peer!(etcd.client());
    let stand = stand_on(&etcd);
    let watch = Watch::start(&stand, &["prefix=/e/", "--from", &now(&stand, "/e/")]);
    put(&stand, "/e/1", "before");
    assert_eq!(said(&watch.next().1), "/e/1=before");

    etcd.stop();
    std::thread::sleep(Duration::from_millis(500));
    let (status, problem) = stand.server().call("etcd", "key-value.put", &json!({"key": "/e/x", "value": ""})).unwrap();
    assert_eq!((status, &problem["kind"], &problem["source"]), (503, &json!("unavailable"), &json!("downstream")));
    etcd.restart().unwrap();
    etcdctl.run(&["put", "/e/2", "after"]).unwrap();
    etcdctl.run(&["put", "/e/3", "after"]).unwrap();
    assert_eq!(said(&watch.next().1), "/e/2=after");
    assert_eq!(said(&watch.next().1), "/e/3=after");
}

#[test]
fn a_cluster_of_three_serves_without_any_one_member() {
    let mut cluster = peer!(EtcdCluster::start(""));
    let etcdctl = peer!(Etcdctl::new(&cluster.urls().join(",")));
    let stand = Stand::with("etcd", "etcd", &json!({"url": cluster.urls()}));
    let watch = Watch::start(&stand, &["prefix=/c/", "--from", &now(&stand, "/c/")]);
    let mut expected = Vec::new();
    for stopped in 0..3 {
        cluster.members()[stopped].stop();
        // A lost leader is replaced within a second or two; until then a write may fail, and says that it did not happen.
        let key = format!("/c/{stopped}");
        let body = json!({"key": key, "value": base64("x")});
        let deadline = Instant::now() + Duration::from_secs(20);
        while stand.server().call("etcd", "key-value.put", &body).unwrap().0 != 200 {
            assert!(Instant::now() < deadline, "no write went through without member {stopped}");
            std::thread::sleep(Duration::from_millis(100));
        }
        let read = stand.server().ok("etcd", "key-value.get", &json!({"key": key})).unwrap();
        assert_eq!(text(&read["value"]), "x");
        assert_eq!(etcdctl.get(&key).unwrap().as_deref(), Some("x"));
        expected.push(format!("{key}=x"));
        cluster.members()[stopped].restart().unwrap();
    }
    // Not one was lost on the way; a write that was tried twice may be seen twice.
    for wanted in expected {
        while said(&watch.next().1) != wanted {}
    }
}

#[test]
fn services_in_etcd_come_go_and_are_found() {
    let etcd = peer!(Etcd::start(""));
    let stand = stand_on(&etcd);
    let server = stand.server();
    for (id, port) in [("a", 8001), ("b", 8002)] {
        let registration = json!({"service": "web", "id": id, "address": "10.0.0.1", "port": port, "labels": []});
        server.ok("etcd", "service-discovery.register", &json!({"registration": registration})).unwrap();
    }
    let sick = json!({"service": "web", "id": "b", "health": "critical"});
    server.ok("etcd", "service-discovery.set-health", &sick).unwrap();
    let found = |passing: bool| -> Vec<Value> {
        let resolve = json!({"service": "web", "passing-only": passing});
        let found = server.ok("etcd", "service-discovery.resolve", &resolve).unwrap();
        found["items"].as_array().unwrap().iter().map(|instance| instance["id"].clone()).collect()
    };
    assert_eq!((found(false), found(true)), (vec![json!("a"), json!("b")], vec![json!("a")]));
    let listed = server.ok("etcd", "service-discovery.list", &json!({})).unwrap();
    assert_eq!(listed["items"], json!([{"name": "web", "instances": 2, "passing": 1}]));
    server.ok("etcd", "service-discovery.deregister", &json!({"service": "web", "id": "b"})).unwrap();
    assert_eq!(found(false), [json!("a")]);
}
