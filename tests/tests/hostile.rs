//! Guests that do their worst, by the built server and over its API: each is told what it ran into, and nobody else
//! notices.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use jackfield_crafted::GUESTS;
use jackfield_peers::{http, record};
use jackfield_tests::{
    Stand,
    outside::Outside,
    unruly::{Way, told, ways},
};
use serde_json::json;

/// Each of these needs the machine to itself.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stand(wild: usize) -> Stand {
    let stand = Stand::with("play", "playground", &json!({}));
    stand.install("unruly");
    let outside = Outside::start();
    for n in 0..wild {
        let new = json!({
            "name": format!("wild-{n}"), "plugin": "unruly", "config": {"url": outside.url()},
            "limits": {"cpu-ms": 1000, "call-timeout-ms": 4000},
        });
        let (status, answer) = stand.server().send("POST", "/v1/integrations", &new).unwrap();
        assert_eq!(status, 201, "{answer}");
    }
    stand
}

#[test]
fn each_way_to_misbehave_is_a_typed_error_and_the_next_call_is_fine() {
    let _alone = alone();
    let stand = stand(1);
    let server = stand.server();
    for Way { operation, params, told: expected } in ways() {
        let (status, problem) = server.call("wild-0", &format!("unruly.{operation}"), &params).unwrap();
        assert!(status >= 500, "{operation}: {status} {problem}");
        assert_eq!(told(&problem), expected, "{operation} {params}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() < 5000), "{operation}: {problem}");
        let count = server.ok("wild-0", "unruly.count", &json!({})).unwrap();
        // Where time ran out for the outside system, or only the answer was too much, the guest lives on.
        let lives = matches!(expected, "deadline-exceeded" | "result-limit" | "copies-limit");
        assert!(count == 1 || lives, "a fresh instance after {operation}: {count}");
    }
    let taken = server.ok("wild-0", "unruly.fill", &json!({"options": {}})).unwrap();
    assert!(taken.as_u64().unwrap() <= 1 << 20, "no more state than the quota: {taken}");
}

/// Installs every crafted plugin and adds an integration of each; where what they do is called.
fn crafted(stand: &Stand) -> Vec<String> {
    let install = |guest: &jackfield_crafted::Guest| {
        let path = stand.scratch().join("crafted.wasm");
        std::fs::write(&path, guest.packed()).unwrap();
        let (status, answer) = stand.server().install(&path).unwrap();
        assert_eq!(status, 201, "{answer}");
        let new = json!({"name": guest.name, "plugin": guest.name, "limits": {"cpu-ms": 1000}});
        let (status, answer) = stand.server().send("POST", "/v1/integrations", &new).unwrap();
        assert_eq!(status, 201, "{answer}");
        format!("/v1/integrations/{}/crafted/act", guest.name)
    };
    GUESTS.iter().map(install).collect()
}

#[test]
fn a_hundred_hostile_integrations_leave_the_server_and_a_healthy_call_answering() {
    let _alone = alone();
    // Some misbehave when they are asked to, the others as a whole.
    let stand = stand(100 - GUESTS.len());
    let server = stand.server();
    let ways = ways();
    let mut calls: Vec<_> = crafted(&stand).into_iter().map(|path| (path, json!({"text": "now"}))).collect();
    calls.extend((0..100 - GUESTS.len()).map(|n| {
        let Way { operation, params, .. } = &ways[n % ways.len()];
        (format!("/v1/integrations/wild-{n}/unruly/{operation}"), params.clone())
    }));
    server.ok("play", "key-value.put", &json!({"key": "k", "value": "aGVsbG8="})).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let hostile: Vec<_> = calls
        .into_iter()
        .map(|(path, params)| {
            let (stop, address) = (stop.clone(), server.address().to_owned());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let _ = http::post_json(&address, &path, &params);
                    // It is the guests that are hostile. An operation that has crashed too often answers at once, and a
                    // hundred clients in a tight loop would measure the making of connections.
                    thread::sleep(Duration::from_millis(10));
                }
            })
        })
        .collect();
    thread::sleep(Duration::from_secs(1));
    let (mut worst, mut calls) = (Duration::ZERO, 0);
    let end = Instant::now() + Duration::from_secs(6);
    while Instant::now() < end {
        let begun = Instant::now();
        assert_eq!(http::get(server.address(), "/healthz").unwrap().status, 200);
        let read = server.ok("play", "key-value.get", &json!({"key": "k"})).unwrap();
        assert_eq!(read["value"], "aGVsbG8=");
        let took = begun.elapsed();
        worst = worst.max(took);
        calls += 1;
        thread::sleep(Duration::from_millis(5));
    }
    stop.store(true, Ordering::Relaxed);
    record::measured(&format!("beside 100 hostile integrations: {calls} healthy calls, the slowest {worst:.1?}"));
    // Were one of the server's threads left to a guest, it would be a second each; on a busy machine there are stalls of
    // some hundred milliseconds all the same.
    assert!(worst < Duration::from_secs(5) && calls > 20, "{calls} calls, the slowest {worst:?}");
    for caller in hostile {
        caller.join().unwrap();
    }
    assert_eq!(server.ok("wild-7", "unruly.count", &json!({})).unwrap(), 1);
}

#[test]
fn a_client_that_goes_away_ends_its_call_and_the_request_that_it_waits_for() {
    let _alone = alone();
    let stand = Stand::start();
    stand.install("unruly");
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", peer.local_addr().unwrap());
    stand.server().integrate("wild", "unruly", &json!({"url": url})).unwrap();

    let mut client = TcpStream::connect(stand.server().address()).unwrap();
    let body = r#"{"path":"/slow"}"#;
    let head = "POST /v1/integrations/wild/unruly/fetch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json";
    client.write_all(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    // The request arrives, and nobody answers it.
    let (mut request, _) = peer.accept().unwrap();
    let mut buffer = [0; 4096];
    assert!(request.read(&mut buffer).unwrap() > 0);
    drop(client);

    request.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let begun = Instant::now();
    assert_eq!(request.read(&mut buffer).unwrap(), 0, "the connection is closed");
    record::measured(&format!("an outside system sees the end {:.1?} after the client's", begun.elapsed()));
    let busy = r#"jackfield_pool_instances{integration="wild",pool="calls",state="busy"} 0"#;
    let idle_again = || http::get(stand.server().address(), "/metrics").unwrap().text().contains(busy);
    let until = Instant::now() + Duration::from_secs(5);
    while !idle_again() {
        assert!(Instant::now() < until, "the instance is still in use");
        thread::sleep(Duration::from_millis(10));
    }
}
