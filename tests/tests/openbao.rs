//! A vault whose key is wrapped by the transit engine of a real OpenBao.

use jackfield_peers::{OpenBao, peer};
use jackfield_tests::Stand;
use serde_json::{Value, json};

/// A server whose vault is sealed with the key `jackfield` of this OpenBao.
fn stand(bao: &OpenBao) -> Stand {
    bao.ask("POST", "/v1/sys/mounts/transit", &json!({"type": "transit"}));
    bao.ask("POST", "/v1/transit/keys/jackfield", &json!({"type": "aes256-gcm96"}));
    let stand = Stand::start();
    let token = stand.scratch().join("token");
    std::fs::write(&token, OpenBao::ROOT).unwrap();
    let transit =
        ["--transit", &bao.url(), "--transit-key", "jackfield", "--transit-token-file", token.to_str().unwrap()];
    let made = stand.server().cli(&[&["vault", "init"][..], &transit].concat()).unwrap();
    assert_eq!(made["state"], "open", "{made}");
    let credential = json!({"type": "bearer", "fields": {"token": "t0ken-in-the-vault"}});
    assert_eq!(stand.server().send("PUT", "/v1/credentials/c", &credential).unwrap().0, 200);
    stand
}

fn state(stand: &Stand) -> Value {
    stand.server().get("/v1/vault").unwrap()["state"].clone()
}

#[test]
fn a_vault_that_transit_has_sealed_opens_by_itself_and_stays_sealed_while_that_is_away() {
    let mut bao = peer!(OpenBao::start());
    let mut stand = stand(&bao);
    stand.restart();
    assert_eq!(state(&stand), "open");
    // A new version of the key in OpenBao opens what the old one has sealed.
    bao.ask("POST", "/v1/transit/keys/jackfield/rotate", &Value::Null);
    stand.restart();
    assert_eq!(state(&stand), "open");
    stand.server().cli(&["vault", "rekey"]).unwrap();
    stand.restart();
    assert_eq!(state(&stand), "open");

    // A second source opens it when the first is away.
    let kek = stand.scratch().join("kek");
    stand.server().cli(&["vault", "key", "add", "--key-file", kek.to_str().unwrap()]).unwrap();
    bao.process().freeze();
    stand.restart();
    assert_eq!(state(&stand), "open", "the key file opens it");
    std::fs::rename(&kek, kek.with_extension("away")).unwrap();
    bao.process().kill();
    stand.restart();
    assert_eq!(state(&stand), "sealed");
    let (status, problem) = stand.server().send("POST", "/v1/vault/unlock", &json!({})).unwrap();
    assert_eq!(status, 403, "{problem}");
    std::fs::rename(kek.with_extension("away"), &kek).unwrap();
    stand.server().cli(&["vault", "unlock"]).unwrap();
    assert_eq!(state(&stand), "open");
}

#[test]
fn a_token_that_openbao_refuses_is_told_and_not_shown() {
    let bao = peer!(OpenBao::start());
    let mut stand = stand(&bao);
    std::fs::write(stand.scratch().join("token"), "n0t-a-token").unwrap();
    stand.restart();
    assert_eq!(state(&stand), "sealed");
    let (_, problem) = stand.server().send("POST", "/v1/vault/unlock", &json!({})).unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("403") && !detail.contains("n0t-a-token"), "{detail}");
    let log = stand.server_mut().process().output();
    assert!(log.contains("the vault is sealed with the key `jackfield` of"), "{log}");
    assert!(!log.contains("n0t-a-token"), "{log}");
}
