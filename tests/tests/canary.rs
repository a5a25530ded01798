//! A canary: a secret that a plugin's requests carry a thousand times to an outside system which gives everything back. Then
//! it is looked for wherever it must not be.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jackfield_tests::{
    Stand,
    certificates::Issuer,
    echoing::{Echoing, WAYS},
};
use serde_json::{Value, json};

const CANARY: &str = "cAn4ry-7f3e/91\"b\\2+q";
const CALLS: usize = 1000;

/// How often a text is in some bytes, in any of the forms that it can be told in.
fn told(bytes: &[u8], secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![secret.to_owned(), hex.clone(), hex.to_uppercase()];
    for offset in 0..3 {
        // What is the same whatever stands before and behind it.
        let encoded = STANDARD.encode(format!("{}{secret}", "x".repeat(offset)));
        let (first, end) = ((8 * offset).div_ceil(6), 8 * (offset + secret.len()) / 6);
        forms.push(encoded[first..end].to_owned());
        forms.push(encoded[first..end].replace('+', "-").replace('/', "_"));
    }
    forms.push(secret.replace('\\', "\\\\").replace('"', "\\\""));
    forms.push(secret.bytes().map(|byte| format!("%{byte:02X}")).collect());
    forms.retain(|form| bytes.windows(form.len()).any(|window| window.eq_ignore_ascii_case(form.as_bytes())));
    forms
}

/// Every file below a folder.
fn files(folder: &Path, all: &mut Vec<u8>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, all),
            path => all.extend(std::fs::read(path).unwrap_or_default()),
        }
    }
}

/// A server with a vault, the canary in it, and one integration that uses it in this way.
fn stand(outside: &Echoing, credential: &Value, binding: &Value, arguments: &[&str]) -> Stand {
    let stand = Stand::serving(arguments);
    stand.install("unruly");
    stand.init_vault();
    let (status, answer) = stand.server().send("PUT", "/v1/credentials/canary", credential).unwrap();
    assert_eq!(status, 200, "{answer}");
    let new = json!({
        "name": "wild", "plugin": "unruly", "config": {"url": outside.url()},
        "endpoints": {"api": {"credential": binding}},
        "limits": {"requests-per-second": 100_000},
    });
    let (status, answer) = stand.server().send("POST", "/v1/integrations", &new).unwrap();
    assert_eq!(status, 201, "{answer}");
    stand
}

#[test]
fn a_secret_that_is_given_back_a_thousand_times_is_nowhere_to_be_found() {
    let issuer = Issuer::new("a canary's own CA");
    let certified = Echoing::with_tls(issuer.demanding());
    // Its server demands a certificate, and is given the canary as well.
    let kubeconfig = issuer.kubeconfig(certified.url(), &issuer.client("ada"), &format!("token: '{CANARY}'"));
    let bindings = [
        (json!({"type": "kubeconfig", "fields": {"config": kubeconfig}}), json!({"name": "canary"})),
        (json!({"type": "bearer", "fields": {"token": CANARY}}), json!({"name": "canary", "allow-plain-http": true})),
        (
            json!({"type": "basic", "fields": {"username": "ada", "password": CANARY}}),
            json!({"name": "canary", "allow-plain-http": true}),
        ),
        (
            json!({"type": "api-key", "fields": {"key": CANARY}}),
            json!({"name": "canary", "header": "X-Api-Key", "allow-plain-http": true}),
        ),
        (
            json!({"type": "api-key", "fields": {"key": CANARY}}),
            json!({"name": "canary", "query": "key", "allow-plain-http": true}),
        ),
        // Signed (SigV4): the key itself stays here, the token of temporary ones travels.
        (
            json!({"type": "aws-access-key", "fields": {
                "access-key-id": "AKIDEXAMPLE", "secret-access-key": "never-sent-anywhere", "session-token": CANARY,
            }}),
            json!({"name": "canary", "region": "us-east-1", "service": "s3", "allow-plain-http": true}),
        ),
    ];
    for (credential, binding) in &bindings {
        let outside = if credential["type"] == "kubeconfig" { certified.clone() } else { Echoing::start() };
        let shelf = tempfile::tempdir().unwrap();
        let cassette = shelf.path().join("canary.cassette");
        let record = format!("wild={}", cassette.display());
        let mut stand = stand(&outside, credential, binding, &["--record", &record]);
        let server = stand.server();
        let mut seen = Vec::new();
        for call in 0..CALLS / bindings.len() {
            let way = WAYS[call % WAYS.len()];
            let answer = server.call_raw("wild", "unruly.look", &json!({"path": way})).unwrap();
            assert_eq!(answer.status, 200, "{way}: {}", answer.text());
            let text: String = answer.json().unwrap().as_str().unwrap().to_owned();
            let text = STANDARD.decode(text).unwrap();
            let found = told(&text, CANARY);
            assert!(found.is_empty(), "{way} tells {found:?}: {}", String::from_utf8_lossy(&text));
            if call < WAYS.len() && way != "/gzip" {
                let redacted = text.windows(10).any(|window| window == b"[redacted]");
                // What a way does not repeat needs no redaction: a key in the query is not in the header that two of them show.
                assert!(
                    redacted || matches!(way, "/redirect" | "/header"),
                    "{way}: {}",
                    String::from_utf8_lossy(&text)
                );
            }
            seen.extend(answer.body);
        }
        assert_eq!(outside.answered(), (CALLS / bindings.len()) as u64, "every call reached the outside system");
        let uses = server.get("/v1/credentials/canary").unwrap()["versions"][0]["uses"].as_u64().unwrap();
        assert_eq!(uses, outside.answered(), "and each is counted as a use");

        // The plugin's own memory, all of it.
        let backwards: Vec<u8> = CANARY.bytes().rev().collect();
        let hunted = server.ok("wild", "unruly.hunt", &json!({"backwards": STANDARD.encode(backwards)})).unwrap();
        assert_eq!(hunted, 0, "it is in the guest's memory");
        let known: Vec<u8> = b"[redacted]".iter().rev().copied().collect();
        let hunted = server.ok("wild", "unruly.hunt", &json!({"backwards": STANDARD.encode(known)})).unwrap();
        assert!(hunted.as_u64().unwrap() > 0, "the hunt finds what is there");

        // A plugin that learnt it elsewhere cannot log it either.
        let told_itself = server.call_raw("wild", "unruly.say", &json!({"text": format!("it is {CANARY}!")})).unwrap();
        assert_eq!(told_itself.status, 200);
        let metrics = jackfield_peers::http::get(server.address(), "/metrics").unwrap().text();
        assert!(metrics.contains("jackfield_secrets_redacted_total{integration=\"wild\"}"), "{metrics}");
        seen.extend(metrics.into_bytes());

        stand.stop();
        let mut kept = seen;
        files(&stand.data(), &mut kept);
        for entry in std::fs::read_dir(stand.scratch()).unwrap().flatten() {
            kept.extend(std::fs::read(entry.path()).unwrap_or_default());
        }
        // And the cassette of all of it.
        let recorded = std::fs::read(&cassette).unwrap();
        assert!(String::from_utf8_lossy(&recorded).lines().count() > CALLS / bindings.len(), "each call is recorded");
        kept.extend(recorded);
        let found = told(&kept, CANARY);
        assert!(found.is_empty(), "in logs, database, answers or the cassette: {found:?}");
    }
}

#[test]
fn a_guest_cannot_choose_who_it_is() {
    let outside = Echoing::start();
    let credential = json!({"type": "api-key", "fields": {"key": CANARY}});
    let binding = json!({"name": "canary", "header": "X-Api-Key", "allow-plain-http": true});
    let stand = stand(&outside, &credential, &binding, &[]);
    for name in ["X-Api-Key", "x-api-key", "Authorization", "Host", "Cookie", "Proxy-Authorization", "X-Forwarded-For"]
    {
        let params = json!({"name": name, "value": "mine"});
        let (_, problem) = stand.server().call("wild", "unruly.set-header", &params).unwrap();
        assert_eq!(problem["kind"], "permission-denied", "{name}: {problem}");
    }
    assert_eq!(outside.answered(), 0, "nothing was sent");
}

#[test]
fn a_credential_is_not_sent_in_clear_unless_that_is_allowed_and_one_in_use_is_not_deleted() {
    let outside = Echoing::start();
    let credential = json!({"type": "bearer", "fields": {"token": CANARY}});
    let stand = stand(&outside, &credential, &json!({"name": "canary", "allow-plain-http": true}), &[]);
    let new = |binding: Value| json!({"name": "other", "plugin": "unruly", "config": {"url": outside.url()}, "endpoints": {"api": {"credential": binding}}});
    for (binding, field) in [
        (json!({"name": "canary"}), "/endpoints/api/credential"),
        (json!({"name": "nobody", "allow-plain-http": true}), "/endpoints/api/credential/name"),
        (json!({"name": "canary", "header": "X-Key", "allow-plain-http": true}), "/endpoints/api/credential"),
    ] {
        let (status, problem) = stand.server().send("POST", "/v1/integrations", &new(binding)).unwrap();
        assert_eq!((status, problem["field"].as_str()), (400, Some(field)), "{problem}");
    }
    let (status, problem) = stand.server().send("DELETE", "/v1/credentials/canary", &Value::Null).unwrap();
    assert_eq!(status, 409, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("wild/api"), "{problem}");
}
