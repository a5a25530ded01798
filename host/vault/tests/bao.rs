//! The same against a real OpenBao: what it answers, not what we believe that it answers.

mod outside;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use jackfield_peers::{OpenBao, peer};
use jackfield_store::MemoryStore;
use jackfield_vault::{
    AllowedSources, CredentialKind, LeaseState, Material, NewSource, Tender, Vault, VersionState, net::Dialer,
};
use outside::{Answer, Server};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A real server, asked as its root.
struct Bao {
    address: String,
    token: &'static str,
    _server: OpenBao,
}

impl Bao {
    fn start() -> jackfield_peers::Result<Bao> {
        let server = OpenBao::start()?;
        let address = server.url().trim_start_matches("http://").to_owned();
        Ok(Bao { address, token: OpenBao::ROOT, _server: server })
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let head = format!(
            "{method} /v1/{path} HTTP/1.1\r\nhost: bao\r\nx-vault-token: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            self.token,
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (
            status,
            body.find('{')
                .map_or(Value::Null, |at| serde_json::from_str(body[at..].trim_end_matches(|c| c != '}')).unwrap()),
        )
    }

    /// A mount of a test's own.
    async fn mount(&self, kind: &str, options: Value) -> String {
        let name = format!("{kind}-{}", std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos());
        let (status, told) =
            self.ask("POST", &format!("sys/mounts/{name}"), json!({"type": kind, "options": options})).await;
        assert!(status < 300, "{told}");
        name
    }

    async fn is_leased(&self, lease: &str) -> bool {
        self.ask("POST", "sys/leases/lookup", json!({"lease_id": lease})).await.0 == 200
    }

    async fn vault(&self, options: &str) -> (Arc<Vault>, Tender, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let (token, kek) = (folder.path().join("token"), folder.path().join("kek"));
        std::fs::write(&token, self.token).unwrap();
        jackfield_vault::make_key_file(&kek).unwrap();
        let login =
            if options.contains("role-id") { String::new() } else { format!(",token-file={}", token.display()) };
        let spec = format!("main=http://{}{login},every=1,{options}", self.address);
        let allowed = AllowedSources { servers: vec![spec.parse().unwrap()], ..AllowedSources::default() };
        let vault = Vault::load(Arc::new(MemoryStore::new()), Arc::new(Dialer::new())).await.unwrap();
        let vault = Arc::new(vault.allowing(allowed).unwrap());
        vault.init(NewSource::File(kek)).await.unwrap();
        let tender = Tender::of(&vault).unwrap();
        (vault, tender, folder)
    }
}

async fn set(vault: &Vault, kind: CredentialKind, from: &[(&str, String)]) {
    let sources = from.iter().map(|(field, source)| ((*field).to_owned(), source.parse().unwrap())).collect();
    let nothing = Material::new([] as [(&str, &[u8]); 0]);
    vault.set_from("c", kind, &nothing, sources, VersionState::Current).await.unwrap();
}

/// Tends until something is so.
async fn until(tender: &mut Tender, bound: &[&str], what: impl AsyncFn() -> bool) {
    let (began, bound) = (Instant::now(), BTreeSet::from_iter(bound.iter().map(|name| (*name).to_owned())));
    while !what().await {
        assert!(began.elapsed() < Duration::from_secs(30), "it never came about");
        tender.tend(&bound);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn both_versions_of_kv_are_read_and_read_again() {
    let bao = peer!(Bao::start());
    for version in ["1", "2"] {
        let mount = bao.mount("kv", json!({"version": version})).await;
        let path = if version == "1" { format!("{mount}/app") } else { format!("{mount}/data/app") };
        let body = |value: &str| {
            let fields = json!({"token": value, "other": "x"});
            if version == "1" { fields } else { json!({"data": fields}) }
        };
        // A mount is made ready in the background.
        while bao.ask("POST", &path, body("one")).await.0 >= 300 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let (vault, mut tender, _folder) = bao.vault(&format!("read={mount}")).await;
        set(&vault, CredentialKind::Bearer, &[("token", format!("bao:main/{path}#token"))]).await;
        assert_eq!(vault.lease("c").unwrap().material.text("token"), Some("one"));
        bao.ask("POST", &path, body("two")).await;
        let is = |value: &'static str| vault.lease("c").is_ok_and(|lease| lease.material.text("token") == Some(value));
        until(&mut tender, &["c"], async || is("two")).await;
        bao.ask("DELETE", &path, Value::Null).await;
        until(&mut tender, &["c"], async || vault.lease("c").is_err()).await;
    }
}

#[tokio::test]
async fn a_lease_is_renewed_to_its_longest_life_then_replaced_and_given_back() {
    let bao = peer!(Bao::start());
    // What OpenBao makes users in; it says yes to everything.
    let rabbit = Server::start(|_| Answer::Say(204, String::new())).await;
    let mount = bao.mount("rabbitmq", Value::Null).await;
    let connection =
        json!({"connection_uri": rabbit.url, "username": "a", "password": "b", "verify_connection": false});
    bao.ask("POST", &format!("{mount}/config/connection"), connection).await;
    bao.ask("POST", &format!("{mount}/config/lease"), json!({"ttl": 4, "max_ttl": 9})).await;
    bao.ask("POST", &format!("{mount}/roles/app"), json!({"tags": "monitoring"})).await;
    let (vault, mut tender, _folder) = bao.vault(&format!("read={mount}/creds/app")).await;
    let from = |field: &str| format!("bao:main/{mount}/creds/app#{field}");
    set(&vault, CredentialKind::Basic, &[("username", from("username")), ("password", from("password"))]).await;
    assert_eq!(rabbit.asked("PUT /api/users").len(), 1, "one user, with his password");
    let (first, began) = (vault.leases().remove(0), Instant::now());
    let calling = vault.lease("c").unwrap();
    until(&mut tender, &["c"], async || vault.leases().len() > 1).await;
    assert!(began.elapsed() > Duration::from_secs(5), "it was renewed before: it was granted for 4 s");
    assert_ne!(vault.lease("c").unwrap().stamp(), calling.stamp());
    assert!(bao.is_leased(&first.lease_id).await, "the call that began with it goes on with it");
    drop(calling);
    until(&mut tender, &["c"], async || !bao.is_leased(&first.lease_id).await).await;
    let second = vault.leases().into_iter().find(|lease| lease.state == LeaseState::Held).unwrap();
    assert!(bao.is_leased(&second.lease_id).await);
    tender.end().await;
    assert!(vault.leases().is_empty());
    for lease in [first, second] {
        assert!(!bao.is_leased(&lease.lease_id).await, "nothing is left");
    }
    assert_eq!(rabbit.asked("DELETE /api/users").len(), 2);
}

#[tokio::test]
async fn a_certificate_is_made_by_a_write_that_the_operator_allowed() {
    let bao = peer!(Bao::start());
    let mount = bao.mount("pki", Value::Null).await;
    bao.ask("POST", &format!("{mount}/root/generate/internal"), json!({"common_name": "root", "ttl": "1h"})).await;
    let role = json!({"allow_any_name": true, "generate_lease": true, "ttl": "60s"});
    bao.ask("POST", &format!("{mount}/roles/app"), role).await;
    let (vault, mut tender, _folder) = bao.vault(&format!("write={mount}/issue/app")).await;
    let from = |field: &str| format!("bao:main/{mount}/issue/app?common_name=a.b#{field}");
    let fields = [("certificate", from("certificate")), ("private-key", from("private_key"))];
    set(&vault, CredentialKind::ClientCertificate, &fields).await;
    assert!(vault.lease("c").unwrap().material.text("private-key").unwrap().contains("PRIVATE KEY"));
    let lease = vault.leases().remove(0).lease_id;
    vault.delete("c").await.unwrap();
    until(&mut tender, &[], async || vault.leases().is_empty()).await;
    assert!(!bao.is_leased(&lease).await);
}

#[tokio::test]
async fn a_lease_that_its_token_may_not_revoke_stays_until_it_is_forced() {
    let bao = peer!(Bao::start());
    let rabbit = Server::start(|_| Answer::Say(204, String::new())).await;
    let mount = bao.mount("rabbitmq", Value::Null).await;
    let connection =
        json!({"connection_uri": rabbit.url, "username": "a", "password": "b", "verify_connection": false});
    bao.ask("POST", &format!("{mount}/config/connection"), connection).await;
    bao.ask("POST", &format!("{mount}/roles/app"), json!({"tags": "monitoring"})).await;
    let policy = format!("path \"{mount}/*\" {{ capabilities = [\"read\"] }}");
    bao.ask("PUT", &format!("sys/policies/acl/{mount}"), json!({"policy": policy})).await;
    let auth = format!("approle-{mount}");
    bao.ask("POST", &format!("sys/auth/{auth}"), json!({"type": "approle"})).await;
    let role = json!({"token_policies": mount, "token_no_default_policy": true, "token_ttl": "60s"});
    bao.ask("POST", &format!("auth/{auth}/role/app"), role).await;
    let role_id = bao.ask("GET", &format!("auth/{auth}/role/app/role-id"), Value::Null).await.1;
    let secret_id = bao.ask("POST", &format!("auth/{auth}/role/app/secret-id"), Value::Null).await.1;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), secret_id["data"]["secret_id"].as_str().unwrap()).unwrap();
    let role_id = role_id["data"]["role_id"].as_str().unwrap();
    let login = format!("role-id={role_id},secret-id-file={},mount={auth}", file.path().display());
    let (vault, mut tender, _folder) = bao.vault(&format!("{login},read={mount}/creds/app")).await;
    let from = |field: &str| format!("bao:main/{mount}/creds/app#{field}");
    set(&vault, CredentialKind::Basic, &[("username", from("username")), ("password", from("password"))]).await;
    vault.delete("c").await.unwrap();
    until(&mut tender, &[], async || vault.leases().iter().any(|lease| lease.state == LeaseState::Stuck)).await;
    let stuck = vault.leases().remove(0);
    assert!(stuck.reason.unwrap().contains("403"));
    assert!(!vault.revoke_lease(&stuck.id, true).await.unwrap(), "it was forgotten, not given back");
    assert!(vault.leases().is_empty() && bao.is_leased(&stuck.lease_id).await);
}
