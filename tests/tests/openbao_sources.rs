//! Credentials that a real OpenBao keeps and makes: rotated under calls, leased, and given back whatever becomes of the
//! host. Its RabbitMQ engine makes them: it asks the system for a user over HTTP, and a witness will do for that.

use std::{thread, time::Duration};

use jackfield_peers::{OpenBao, http, peer};
use jackfield_tests::{Stand, load::until, witness::Witness};
use serde_json::{Value, json};

/// A host that may read some paths of an OpenBao, with a witness that an integration is bound to.
struct World {
    bao: OpenBao,
    rabbit: Witness,
    outside: Witness,
    stand: Stand,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(bao: OpenBao, lease: &Value) -> World {
        let rabbit = Witness::start("127.0.0.1", "http://nowhere.invalid/");
        let outside = Witness::start("127.0.0.1", "http://nowhere.invalid/");
        bao.ask("POST", "/v1/sys/mounts/rabbitmq", &json!({"type": "rabbitmq"}));
        let connection =
            json!({"connection_uri": rabbit.url(), "username": "a", "password": "b", "verify_connection": false});
        bao.ask("POST", "/v1/rabbitmq/config/connection", &connection);
        bao.ask("POST", "/v1/rabbitmq/config/lease", lease);
        bao.ask("POST", "/v1/rabbitmq/roles/app", &json!({"tags": "monitoring"}));
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, OpenBao::ROOT).unwrap();
        let spec = format!(
            "main={},token-file={},read=secret/data/app,read=rabbitmq/creds,every=1",
            bao.url(),
            token.display()
        );
        let command = "hello=/bin/echo t0ken-of-a-command";
        let stand = Stand::serving(&["--secrets-bao", &spec, "--secrets-command", command]);
        stand.install("unruly");
        stand.init_vault();
        World { bao, rabbit, outside, stand, _folder: folder }
    }

    fn set(&self, kind: &str, from: &[&str]) -> Value {
        let from = from.iter().flat_map(|from| ["--from", from]);
        let arguments: Vec<_> = ["credential", "set", "c", "--type", kind].into_iter().chain(from).collect();
        self.stand.server().cli(&arguments).unwrap()
    }

    fn bind(&self) {
        let new = json!({
            "name": "wild", "plugin": "unruly", "config": {"url": self.outside.url()},
            "endpoints": {"api": {"credential": {"name": "c", "allow-plain-http": true}}},
        });
        assert_eq!(self.stand.server().send("POST", "/v1/integrations", &new).unwrap().0, 201);
    }

    /// What a call authenticates with.
    fn sent(&self) -> String {
        self.stand.server().ok("wild", "unruly.look", &json!({"path": "/x"})).unwrap();
        let request = self.outside.take().requests.pop().unwrap();
        let line = request.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
        line.unwrap_or_default().to_owned()
    }

    fn leases(&self) -> Vec<Value> {
        self.stand.server().get("/v1/leases").unwrap()["items"].as_array().unwrap().clone()
    }

    /// The one that is used, as OpenBao names it.
    fn held(&self) -> String {
        let held = self.leases().into_iter().find(|lease| lease["state"] == "held").unwrap();
        held["lease-id"].as_str().unwrap().to_owned()
    }

    fn is_leased(&self, lease: &str) -> bool {
        let address = self.bao.url().trim_start_matches("http://").to_owned();
        let headers = [("x-vault-token", OpenBao::ROOT), ("content-type", "application/json")];
        let body = json!({"lease_id": lease}).to_string();
        let told = http::request(&address, "PUT", "/v1/sys/leases/lookup", &headers, body.as_bytes()).unwrap();
        told.status == 200
    }
}

const PAIR: &[&str] =
    &["username=bao:main/rabbitmq/creds/app#username", "password=bao:main/rabbitmq/creds/app#password"];

/// How long what happens by itself may take.
const PATIENCE: Duration = Duration::from_secs(40);

#[test]
fn a_secret_that_is_rotated_in_openbao_is_used_from_then_on_and_through_an_outage() {
    let mut world = World::new(peer!(OpenBao::start()), &json!({"ttl": 600}));
    let put = |world: &World, token: &str| {
        world.bao.ask("POST", "/v1/secret/data/app", &json!({"data": {"token": token}}));
    };
    put(&world, "first-t0ken");
    let set = world.set("bearer", &["token=bao:main/secret/data/app#token"]);
    assert_eq!(set["versions"][0]["sources"]["token"]["bao"], "main/secret/data/app#token");
    world.bind();
    assert!(world.sent().ends_with("Bearer first-t0ken"));
    put(&world, "second-t0ken");
    until(PATIENCE, || world.sent().ends_with("Bearer second-t0ken"));
    world.bao.process().freeze();
    thread::sleep(Duration::from_secs(3));
    assert!(world.sent().ends_with("Bearer second-t0ken"), "the last value bridges an outage");
    let (status, problem) = world
        .stand
        .server()
        .send(
            "PUT",
            "/v1/credentials/d",
            &json!({"type": "bearer", "fields": {}, "sources": {"token": {"bao": "main/secret/data/root#token"}}}),
        )
        .unwrap();
    assert_eq!(status, 400);
    assert!(problem["detail"].as_str().unwrap().contains("read=secret/data/root"), "{problem}");
}

#[test]
fn a_lease_is_given_back_when_its_integration_goes_and_after_a_crash() {
    let mut world = World::new(peer!(OpenBao::start()), &json!({"ttl": 600}));
    world.set("basic", PAIR);
    world.bind();
    assert!(world.sent().contains("Basic "));
    let made = world.rabbit.take().requests.iter().filter(|request| request.starts_with("PUT /api/users/")).count();
    assert_eq!(made, 1, "both fields are of one user");
    let first = world.held();
    assert!(world.is_leased(&first));

    world.stand.crash();
    world.stand.restart();
    until(PATIENCE, || !world.is_leased(&first));
    assert!(world.sent().contains("Basic "), "another is fetched");
    let second = world.held();
    assert_eq!(world.stand.server().send("DELETE", "/v1/integrations/wild", &Value::Null).unwrap().0, 204);
    until(PATIENCE, || !world.is_leased(&second));
    until(PATIENCE, || world.leases().is_empty());

    world.bind();
    assert!(world.sent().contains("Basic "));
    let third = world.held();
    world.stand.stop();
    assert!(!world.is_leased(&third), "a host that stops gives back what it has");
}

#[test]
fn a_lease_that_cannot_be_given_back_is_listed_forced_and_audited() {
    let mut world = World::new(peer!(OpenBao::start()), &json!({"ttl": 600}));
    world.set("basic", PAIR);
    world.bao.process().kill();
    let server = world.stand.server();
    server.cli(&["credential", "delete", "c"]).unwrap();
    until(PATIENCE, || world.leases().iter().any(|lease| lease["state"] == "stuck"));
    let id = world.leases()[0]["id"].as_str().unwrap().to_owned();
    let refused = server.send("DELETE", &format!("/v1/leases/{id}"), &Value::Null).unwrap();
    assert_eq!((refused.0, &refused.1["code"]), (409, &json!("lease-stuck")), "{}", refused.1);
    server.cli(&["credential", "lease", "revoke", &id, "--force"]).unwrap();
    assert!(world.leases().is_empty());
    // What the host does by itself is recorded a moment later.
    for action in ["source.fetched", "lease.revoke-failed", "lease-revoked"] {
        let recorded = || server.get("/v1/audit?limit=100").unwrap().to_string().contains(&format!("\"{action}\""));
        until(PATIENCE, recorded);
    }
}

#[test]
fn what_a_command_of_the_operators_prints_is_a_credential() {
    let world = World::new(peer!(OpenBao::start()), &json!({"ttl": 600}));
    world.set("bearer", &["token=command:hello"]);
    world.bind();
    assert!(world.sent().ends_with("Bearer t0ken-of-a-command"));
    let other = json!({"type": "bearer", "fields": {}, "sources": {"token": {"command": "other"}}});
    let (status, problem) = world.stand.server().send("PUT", "/v1/credentials/d", &other).unwrap();
    assert!(status == 400 && problem["detail"].as_str().unwrap().contains("--secrets-command"), "{problem}");
}
