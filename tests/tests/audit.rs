//! The audit trail of a host in use: what is recorded, that it survives a crash, and that whoever takes it away can tell
//! whether it is whole.

use std::path::Path;

use jackfield_tests::{Stand, base64, echoing::Echoing};
use serde_json::{Value, json};

/// Records that hold all of these texts, newest first.
fn records(stand: &Stand, containing: &[&str]) -> Vec<Value> {
    let query: String = containing.iter().map(|text| format!("&contains={text}")).collect();
    // Reads are recorded a moment after they are answered.
    std::thread::sleep(std::time::Duration::from_millis(300));
    stand.server().get(&format!("/v1/audit?limit=1000{query}")).unwrap()["items"].as_array().unwrap().clone()
}

fn verify(stand: &Stand, arguments: &[&str]) -> Result<Value, String> {
    let output = stand.server().run(&[&["audit", "verify", "-o", "json"], arguments].concat()).unwrap();
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn export(stand: &Stand, file: &Path) -> String {
    stand.server().run(&["audit", "export", file.to_str().unwrap()]).unwrap();
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn a_write_is_recorded_before_and_after_and_a_read_after_with_what_they_were_asked() {
    let stand = Stand::with("play", "playground", &json!({}));
    let server = stand.server();
    let put = json!({"key": "greeting", "value": base64("hello-there"), "options": {"idempotency-key": "k-1"}});
    server.ok("play", "key-value.put", &put).unwrap();
    server.ok("play", "key-value.get", &json!({"key": "greeting"})).unwrap();
    let (status, _) = server.call("play", "key-value.get", &json!({"key": 5})).unwrap();
    assert_eq!(status, 400);

    let puts = records(&stand, &["key-value.put"]);
    let kinds: Vec<_> = puts.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["call", "intent"], "newest first");
    assert_eq!(puts[0]["call"], puts[1]["call"]);
    for record in &puts {
        assert_eq!((record["subject"].as_str(), record["target"].as_str()), (Some("local"), Some("play")));
        assert_eq!(record["parameters"]["key"], "greeting");
        let value = record["parameters"]["value"].as_str().unwrap();
        assert!(value.starts_with("hmac-sha256:"), "bytes are told by their mark: {value}");
        assert!(record["plugin-digest"].as_str().unwrap().starts_with("sha256:"));
    }
    assert_eq!((&puts[0]["outcome"]["result"], &puts[1]["outcome"]), (&json!("ok"), &Value::Null));
    let gets = records(&stand, &["key-value.get"]);
    let results: Vec<_> = gets.iter().map(|record| record["outcome"]["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["error", "ok"]);
    assert_eq!(gets[0]["outcome"]["kind"], "invalid");

    let added = records(&stand, &["integration-added"]);
    assert_eq!(added[0]["target"], "play");
    let first = server.get("/v1/audit?limit=2").unwrap();
    let next = server.get(&format!("/v1/audit?limit=2&before={}", first["next"])).unwrap();
    assert_eq!(next["items"][0]["seq"].as_u64().unwrap() + 1, first["items"][1]["seq"].as_u64().unwrap());
}

#[test]
fn what_an_operator_does_is_recorded_before_and_after_and_what_was_not_done_too() {
    let stand = Stand::with("play", "playground", &json!({}));
    stand.init_vault();
    let credential = json!({"type": "bearer", "fields": {"token": "tok-3f9a-secret"}});
    assert_eq!(stand.server().send("PUT", "/v1/credentials/wild", &credential).unwrap().0, 200);
    let told = |record: &Value| {
        let outcome = record["outcome"]["result"].as_str().map(str::to_owned);
        (record["kind"].as_str().unwrap().to_owned(), record["message"].as_str().unwrap().to_owned(), outcome)
    };
    let intent = |message: &str| ("intent".to_owned(), message.to_owned(), None);
    let done = |message: &str, result: &str| ("administration".to_owned(), message.to_owned(), Some(result.to_owned()));

    let added: Vec<_> = records(&stand, &["integration-added"]).iter().map(told).collect();
    assert_eq!(added[1], intent(&added[0].1), "{added:?}");
    assert_eq!(added[0], done(&added[0].1, "ok"));
    let (status, problem) = stand.server().send("POST", "/v1/credentials/wild/promote", &json!({})).unwrap();
    assert!(status >= 400, "there is nothing to promote: {problem}");
    let changed: Vec<_> = records(&stand, &["credential-changed"]).iter().map(told).collect();
    let wanted = "the credential `wild` is used in its newest staged version from now on";
    assert_eq!(changed[1], intent(wanted));
    assert_eq!((&changed[0].0[..], changed[0].2.as_deref()), ("administration", Some("error")), "{changed:?}");
    assert!(changed[0].1.starts_with(&format!("not so: {wanted}: ")), "{changed:?}");
    assert_eq!(changed[2], done("the credential `wild` has a new version 1", "ok"));
    assert_eq!(changed[3], intent("the credential `wild` has a new version"));
    assert_eq!(changed.len(), 4);
}

#[test]
fn every_request_to_the_outside_is_recorded_with_its_credentials_version_and_what_was_refused() {
    let outside = Echoing::start();
    let stand = Stand::start();
    stand.install("unruly");
    stand.init_vault();
    let credential = json!({"type": "bearer", "fields": {"token": "tok-3f9a-secret"}});
    stand.server().send("PUT", "/v1/credentials/wild", &credential).unwrap();
    let new = json!({
        "name": "wild", "plugin": "unruly", "config": {"url": outside.url()},
        "endpoints": {"api": {"credential": {"name": "wild", "allow-plain-http": true}}},
    });
    assert_eq!(stand.server().send("POST", "/v1/integrations", &new).unwrap().0, 201);
    stand.server().ok("wild", "unruly.look", &json!({"path": "/plain?q=1"})).unwrap();
    stand.server().call("wild", "unruly.set-header", &json!({"name": "Authorization", "value": "mine"})).unwrap();

    let looks = records(&stand, &["unruly.look"]);
    let request = &looks[0]["requests"][0];
    let host = outside.url().strip_prefix("http://").unwrap();
    assert_eq!(
        (&request["method"], &request["host"], &request["path"], &request["status"]),
        (&json!("GET"), &json!(host), &json!("/*"), &json!(200)),
        "{request}"
    );
    assert_eq!(request["credential"], json!({"name": "wild", "version": 1}));
    assert!(request["received"].as_u64().unwrap() > 0, "{request}");
    let refused = records(&stand, &["unruly.set-header"]);
    let request = &refused[0]["requests"][0];
    assert!(request["refused"].as_str().unwrap().contains("authorization"), "{request}");
    assert_eq!(request["host"], Value::Null, "nothing was sent");

    let trail = export(&stand, &stand.scratch().join("trail"));
    assert!(trail.contains("credential-changed") && trail.contains("vault-changed"));
    assert!(!trail.contains("tok-3f9a-secret"), "what a credential holds is in no record");
}

#[test]
fn a_trail_survives_a_crash_and_whatever_is_done_to_a_copy_of_it_is_found() {
    let mut stand = Stand::with("play", "playground", &json!({}));
    for n in 0..50 {
        let put = json!({"key": format!("k-{n}"), "value": base64("x")});
        stand.server().ok("play", "key-value.put", &put).unwrap();
    }
    let before = verify(&stand, &[]).unwrap();
    stand.crash();
    stand.restart();
    let head = before["head"].as_str().unwrap();
    let key = before["key"].as_str().unwrap();
    let after = verify(&stand, &["--head", head, "--key", key]).unwrap();
    assert!(after["records"].as_u64() > before["records"].as_u64(), "{after}");

    let file = stand.scratch().join("trail");
    let whole = export(&stand, &file);
    let path = file.to_str().unwrap();
    assert!(verify(&stand, &[path]).is_ok());
    let lines: Vec<&str> = whole.lines().collect();
    let join = |lines: &[&str]| lines.join("\n") + "\n";
    let changed = lines[20].replace("\"subject\":\"local\"", "\"subject\":\"nobody\"");
    let with = |at: usize, line: &str| join(&[&lines[..at], &[line], &lines[at + 1..]].concat());
    for (forged, place) in [
        (with(20, &changed), "record 20"),
        (join(&[&lines[..20], &lines[21..]].concat()), "record 20"),
        (join(&[&lines[..20], &[lines[21], lines[20]], &lines[22..]].concat()), "record 20"),
        (join(&lines[..20]), "record 20"),
        (join(&[&lines[..20], &lines[lines.len() - 1..]].concat()), "record 20"),
    ] {
        std::fs::write(&file, forged).unwrap();
        let fault = verify(&stand, &[path]).unwrap_err();
        assert!(fault.contains(place), "{place}: {fault}");
    }
    // An older, shorter trail is whole by itself; who kept a head is not fooled.
    std::fs::write(&file, &whole).unwrap();
    for n in 0..5 {
        stand.server().ok("play", "key-value.delete", &json!({"key": format!("k-{n}")})).unwrap();
    }
    let later = verify(&stand, &[]).unwrap();
    assert!(verify(&stand, &[path]).is_ok());
    assert!(verify(&stand, &[path, "--head", later["head"].as_str().unwrap()]).unwrap_err().contains("was expected"));
    std::fs::remove_file(&file).unwrap();
    assert!(verify(&stand, &[path]).unwrap_err().contains("cannot be read"));
}
