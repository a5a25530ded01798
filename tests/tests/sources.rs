//! Credentials that are not kept in the vault: a file that another program rotates.

use std::{fs, thread, time::Duration};

use jackfield_tests::{Stand, echoing::Echoing, witness::Witness};
use serde_json::{Value, json};

#[test]
fn a_file_that_is_rotated_is_used_from_then_on_and_neither_value_is_ever_told() {
    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("token");
    fs::write(&file, "first-t0ken-of-the-file\n").unwrap();
    let mut stand = Stand::serving(&["--secrets-dir", secrets.path().to_str().unwrap()]);
    let outside = Witness::start("127.0.0.1", "http://nowhere.invalid/");
    stand.install("unruly");
    stand.init_vault();
    let from = format!("token=file:{}", file.display());
    let set = stand.server().cli(&["credential", "set", "c", "--type", "bearer", "--from", &from]).unwrap();
    assert_eq!(set["versions"][0]["sources"]["token"]["file"], file.to_str().unwrap());
    let new = json!({
        "name": "wild", "plugin": "unruly", "config": {"url": outside.url()},
        "endpoints": {"api": {"credential": {"name": "c", "allow-plain-http": true}}},
    });
    assert_eq!(stand.server().send("POST", "/v1/integrations", &new).unwrap().0, 201);
    let sent = |stand: &Stand| -> String {
        stand.server().ok("wild", "unruly.look", &json!({"path": "/x"})).unwrap();
        let request = outside.take().requests.pop().unwrap();
        let line = request.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
        line.unwrap_or_default().to_owned()
    };
    assert!(sent(&stand).ends_with("Bearer first-t0ken-of-the-file"));

    // As programs do that rotate: a new file takes the name of the old.
    let next = secrets.path().join("token.next");
    fs::write(&next, "second-t0ken-of-the-file\n").unwrap();
    fs::rename(&next, &file).unwrap();
    thread::sleep(Duration::from_millis(1100));
    assert!(sent(&stand).ends_with("Bearer second-t0ken-of-the-file"));
    stand.restart();
    assert!(sent(&stand).ends_with("Bearer second-t0ken-of-the-file"), "and after a restart");

    // Nothing of it is in the data folder.
    let mut kept = Vec::new();
    for entry in fs::read_dir(stand.data()).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        kept.extend(fs::read(entry.path()).unwrap());
    }
    let holds = |text: &str| kept.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!holds("t0ken-of-the-file") && holds("unruly"));
}

#[test]
fn what_the_file_held_before_is_redacted_too() {
    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("key");
    fs::write(&file, "0ld-key-of-the-file").unwrap();
    let stand = Stand::serving(&["--secrets-dir", secrets.path().to_str().unwrap()]);
    let outside = Echoing::start();
    stand.install("unruly");
    stand.init_vault();
    let credential = json!({"type": "bearer", "fields": {}, "sources": {"token": {"file": file}}});
    assert_eq!(stand.server().send("PUT", "/v1/credentials/c", &credential).unwrap().0, 200);
    let new = json!({
        "name": "wild", "plugin": "unruly", "config": {"url": outside.url()},
        "endpoints": {"api": {"credential": {"name": "c", "allow-plain-http": true}}},
    });
    assert_eq!(stand.server().send("POST", "/v1/integrations", &new).unwrap().0, 201);
    // What it says is given back by the outside system, in the query's place.
    let look = |path: &str| {
        let told = stand.server().ok("wild", "unruly.look", &json!({"path": path})).unwrap();
        jackfield_tests::text(&told)
    };
    assert!(!look("/plain").contains("key-of-the-file"));
    fs::write(&file, "n3w-key-of-the-file, longer").unwrap();
    thread::sleep(Duration::from_millis(1100));
    let told = look("/plain?was=0ld-key-of-the-file");
    assert!(!told.contains("key-of-the-file") && told.contains("[redacted]"), "{told}");
}

#[test]
fn a_host_that_was_not_told_to_reads_nothing() {
    let stand = Stand::start();
    let kek = stand.init_vault();
    for source in [json!({"file": kek}), json!({"file": "/etc/passwd"}), json!({"env": "HOME"})] {
        let credential = json!({"type": "bearer", "fields": {}, "sources": {"token": source}});
        let (status, problem) = stand.server().send("PUT", "/v1/credentials/c", &credential).unwrap();
        assert_eq!(status, 400, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("`--secrets-"), "{problem}");
    }
    assert_eq!(stand.server().get("/v1/credentials").unwrap()["items"], Value::Array(Vec::new()));
}
