//! Tokens of a real OpenBao that its plugin makes: rotated under load, refused where they are not allowed enough, and none left behind
//! by a host that ends in the middle of it.

#![allow(clippy::print_stdout, reason = "tells the figures, which are shown with --nocapture")]

use std::{collections::BTreeSet, thread, time::Duration};

use jackfield_peers::{OpenBao, http, peer};
use jackfield_tests::{
    Stand,
    load::{self, until},
};
use serde_json::{Value, json};

const ROTATIONS: usize = 20;

/// What who reads and writes keys needs.
const APP: &str = r#"
    path "secret/data/app/*" { capabilities = ["create", "read", "update"] }
    path "secret/delete/app/*" { capabilities = ["update"] }
    path "secret/metadata/app/*" { capabilities = ["list"] }
"#;
/// What who makes tokens needs: those of one role, its own successor, and whatever is done by accessors.
const MAKER: &str = r#"
    path "auth/token/create/jackfield" { capabilities = ["update"] }
    path "auth/token/create/jackfield-maker" { capabilities = ["update"] }
    path "auth/token/lookup-accessor" { capabilities = ["update"] }
    path "auth/token/renew-accessor" { capabilities = ["update"] }
    path "auth/token/revoke-accessor" { capabilities = ["update"] }
"#;
/// Allows something, but nothing where the keys are.
const ELSEWHERE: &str = r#"path "elsewhere/*" { capabilities = ["read"] }"#;

fn send(stand: &Stand, method: &str, path: &str, body: &Value) -> (u16, Value) {
    stand.server().send(method, path, body).unwrap()
}

/// An OpenBao with the policies, a role, and a periodic token that makes tokens of it.
struct Guarded {
    bao: OpenBao,
    maker: String,
    /// The accessors of the tokens that nobody made by the plugin.
    before: BTreeSet<String>,
}

impl Guarded {
    fn start() -> jackfield_peers::Result<Guarded> {
        let bao = OpenBao::start()?;
        for (name, policy) in [("app", APP), ("maker", MAKER), ("elsewhere", ELSEWHERE)] {
            bao.ask("PUT", &format!("/v1/sys/policies/acl/{name}"), &json!({"policy": policy}));
        }
        let role = json!({"allowed_policies": "app,elsewhere,no-such-policy", "orphan": true});
        bao.ask("POST", "/v1/auth/token/roles/jackfield", &role);
        let role = json!({"allowed_policies": "maker", "orphan": true, "token_period": "24h"});
        bao.ask("POST", "/v1/auth/token/roles/jackfield-maker", &role);
        let made = bao.ask("POST", "/v1/auth/token/create", &json!({"policies": ["maker"], "period": "24h"}));
        let maker = made["auth"]["client_token"].as_str().unwrap().to_owned();
        let mut guarded = Guarded { bao, maker, before: BTreeSet::new() };
        guarded.before = guarded.accessors();
        Ok(guarded)
    }

    fn accessors(&self) -> BTreeSet<String> {
        let listed = self.bao.ask("GET", "/v1/auth/token/accessors?list=true", &Value::Null);
        listed["data"]["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
    }

    /// The accessors of the tokens that the plugin made and that are there.
    fn tokens(&self) -> BTreeSet<String> {
        self.accessors().difference(&self.before).cloned().collect()
    }

    /// A server with an integration that makes tokens as the maker, and reads and writes with one of them.
    fn stand(&self) -> Stand {
        let stand = Stand::start();
        stand.init_vault();
        stand.install("openbao");
        let maker = json!({"type": "bearer", "fields": {"token": self.maker}});
        assert_eq!(send(&stand, "PUT", "/v1/credentials/maker", &maker).0, 200);
        let bound = |name: &str| json!({"credential": {"name": name, "allow-plain-http": true}});
        let new = json!({
            "name": "bao", "plugin": "openbao", "config": {"url": self.bao.url(), "check-tokens": true},
            "endpoints": {"tokens": bound("maker")},
        });
        let (status, answer) = send(&stand, "POST", "/v1/integrations", &new);
        assert_eq!(status, 201, "{answer}");
        let (status, answer) = issue(&stand, &["app"]);
        assert_eq!(status, 200, "{answer}");
        let (status, answer) =
            send(&stand, "PATCH", "/v1/integrations/bao", &json!({"endpoints": {"api": bound("app")}}));
        assert_eq!(status, 200, "{answer}");
        stand
    }
}

/// Has the credential `app` made with these policies from now on.
fn issue(stand: &Stand, policies: &[&str]) -> (u16, Value) {
    let parameters = json!({"role": "jackfield", "policies": policies, "ttl": "1h"});
    let settings = json!({"integration": "bao", "type": "bearer", "parameters": parameters});
    send(stand, "PUT", "/v1/credentials/app/issuer", &settings)
}

/// Unbinds the credential and deletes it.
fn delete(stand: &Stand) {
    let (status, answer) = send(stand, "PATCH", "/v1/integrations/bao", &json!({"endpoints": {"api": null}}));
    assert_eq!(status, 200, "{answer}");
    stand.server().cli(&["credential", "delete", "app"]).unwrap();
}

#[test]
fn the_tokens_of_an_openbao_are_rotated_by_its_plugin_and_no_call_fails() {
    let guarded = peer!(Guarded::start());
    let stand = guarded.stand();
    let calls = load::no_call_fails_while(&stand, "bao", "app/load/", || {
        for number in 0..ROTATIONS {
            let (status, rotation) = send(&stand, "POST", "/v1/credentials/app/issuer/rotate", &Value::Null);
            assert_eq!(status, 200, "{rotation}");
            assert_eq!(rotation["verified"], json!(["bao"]), "{rotation}");
            assert_eq!((&rotation["drained"], &rotation["revoked"]), (&json!(true), &json!(true)), "{rotation}");
            // The one before is gone from OpenBao, too.
            assert_eq!(guarded.tokens().len(), 1, "{:?}", guarded.tokens());
            if number % 5 == 4 {
                bad_ones(&stand, &guarded);
            }
        }
    });
    assert!(calls > 10 * ROTATIONS, "{calls}");
    println!("{ROTATIONS} rotations by the plugin, {calls} calls, none failed");
    delete(&stand);
    assert_eq!(guarded.tokens(), BTreeSet::new(), "what was made for a deleted credential is taken back");
}

/// Tokens without the rights that are needed are not used, and do not stay in OpenBao.
fn bad_ones(stand: &Stand, guarded: &Guarded) {
    let (tokens, version) = (guarded.tokens(), stand.current_version("app"));
    // The plugin refuses a policy that does not exist; one that allows nothing here is found out when the token is tried out.
    for (policy, word) in
        [("no-such-policy", "no-such-policy"), ("elsewhere", "preflight capability check"), ("root", "root")]
    {
        let (status, problem) = issue(stand, &[policy]);
        assert!(status >= 400, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
        // One that was tried out is taken back in its turn.
        until(Duration::from_secs(30), || guarded.tokens() == tokens);
        assert_eq!(stand.current_version("app"), version, "{policy}");
    }
    assert_eq!(issue(stand, &["app"]).0, 200);
}

#[test]
fn a_host_that_ends_in_the_middle_of_a_rotation_leaves_no_token_behind() {
    let guarded = peer!(Guarded::start());
    let mut stand = guarded.stand();
    for round in 0..6_u64 {
        let address = stand.server().address().to_owned();
        let waiting = thread::spawn(move || {
            // The host ends while this waits, or before, or after.
            let _ = http::request(&address, "POST", "/v1/credentials/app/issuer/rotate", &[], b"");
        });
        thread::sleep(Duration::from_millis(5 + 12 * round));
        stand.crash();
        waiting.join().unwrap();
        stand.restart();
        until(Duration::from_secs(30), || {
            stand.server().call("bao", "key-value.get", &json!({"key": "app/x"})).unwrap().0 == 200
        });
    }
    // Whatever was half done is finished, taken back, or over after the minute that a token lives of which nobody has heard.
    until(Duration::from_secs(100), || guarded.tokens().len() == 1);
    assert_eq!(stand.server().call("bao", "key-value.get", &json!({"key": "app/x"})).unwrap().0, 200);
    delete(&stand);
    until(Duration::from_secs(30), || guarded.tokens().is_empty());
}

#[test]
fn a_token_that_somebody_else_has_revoked_does_not_hold_up_the_next() {
    let guarded = peer!(Guarded::start());
    let stand = guarded.stand();
    let first = guarded.tokens();
    for accessor in &first {
        guarded.bao.ask("POST", "/v1/auth/token/revoke-accessor", &json!({"accessor": accessor}));
    }
    let get = || stand.server().call("bao", "key-value.get", &json!({"key": "app/x"})).unwrap();
    let (status, problem) = get();
    assert_eq!((status, &problem["kind"]), (502, &json!("unauthenticated")), "{problem}");
    let (status, rotation) = send(&stand, "POST", "/v1/credentials/app/issuer/rotate", &Value::Null);
    assert_eq!(status, 200, "{rotation}");
    assert_eq!((get().0, guarded.tokens().len()), (200, 1));
}

#[test]
fn who_makes_tokens_makes_its_own_successor_and_what_it_made_outlives_it() {
    let guarded = peer!(Guarded::start());
    let stand = guarded.stand();
    let settings = json!({"integration": "bao", "type": "bearer", "parameters": {"role": "jackfield-maker"}});
    let (status, rotation) = send(&stand, "PUT", "/v1/credentials/maker/issuer", &settings);
    assert_eq!((status, &rotation["verified"]), (200, &json!(["bao"])), "{rotation}");
    // The one that the operator made is not the host's to take back: here the operator does.
    let made_by_hand = json!({"token": guarded.maker});
    guarded.bao.ask("POST", "/v1/auth/token/revoke", &made_by_hand);
    for credential in ["app", "maker", "app", "maker"] {
        let path = format!("/v1/credentials/{credential}/issuer/rotate");
        let (status, rotation) = send(&stand, "POST", &path, &Value::Null);
        assert_eq!((status, &rotation["revoked"]), (200, &json!(true)), "{credential}: {rotation}");
        assert_eq!(stand.server().call("bao", "key-value.get", &json!({"key": "app/x"})).unwrap().0, 200);
    }
    until(Duration::from_secs(30), || guarded.tokens().len() == 2);
}
