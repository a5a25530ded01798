//! What an operator allows of what a plugin asks for, with a real etcd: reads only, less than the manifest, only counted;
//! and that what a refusal says can be typed as it is.

use jackfield_peers::{Etcd, peer};
use jackfield_tests::{Stand, base64};
use serde_json::{Value, json};

fn put(stand: &Stand, key: &str) -> (u16, Value) {
    stand.server().call("etcd", "key-value.put", &json!({"key": key, "value": base64("v")})).unwrap()
}

fn get(stand: &Stand, key: &str) -> (u16, Value) {
    stand.server().call("etcd", "key-value.get", &json!({"key": key})).unwrap()
}

/// The command that a text tells to type, without its first word.
fn told(text: &str) -> Vec<String> {
    let line = text.split("`jackfield ").nth(1).unwrap_or_else(|| panic!("no command in {text}"));
    let line = line.split('`').next().unwrap();
    line.split(' ').map(|word| word.trim_matches('\'').to_owned()).collect()
}

fn type_in(stand: &Stand, words: &[String]) -> Value {
    stand.server().cli(&words.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
}

#[test]
fn an_integration_that_may_only_read_reads_and_a_refusal_says_what_to_type() {
    let etcd = peer!(Etcd::start("3.5"));
    let stand = Stand::with("etcd", "etcd", &json!({"url": etcd.url()}));
    assert_eq!(put(&stand, "a").0, 200);
    stand.server().cli(&["grant", "set", "etcd", "--endpoint", "api", "--read-only"]).unwrap();

    assert_eq!(get(&stand, "a").0, 200, "etcd is asked by POST, and the manifest says which of those only read");
    let batch = stand.server().ok("etcd", "key-value.poll-changes", &json!({"prefix": "", "wait-ms": 0}));
    batch.expect("changes are read");
    assert_eq!(stand.server().cli(&["integration", "check", "etcd"]).unwrap()["state"], "healthy");
    let (status, problem) = put(&stand, "b");
    assert_eq!((status, &problem["kind"]), (403, &json!("permission-denied")), "{problem}");
    assert_eq!(get(&stand, "b"), (200, Value::Null), "nothing was written");

    type_in(&stand, &told(problem["detail"].as_str().unwrap()));
    assert_eq!(put(&stand, "b").0, 200);
}

#[test]
fn less_than_the_manifest_asks_for_can_be_allowed_path_by_path() {
    let etcd = peer!(Etcd::start("3.5"));
    let stand = Stand::with("etcd", "etcd", &json!({"url": etcd.url()}));
    let server = stand.server();
    server.cli(&["grant", "set", "etcd", "--endpoint", "api", "--method", "POST", "--path", "/v3/kv/range"]).unwrap();
    assert_eq!(get(&stand, "a").0, 200);
    // Each refusal says what would allow it, until there is none.
    let mut typed = 0;
    while let (403, problem) = put(&stand, "a") {
        type_in(&stand, &told(problem["detail"].as_str().unwrap()));
        typed += 1;
        assert!(typed < 5, "{problem}");
    }
    assert_eq!(get(&stand, "a").0, 200);
    let allowed = server.get("/v1/integrations/etcd/grant").unwrap()["endpoints"][0]["allowed"].clone();
    assert!(allowed["paths"].as_array().unwrap().contains(&json!("/v3/kv/range")), "what was allowed stays: {allowed}");
    assert!(typed > 0);

    // What the manifest does not ask for is nobody's to allow.
    server.cli(&["grant", "set", "etcd", "--endpoint", "api", "--method", "DELETE", "--path", "/admin"]).unwrap();
    let explain = |method: &str, path: &str| {
        let question = json!({"endpoint": "api", "method": method, "path": path});
        server.send("POST", "/v1/integrations/etcd/grant/explain", &question).unwrap().1
    };
    let answer = explain("DELETE", "/admin");
    assert!(answer["granted"] == false && answer["reason"].as_str().unwrap().contains("manifest"), "{answer}");
    server.cli(&["grant", "set", "etcd", "--endpoint", "api", "--all"]).unwrap();
    assert_eq!(explain("POST", "/v3/kv/put")["pattern"], "/v3/kv/put");
    assert_eq!(explain("POST", "/v3/%zz").get("granted"), None, "what is no path has no answer");
    assert_eq!(put(&stand, "a").0, 200);
}

#[test]
fn what_is_only_counted_is_not_refused_and_the_least_grant_is_what_was_used() {
    let etcd = peer!(Etcd::start("3.5"));
    let stand = Stand::with("etcd", "etcd", &json!({"url": etcd.url()}));
    let server = stand.server();
    server.cli(&["grant", "set", "etcd", "--endpoint", "api", "--read-only", "--count-only"]).unwrap();
    for key in ["a", "b"] {
        assert_eq!(put(&stand, key).0, 200);
        assert_eq!(get(&stand, key).0, 200);
    }
    let grant = server.get("/v1/integrations/etcd/grant").unwrap();
    let endpoint = &grant["endpoints"][0];
    let refused = endpoint["refused"].as_array().unwrap();
    assert!(!refused.is_empty() && refused.iter().all(|refused| refused["method"] == "POST"), "{grant}");
    let least = &endpoint["least"];
    assert!(least["paths"].as_array().unwrap().contains(&json!("/v3/kv/range")), "{grant}");
    assert!(!least["paths"].as_array().unwrap().contains(&json!("/v3/kv/deleterange")), "never used: {grant}");

    // The least grant is enough for what was done.
    let mut words = vec!["grant", "set", "etcd", "--endpoint", "api", "--read-write", "--enforce"];
    for (flag, kind) in [("--method", "methods"), ("--path", "paths")] {
        words.extend(least[kind].as_array().unwrap().iter().flat_map(|text| [flag, text.as_str().unwrap()]));
    }
    server.cli(&words).unwrap();
    assert_eq!((put(&stand, "c").0, get(&stand, "c").0), (200, 200));
    let problem =
        server.send("PATCH", "/v1/integrations/etcd", &json!({"endpoints": {"api": {"grant": {"methods": ["get"]}}}}));
    let (status, problem) = problem.unwrap();
    assert_eq!((status, &problem["field"]), (400, &json!("/endpoints/api/grant/methods/0")), "{problem}");
}
