//! `/openapi.json` is OpenAPI 3.1 by a validator's judgement, and a fuzzer that is driven by it finds no server error.

use std::{fs, path::PathBuf};

use jackfield_peers::{http, peer, python::Environment};
use jackfield_tests::Stand;
use serde_json::{Value, json};

/// How many requests the fuzzer makes of each kind for each operation.
const EXAMPLES: &str = "25";

fn stand() -> Stand {
    let stand = Stand::with("play", "playground", &json!({}));
    for plugin in ["prometheus", "alertmanager", "etcd"] {
        stand.install(plugin);
    }
    stand
}

fn document(stand: &Stand) -> (Value, PathBuf) {
    let response = http::get(stand.server().address(), "/openapi.json").unwrap();
    let file = stand.scratch().join("openapi.json");
    fs::write(&file, &response.body).unwrap();
    (response.json().unwrap(), file)
}

#[test]
fn the_document_is_valid_openapi_3_1() {
    let validator = peer!(Environment::with("openapi-spec-validator", &["openapi-spec-validator==0.9.0"]));
    let stand = stand();
    let (document, file) = document(&stand);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    assert!(document["paths"]["/v1/integrations/play/key-value/compare-and-set"]["post"].is_object());
    let output = validator.program("openapi-spec-validator").args(["--schema", "3.1"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    jackfield_peers::record::used("openapi-spec-validator", "0.9.0");
}

#[test]
fn a_fuzzer_finds_no_server_error() {
    let fuzzer = peer!(Environment::with("schemathesis", &["schemathesis==4.32.5"]));
    let stand = stand();
    let (_, file) = document(&stand);
    let mut command = fuzzer.program("schemathesis");
    command
        .current_dir(stand.scratch())
        .arg("run")
        .arg(&file)
        .args(["--url", &stand.server().url()])
        .args(["--checks", "not_a_server_error", "--mode", "all", "--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", EXAMPLES, "--seed", "1", "--request-timeout", "20"])
        // CPython 3.11 fails in `ast.parse` when two threads are in it ("recursion depth mismatch", its issue 106905), and
        // the fuzzer parses its own sources from every worker.
        .args(["--workers", "1"])
        // These answer for as long as the client stays.
        .args(["--exclude-path", "/v1/events", "--no-color"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // It is still there, and well.
    assert_eq!(http::get(stand.server().address(), "/healthz").unwrap().status, 200);
    jackfield_peers::record::used("schemathesis", "4.32.5");
}
