//! Plugins that are hostile as a whole, by the built server and over its API: what must not be installed is refused with
//! the reason, what turns hostile once it runs is found unhealthy by its own fault, and the server and the others live on.

use std::{
    fs,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use jackfield_crafted::{FORMS, GUESTS, Guest, Place};
use jackfield_peers::http;
use jackfield_tests::Stand;
use serde_json::{Value, json};

/// Sends a file to be installed: the status and the answer.
fn install(stand: &Stand, file: &[u8]) -> (u16, Value) {
    let path = stand.scratch().join("hostile.wasm");
    fs::write(&path, file).unwrap();
    stand.server().install(&path).unwrap()
}

/// Adds an integration of a plugin that is named as it.
fn integrate(stand: &Stand, name: &str) -> (u16, Value) {
    let new = json!({"name": name, "plugin": name, "limits": {"cpu-ms": 200, "memory-mib": 8}});
    stand.server().send("POST", "/v1/integrations", &new).unwrap()
}

/// The code of a problem or, where it has none, its kind.
fn told(problem: &Value) -> &str {
    problem["code"].as_str().or(problem["kind"].as_str()).unwrap_or_default()
}

/// The server answers, and so does an integration that has nothing to do with it.
fn all_is_well(stand: &Stand, after: &str) {
    assert_eq!(http::get(stand.server().address(), "/healthz").unwrap().status, 200, "{after}");
    let get = stand.server().ok("play", "key-value.list", &json!({"prefix": "", "page": {}}));
    get.unwrap_or_else(|error| panic!("after {after}: {error}"));
}

#[test]
fn a_file_that_is_no_plugin_is_refused_with_the_reason_and_costs_nobody_else_anything() {
    let stand = Stand::with("play", "playground", &json!({}));
    for form in FORMS {
        let begun = Instant::now();
        let (status, problem) = install(&stand, &form.file());
        let took = begun.elapsed();
        assert_eq!((status, &problem["kind"]), (400, &json!("invalid")), "{}: {problem:.500}", form.name);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(form.told), "{}: {detail:.500}", form.name);
        assert!(detail.len() < 10_000, "{}: an answer of {} bytes", form.name, detail.len());
        assert!(took < Duration::from_secs(20), "{}: refused after {took:?}", form.name);
        all_is_well(&stand, form.name);
    }
    assert_eq!(stand.server().get("/v1/plugins").unwrap()["items"].as_array().unwrap().len(), 1, "only the playground");
}

#[test]
fn a_plugin_that_does_not_start_or_crashes_in_everything_is_not_installed() {
    let stand = Stand::with("play", "playground", &json!({}));
    for guest in GUESTS.iter().filter(|guest| matches!(guest.place, Place::Start | Place::Each)) {
        let (status, problem) = install(&stand, &guest.packed_at_once());
        assert_eq!((status, &problem["source"]), (400, &json!("plugin")), "{}: {problem}", guest.name);
        assert!(problem["detail"].as_str().unwrap().contains("does not start"), "{}: {problem}", guest.name);
        all_is_well(&stand, guest.name);
    }
    assert_eq!(stand.server().get("/v1/plugins").unwrap()["items"].as_array().unwrap().len(), 1, "only the playground");
}

#[test]
fn a_plugin_that_crashes_while_it_judges_a_configuration_gets_no_integration() {
    let stand = Stand::with("play", "playground", &json!({}));
    for guest in GUESTS.iter().filter(|guest| guest.place == Place::Allocate) {
        let (status, problem) = install(&stand, &guest.packed_at_once());
        assert_eq!(status, 201, "naming itself takes no text: {}: {problem}", guest.name);
        let (status, problem) = integrate(&stand, guest.name);
        assert_eq!((status, &problem["source"]), (500, &json!("plugin")), "{}: {problem}", guest.name);
        assert_eq!(told(&problem), guest.told, "{}: {problem}", guest.name);
        all_is_well(&stand, guest.name);
    }
    assert_eq!(stand.server().get("/v1/integrations").unwrap()["items"].as_array().unwrap().len(), 1);
}

#[test]
fn a_plugin_that_turns_hostile_is_told_typed_and_found_unhealthy_by_its_own_fault() {
    let stand = Stand::with("play", "playground", &json!({}));
    let server = stand.server();
    for guest in GUESTS {
        let name = guest.name;
        let (status, answer) = install(&stand, &guest.packed());
        assert_eq!(status, 201, "{name}: {answer}");
        let (status, answer) = integrate(&stand, name);
        assert_eq!(status, 201, "{name}: {answer}");
        let (status, problem) = server.call(name, "crafted.act", &json!({"text": "now"})).unwrap();
        assert_eq!((status, &problem["source"]), (500, &json!("plugin")), "{name}: {problem}");
        assert_eq!(told(&problem), guest.told, "{name}: {problem}");
        let works = matches!(guest.place, Place::Act | Place::Allocate);
        let (status, problem) = server.call(name, "crafted.rest", &json!({})).unwrap();
        assert_eq!(status, if works { 200 } else { 500 }, "{name}: {problem}");
        let (_, health) = server.send("POST", &format!("/v1/integrations/{name}/check"), &json!({})).unwrap();
        if works {
            assert_eq!(health["state"], "healthy", "{name}: {health}");
        } else {
            assert_eq!(
                (&health["state"], &health["source"]),
                (&json!("unhealthy"), &json!("plugin")),
                "{name}: {health}"
            );
        }
        all_is_well(&stand, name);
    }
}

/// What each limit is called where machines read it, by the guest that runs into it.
const LIMITS: [(&str, &str); 5] = [
    ("frees-for-ever", "cpu"),
    ("start-grows", "memory"),
    ("fills-tables", "tables"),
    ("destroys-by-recursion", "stack"),
    ("leaks-tokens", "resources"),
];

#[test]
fn every_limit_that_a_plugin_runs_into_is_an_event_and_counted() {
    let stand = Stand::with("play", "playground", &json!({}));
    let server = stand.server();
    let address = server.address().to_owned();
    let (sender, events) = mpsc::channel();
    let headers = [("accept", "text/event-stream")];
    let mut stream = http::open(&address, "GET", "/v1/events", &headers, b"", Duration::from_secs(30)).unwrap();
    thread::spawn(move || {
        while let Ok(Some(line)) = stream.line() {
            let _ = sender.send(line);
        }
    });
    for (name, limit) in LIMITS {
        let guest = Guest::named(name);
        install(&stand, &guest.packed());
        integrate(&stand, name);
        let (_, problem) = server.call(name, "crafted.act", &json!({"text": "now"})).unwrap();
        assert_eq!(told(&problem), format!("{limit}-limit"), "{problem}");
        let heard = || events.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| panic!("no event of {limit}"));
        while !heard().contains(&format!("{limit} limit: ")) {}
        let counted = format!(r#"jackfield_limit_hits_total{{integration="{name}",limit="{limit}"}}"#);
        assert!(http::get(&address, "/metrics").unwrap().text().contains(&counted), "{counted}");
    }
}
