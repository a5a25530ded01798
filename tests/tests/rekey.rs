//! A vault that gets a new key while its host is killed: no credential is lost, and none can be read without a key source.

use std::{thread, time::Duration};

use jackfield_peers::http;
use jackfield_tests::{Stand, echoing::Echoing, text};
use serde_json::{Value, json};

const CREDENTIALS: usize = 24;
const KILLS: u64 = 20;

/// Whether the credential reaches the outside system: it gives the request back, and the secret is redacted in that.
fn works(stand: &Stand, number: usize) -> bool {
    let change =
        json!({"endpoints": {"api": {"credential": {"name": format!("c-{number}"), "allow-plain-http": true}}}});
    let (status, answer) = stand.server().send("PATCH", "/v1/integrations/wild", &change).unwrap();
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = stand.server().call("wild", "unruly.look", &json!({"path": "/plain"})).unwrap();
    status == 200 && text(&answer).contains("authorization: Bearer [redacted]")
}

fn vault(stand: &Stand) -> Value {
    stand.server().get("/v1/vault").unwrap()
}

#[test]
fn a_rekey_that_is_killed_at_any_moment_loses_no_credential_and_opens_none() {
    let outside = Echoing::start();
    let mut stand = Stand::start();
    stand.install("unruly");
    let kek = stand.init_vault();
    for number in 0..CREDENTIALS {
        let credential = json!({"type": "bearer", "fields": {"token": format!("t0ken-number-{number:04}")}});
        let path = format!("/v1/credentials/c-{number}");
        assert_eq!(stand.server().send("PUT", &path, &credential).unwrap().0, 200);
    }
    let new = json!({
        "name": "wild", "plugin": "unruly", "config": {"url": outside.url()},
        "endpoints": {"api": {"credential": {"name": "c-0", "allow-plain-http": true}}},
    });
    assert_eq!(stand.server().send("POST", "/v1/integrations", &new).unwrap().0, 201);
    assert!(works(&stand, 0));

    let mut interrupted = 0;
    for kill in 0..KILLS {
        let address = stand.server().address().to_owned();
        let rekey = thread::spawn(move || http::post_json(&address, "/v1/vault/rekey", &json!({})));
        // From before the first step to after the last.
        thread::sleep(Duration::from_millis(kill * 3));
        stand.crash();
        interrupted += u64::from(!rekey.join().unwrap().is_ok_and(|response| response.status == 200));
        stand.restart();
        assert_eq!(vault(&stand)["state"], "open", "after kill {kill}");
        assert!(works(&stand, kill as usize % CREDENTIALS), "credential {kill}");
    }
    assert!(interrupted > 0, "none of {KILLS} was interrupted");
    let settled = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(20));
        vault(&stand)["resealing"] == json!(false)
    });
    assert!(settled, "{}", vault(&stand));
    for number in 0..CREDENTIALS {
        assert!(works(&stand, number), "credential {number}");
    }

    // Without its key source the vault stays as it is, and nothing is sent.
    std::fs::rename(&kek, kek.with_extension("away")).unwrap();
    stand.restart();
    assert_eq!(vault(&stand)["state"], "sealed");
    let (status, problem) = stand.server().call("wild", "unruly.look", &json!({"path": "/plain"})).unwrap();
    assert_eq!((status, &problem["kind"]), (502, &json!("unauthenticated")), "{problem}");
    let (status, problem) = stand.server().send("POST", "/v1/vault/unlock", &json!({})).unwrap();
    assert_ne!(status, 200, "{problem}");
}
