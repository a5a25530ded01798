//! Writes under everything that can go wrong at once: a network that loses requests and answers, and a host that is killed
//! at random. The outside system, a real etcd, is asked at the end how often each key was written.

#![allow(clippy::print_stdout, reason = "tells the figures, which are shown with --nocapture")]

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use jackfield_peers::{Etcd, http, peer};
use jackfield_tests::{Stand, base64, text, troubled::Troubled};
use serde_json::{Value, json};

const WRITERS: usize = 8;

/// What the last answer to a write was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// It was carried out.
    Applied,
    /// It was not.
    NotApplied,
    /// Nobody can say; or nothing was told.
    Unknown,
}

/// How many: `JACKFIELD_WRITES`, or as many as fit into a test run.
fn count() -> usize {
    std::env::var("JACKFIELD_WRITES").ok().and_then(|count| count.parse().ok()).unwrap_or(1500)
}

/// Sends a write once.
fn send(address: &str, number: usize) -> Told {
    let body = json!({"key": format!("w/{number}"), "value": base64(number.to_string())}).to_string();
    let key = format!("write-{number}");
    let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
    let path = "/v1/integrations/etcd/key-value/put";
    let Ok(response) = http::request(address, "POST", path, &headers, body.as_bytes()) else { return Told::Unknown };
    // An answer that was cut off tells nothing.
    let Ok(answer) = response.json() else { return Told::Unknown };
    match (response.status, answer["kind"].as_str()) {
        (200, _) => {
            assert_eq!(answer["key"], format!("w/{number}"));
            Told::Applied
        }
        (_, Some("outcome-unknown")) => Told::Unknown,
        (_, Some("conflict")) => {
            assert_eq!(answer["code"], "write-in-progress", "{answer}");
            Told::Unknown
        }
        (_, Some("unavailable" | "deadline-exceeded" | "rate-limited")) => Told::NotApplied,
        other => panic!("write {number}: {other:?} {answer}"),
    }
}

/// How often etcd says that each key was written.
fn written(etcd: &Etcd) -> BTreeMap<usize, u64> {
    let range = json!({"key": base64("w/"), "range_end": base64("w0"), "keys_only": true});
    let answer = http::post_json(etcd.address(), "/v3/kv/range", &range).unwrap().json().unwrap();
    let keys = answer["kvs"].as_array().cloned().unwrap_or_default();
    let number = |kv: &Value| text(&kv["key"]).strip_prefix("w/").unwrap().parse().unwrap();
    keys.iter().map(|kv| (number(kv), kv["version"].as_str().unwrap().parse().unwrap())).collect()
}

#[test]
fn every_acknowledged_write_happens_once_and_none_twice_whatever_is_lost_or_killed() {
    let etcd = peer!(Etcd::start(""));
    let count = count();
    let troubled = Troubled::before(etcd.address(), 7);
    let mut stand = Stand::with("etcd", "etcd", &json!({"url": troubled.url()}));
    let address = stand.server().address().to_owned();
    let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let told = Mutex::new(BTreeMap::new());
    let mut kills = 0;
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            break;
                        }
                        // Some are sent once, most until they are answered for certain.
                        let attempts = if number % 4 == 0 { 1 } else { 25 };
                        let mut last = Told::Unknown;
                        let mut ever_unknown = false;
                        for attempt in 0..attempts {
                            last = send(&address, number);
                            if last == Told::Applied {
                                break;
                            }
                            ever_unknown |= last == Told::Unknown;
                            thread::sleep(Duration::from_millis(20 + 10 * attempt));
                        }
                        // That nothing came of the last attempt says nothing of one before.
                        if ever_unknown && last == Told::NotApplied {
                            last = Told::Unknown;
                        }
                        told.lock().unwrap().insert(number, last);
                    }
                })
            })
            .collect();
        let all_over = &over;
        scope.spawn(move || {
            while !writers.iter().all(thread::ScopedJoinHandle::is_finished) {
                thread::sleep(Duration::from_millis(20));
            }
            all_over.store(true, Ordering::Relaxed);
        });
        for round in 0u64.. {
            thread::sleep(Duration::from_millis(700 + 130 * (round % 11)));
            if over.load(Ordering::Relaxed) {
                break;
            }
            stand.crash();
            stand.restart();
            kills += 1;
        }
    });
    troubled.calm_down();
    stand.crash();
    stand.restart();

    let (told, written) = (told.into_inner().unwrap(), written(&etcd));
    let twice: Vec<_> = written.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "written more than once: {twice:?}");
    let listed = stand.server().get("/v1/operations?state=unknown&limit=1000").unwrap();
    let unknown: Vec<_> = listed["items"].as_array().unwrap().iter().map(|w| w["key"].as_str().unwrap()).collect();
    assert!(unknown.len() < 1000);
    let mut counts = BTreeMap::new();
    for (number, last) in &told {
        *counts.entry(format!("{last:?}")).or_insert(0) += 1;
        let there = written.contains_key(number);
        match last {
            Told::Applied => assert!(there, "write {number} was acknowledged and is not there"),
            Told::NotApplied => assert!(!there, "write {number} was said not to be there and is"),
            // What is there is noted as carried out, or listed; what was never begun is neither.
            Told::Unknown if there => {
                let key = format!("write-{number}");
                let entry = stand.server().get(&format!("/v1/operations/etcd/{key}")).unwrap();
                let state = entry["state"].as_str().unwrap();
                assert!(state == "applied" || (state == "unknown" && unknown.contains(&key.as_str())), "{entry}");
            }
            Told::Unknown => {}
        }
    }
    println!(
        "{count} writes, {kills} kills, {} connections ended: {counts:?}, {} in etcd, {} listed as unknown",
        troubled.faults(),
        written.len(),
        unknown.len()
    );
    assert!(kills > 0 && troubled.faults() > 0, "nothing went wrong, so nothing was shown");
    assert!(counts["Applied"] > count / 2, "{counts:?}");

    // What is unknown is settled by sending it again, since this plugin promises that it happens once.
    for key in unknown {
        let number = key.strip_prefix("write-").unwrap().parse().unwrap();
        assert_eq!(send(stand.server().address(), number), Told::Applied, "{key}");
    }
    let left = stand.server().get("/v1/operations?state=unknown").unwrap();
    assert_eq!(left["items"], json!([]));
    assert!(self::written(&etcd).values().all(|times| *times == 1));
}
