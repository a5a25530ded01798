//! Credentials that come from an OpenBao or a command: fetched once for all, renewed ahead of their end, bridged while the
//! server is away, given back, and never lost. Against a scripted server; `bao.rs` asks a real one.

mod outside;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use jackfield_store::{MemoryStore, Store};
use jackfield_vault::{
    ActKind, AllowedSources, CredentialKind, LeaseState, Material, NewSource, Sources, Tender, Vault, VaultError,
    VersionState, net::Dialer,
};
use outside::{Answer, Server, ok, status};

/// A vault with a server that it may read `kv` and `db` of, and who tends it.
struct World {
    vault: Arc<Vault>,
    tender: Tender,
    store: Arc<MemoryStore>,
    folder: tempfile::TempDir,
}

impl World {
    async fn new(server: &Server) -> World {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "the-hosts-t0ken\n").unwrap();
        jackfield_vault::make_key_file(&folder.path().join("kek")).unwrap();
        let store = Arc::new(MemoryStore::new());
        let vault = load(store.clone(), server, &folder).await;
        vault.init(NewSource::File(folder.path().join("kek"))).await.unwrap();
        let tender = Tender::of(&vault).unwrap();
        World { vault, tender, store, folder }
    }

    async fn set(&self, kind: CredentialKind, from: &[(&str, &str)]) -> Result<u64, VaultError> {
        let nothing = Material::new([] as [(&str, &[u8]); 0]);
        self.vault.set_from("c", kind, &nothing, sources(from), VersionState::Current).await
    }

    async fn field(&self, name: &str) -> Result<String, String> {
        let lease = self.vault.lease_until("c", None, soon()).await.map_err(|error| error.to_string())?;
        Ok(lease.material.text(name).unwrap().to_owned())
    }

    /// Tends until something is so.
    async fn until(&mut self, bound: bool, what: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !what(self) {
            assert!(began.elapsed() < Duration::from_secs(20), "it never came about");
            self.tend(bound);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn tend(&mut self, bound: bool) {
        let bound = if bound { BTreeSet::from(["c".to_owned()]) } else { BTreeSet::new() };
        self.tender.tend(&bound);
    }

    fn acts(&mut self) -> Vec<ActKind> {
        self.tender.acts().iter().map(|act| act.kind).collect()
    }
}

async fn load(store: Arc<dyn Store>, server: &Server, folder: &tempfile::TempDir) -> Arc<Vault> {
    let token = folder.path().join("token");
    let spec = format!("main={},token-file={},read=kv,read=db,every=1", server.url, token.display());
    let allowed = AllowedSources {
        servers: vec![spec.parse().unwrap()],
        commands: vec!["hello=/bin/echo t0ken-of-a-command".parse().unwrap()],
        ..AllowedSources::default()
    };
    let vault = Vault::load(store, Arc::new(Dialer::new())).await.unwrap().allowing(allowed);
    Arc::new(vault.unwrap())
}

fn sources(from: &[(&str, &str)]) -> Sources {
    from.iter().map(|(field, source)| ((*field).to_owned(), source.parse().unwrap())).collect::<BTreeMap<_, _>>()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

const PAIR: &[(&str, &str)] =
    &[("username", "bao:main/db/creds/app#username"), ("password", "bao:main/db/creds/app#password")];

/// A lease with a number, and how long it is good for.
fn lease(number: u32, seconds: u32, renewable: bool) -> Answer {
    ok(format!(
        r#"{{"lease_id":"db/creds/app/{number}","renewable":{renewable},"lease_duration":{seconds},
        "data":{{"username":"user-{number}","password":"passw0rd-{number}"}}}}"#
    ))
}

#[tokio::test]
async fn a_secret_that_is_kept_is_looked_at_again_and_its_last_value_bridges_an_outage() {
    let (state, version) = (Arc::new(AtomicU32::new(200)), Arc::new(AtomicU32::new(1)));
    let (code, number) = (state.clone(), version.clone());
    let server = Server::start(move |_| match code.load(Ordering::SeqCst) {
        200 => {
            let number = number.load(Ordering::SeqCst);
            ok(format!(r#"{{"data":{{"data":{{"token":"value-{number}"}},"metadata":{{"version":{number}}}}}}}"#))
        }
        1 => Answer::Cut,
        code => status(u16::try_from(code).unwrap()),
    })
    .await;
    let mut world = World::new(&server).await;
    world.set(CredentialKind::Bearer, &[("token", "bao:main/kv/data/app#token")]).await.unwrap();
    assert_eq!(world.field("token").await.unwrap(), "value-1");
    let first = world.vault.lease("c").unwrap().stamp();
    assert_eq!(server.asked("GET /v1/kv/data/app").len(), 1, "what was fetched to be judged is what is used");
    assert_eq!(server.asked("")[0].token, "the-hosts-t0ken");

    version.store(2, Ordering::SeqCst);
    world
        .until(true, |world| world.vault.lease("c").is_ok_and(|lease| lease.material.text("token") == Some("value-2")))
        .await;
    assert_ne!(world.vault.lease("c").unwrap().stamp(), first);
    let (_, known) = world.vault.secrets().unwrap();
    let known: Vec<_> = known.iter().filter_map(|lease| lease.material.text("token")).collect();
    assert_eq!(known, ["value-2", "value-1"], "what it was is looked for, too");

    for away in [403, 503, 1] {
        state.store(away, Ordering::SeqCst);
        let asked = server.asked("").len();
        world.until(true, |_| server.asked("").len() > asked).await;
        assert_eq!(world.field("token").await.unwrap(), "value-2", "{away}");
    }
    let acts = world.acts();
    assert_eq!(acts, [ActKind::Fetched, ActKind::Fetched, ActKind::FetchFailed], "an outage is told once");
    // What is there no more is used no more.
    state.store(404, Ordering::SeqCst);
    world.until(true, |world| world.vault.lease("c").is_err()).await;
    assert!(world.field("token").await.unwrap_err().contains("there is nothing at"));
    state.store(200, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(world.field("token").await.unwrap(), "value-2");
}

#[tokio::test]
async fn fields_of_one_secret_are_one_lease_that_is_renewed_and_given_back_with_its_credential() {
    let server = Server::start(|asked| match asked.line.split(' ').nth(1).unwrap() {
        "/v1/db/creds/app" => lease(1, 3, true),
        "/v1/sys/leases/renew" => ok(r#"{"lease_id":"db/creds/app/1","renewable":true,"lease_duration":3}"#),
        _ => Answer::Say(204, String::new()),
    })
    .await;
    let mut world = World::new(&server).await;
    world.set(CredentialKind::Basic, PAIR).await.unwrap();
    assert_eq!(world.field("username").await.unwrap(), "user-1");
    assert_eq!(world.field("password").await.unwrap(), "passw0rd-1");
    let stamp = world.vault.lease("c").unwrap().stamp();
    world.until(true, |_| server.asked("/v1/sys/leases/renew").len() >= 2).await;
    assert_eq!(server.asked("/v1/db/creds/app").len(), 1, "one lease, and it is renewed");
    assert_eq!(world.vault.lease("c").unwrap().stamp(), stamp, "it holds the same");
    let leases = world.vault.leases();
    assert_eq!((leases.len(), leases[0].state, leases[0].credential.as_str()), (1, LeaseState::Held, "c"));

    // A call that is under way keeps it.
    let calling = world.vault.lease("c").unwrap();
    world.vault.delete("c").await.unwrap();
    for _ in 0..10 {
        world.tend(false);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(server.asked("revoke").is_empty());
    drop(calling);
    world.until(false, |world| world.vault.leases().is_empty()).await;
    let revoked = server.asked("/v1/sys/leases/revoke");
    assert!(revoked.len() == 1 && revoked[0].body.contains("db/creds/app/1"), "{revoked:?}");
    assert!(world.acts().ends_with(&[ActKind::Revoked]));
}

#[tokio::test]
async fn one_that_cannot_be_renewed_is_replaced_ahead_of_its_end_and_then_given_back() {
    let number = AtomicU32::new(0);
    let server = Server::start(move |asked| match asked.line.split(' ').nth(1).unwrap() {
        "/v1/db/creds/app" => lease(number.fetch_add(1, Ordering::SeqCst) + 1, 3, false),
        _ => Answer::Say(204, String::new()),
    })
    .await;
    let mut world = World::new(&server).await;
    world.set(CredentialKind::Basic, PAIR).await.unwrap();
    world
        .until(true, |world| {
            world.vault.lease("c").is_ok_and(|lease| lease.material.text("username") == Some("user-2"))
        })
        .await;
    world.until(true, |_| !server.asked("revoke").is_empty()).await;
    assert!(server.asked("revoke")[0].body.contains("db/creds/app/1"));
    assert!(server.asked("renew").is_empty());
    assert_eq!(world.field("password").await.unwrap(), "passw0rd-2");
}

#[tokio::test]
async fn a_lease_bridges_an_outage_until_it_ends_and_not_longer() {
    let up = Arc::new(AtomicU32::new(1));
    let is_up = up.clone();
    let server = Server::start(move |asked| match (is_up.load(Ordering::SeqCst), asked.line.contains("creds")) {
        (1, true) => lease(1, 2, true),
        (1, false) => ok("{}"),
        _ => status(503),
    })
    .await;
    let mut world = World::new(&server).await;
    world.set(CredentialKind::Basic, PAIR).await.unwrap();
    up.store(0, Ordering::SeqCst);
    let began = Instant::now();
    world.until(true, |world| world.vault.lease("c").is_err()).await;
    assert!(began.elapsed() > Duration::from_millis(1200), "it was used as long as it was good");
    let error = world.field("password").await.unwrap_err();
    assert!(error.contains("`db/creds/app` of the OpenBao `main`") && error.contains("503"), "{error}");
    assert!(!error.contains("passw0rd"), "{error}");
    let (_, known) = world.vault.secrets().unwrap();
    assert!(known.iter().any(|lease| lease.material.text("password") == Some("passw0rd-1")), "it may still come back");
    assert!(world.acts().contains(&ActKind::RenewFailed));
}

#[tokio::test]
async fn a_lease_that_will_not_be_given_back_is_told_tried_again_and_can_be_forced() {
    let server = Server::start(|asked| match asked.line.contains("creds") {
        true => lease(1, 600, true),
        false => status(403),
    })
    .await;
    let mut world = World::new(&server).await;
    world.set(CredentialKind::Basic, PAIR).await.unwrap();
    world.vault.delete("c").await.unwrap();
    world.until(false, |world| world.vault.leases().iter().any(|lease| lease.attempts >= 2)).await;
    let stuck = world.vault.leases().remove(0);
    assert_eq!((stuck.state, stuck.lease_id.as_str()), (LeaseState::Stuck, "db/creds/app/1"));
    assert!(stuck.reason.unwrap().contains("403") && stuck.next_attempt_at.is_some());
    assert_eq!(world.acts().iter().filter(|kind| **kind == ActKind::RevokeFailed).count(), 1, "it is told once");
    let refused = world.vault.revoke_lease(&stuck.id, false).await;
    assert!(matches!(&refused, Err(VaultError::LeaseStuck { .. })), "{refused:?}");
    world.vault.revoke_lease(&stuck.id, true).await.unwrap();
    assert!(world.vault.leases().is_empty());
    assert!(matches!(world.vault.revoke_lease("none", true).await, Err(VaultError::UnknownLease(_))));
}

#[tokio::test]
async fn a_lease_of_a_process_that_was_killed_is_given_back_by_the_next() {
    let server = Server::start(|asked| match asked.line.contains("creds") {
        true => lease(1, 600, true),
        false => Answer::Say(204, String::new()),
    })
    .await;
    let world = World::new(&server).await;
    world.set(CredentialKind::Basic, PAIR).await.unwrap();
    let World { vault, tender, store, folder } = world;
    drop((vault, tender));
    let vault = load(store.clone(), &server, &folder).await;
    assert_eq!(vault.leases()[0].state, LeaseState::Revoking);
    let tender = Tender::of(&vault).unwrap();
    let mut world = World { vault, tender, store, folder };
    // The vault is sealed: that needs nothing of it.
    world.until(true, |world| world.vault.leases().is_empty()).await;
    assert!(server.asked("revoke")[0].body.contains("db/creds/app/1"));
}

#[tokio::test]
async fn what_no_integration_is_bound_to_is_given_back_after_a_while_and_fetched_when_it_is_used_again() {
    let number = AtomicU32::new(0);
    let server = Server::start(move |asked| match asked.line.contains("creds") {
        true => lease(number.fetch_add(1, Ordering::SeqCst) + 1, 600, true),
        false => Answer::Say(204, String::new()),
    })
    .await;
    let mut world = World::new(&server).await;
    world.set(CredentialKind::Basic, PAIR).await.unwrap();
    world.until(false, |world| world.vault.leases().is_empty()).await;
    assert!(world.vault.lease("c").is_err(), "there is none now");
    // All who come at once wait for the same.
    let (a, b, c) = tokio::join!(world.field("username"), world.field("username"), world.field("password"));
    assert_eq!((a.unwrap(), b.unwrap(), c.unwrap()), ("user-2".into(), "user-2".into(), "passw0rd-2".into()));
    assert_eq!(server.asked("creds").len(), 2);
    world.tender.end().await;
    assert!(world.vault.leases().is_empty(), "at the end everything is given back");
}

#[tokio::test]
async fn a_version_that_is_refused_leaves_no_lease_behind() {
    let server = Server::start(|asked| match asked.line.contains("creds") {
        true => lease(1, 600, true),
        false => Answer::Say(204, String::new()),
    })
    .await;
    let mut world = World::new(&server).await;
    // A field that is not there, a type whose fields these are not, a path that is not allowed.
    let missing = world.set(CredentialKind::Bearer, &[("token", "bao:main/db/creds/app#token")]).await;
    assert!(missing.unwrap_err().to_string().contains("it has `password`, `username`"));
    assert!(world.set(CredentialKind::Bearer, PAIR).await.is_err());
    world.until(false, |world| world.vault.leases().is_empty()).await;
    assert_eq!(server.asked("revoke").len(), 2);
    let asked = server.asked("").len();
    let other = world.set(CredentialKind::Bearer, &[("token", "bao:main/secret/data/root#token")]).await;
    assert!(other.unwrap_err().to_string().contains("read=secret/data/root"));
    let write = world.set(CredentialKind::Bearer, &[("token", "bao:main/kv/app?token=evil#token")]).await;
    assert!(write.unwrap_err().to_string().contains("write=kv/app"));
    assert_eq!(server.asked("").len(), asked, "nothing was asked");
}

#[tokio::test]
async fn what_is_granted_when_nobody_waits_for_it_any_more_is_given_back() {
    let server = Server::start(|asked| match (asked.line.contains("creds"), lease(1, 600, true)) {
        (true, Answer::Say(_, body)) => Answer::Late(Duration::from_millis(500), body),
        _ => Answer::Say(204, String::new()),
    })
    .await;
    let mut world = World::new(&server).await;
    let waited = tokio::time::timeout(Duration::from_millis(100), world.set(CredentialKind::Basic, PAIR)).await;
    assert!(waited.is_err(), "whoever asked has gone away");
    world.until(false, |_| !server.asked("revoke").is_empty()).await;
    world.until(false, |world| world.vault.leases().is_empty()).await;
}

#[tokio::test]
async fn a_lease_of_a_server_that_this_host_does_not_know_is_listed_with_the_reason_and_recorded_by_nobody() {
    let server = Server::start(|_| lease(1, 600, true)).await;
    let world = World::new(&server).await;
    world.set(CredentialKind::Basic, PAIR).await.unwrap();
    let World { vault, tender, store, folder } = world;
    drop((vault, tender));
    let vault = Arc::new(Vault::load(store.clone(), Arc::new(Dialer::new())).await.unwrap());
    let tender = Tender::of(&vault).unwrap();
    let mut world = World { vault, tender, store, folder };
    world.until(false, |world| world.vault.leases()[0].state == LeaseState::Stuck).await;
    assert!(world.vault.leases()[0].reason.as_ref().unwrap().contains("--secrets-bao"));
    assert!(world.acts().is_empty());
}

#[tokio::test]
async fn who_waits_for_a_server_that_hangs_waits_no_longer_than_he_has_time() {
    let slow = Arc::new(AtomicU32::new(0));
    let is_slow = slow.clone();
    let server = Server::start(move |_| match is_slow.load(Ordering::SeqCst) {
        0 => lease(1, 1, false),
        _ => Answer::Hang,
    })
    .await;
    let mut world = World::new(&server).await;
    world.set(CredentialKind::Basic, PAIR).await.unwrap();
    slow.store(1, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    world.tend(true);
    let began = Instant::now();
    let waited = world.vault.lease_until("c", None, Instant::now() + Duration::from_millis(300)).await;
    assert!(waited.unwrap_err().to_string().contains("no time is left"));
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_login_is_made_once_renewed_and_made_again_when_its_token_is_refused() {
    let good = Arc::new(AtomicU32::new(1));
    let login = good.clone();
    let server = Server::start(move |asked| match asked.line.split(' ').nth(1).unwrap() {
        "/v1/auth/approle/login" if asked.body.contains(r#""secret_id":"the-secret-id""#) => {
            let number = login.load(Ordering::SeqCst);
            ok(format!(r#"{{"auth":{{"client_token":"t-{number}","lease_duration":600,"renewable":true}}}}"#))
        }
        "/v1/auth/approle/login" => status(400),
        _ if asked.token != format!("t-{}", login.load(Ordering::SeqCst)) => status(403),
        _ => ok(r#"{"data":{"data":{"token":"of-kv"},"metadata":{"version":1}}}"#),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let secret_id = folder.path().join("secret-id");
    std::fs::write(&secret_id, "the-secret-id\n").unwrap();
    jackfield_vault::make_key_file(&folder.path().join("kek")).unwrap();
    let spec = format!("main={},role-id=r,secret-id-file={},read=kv,every=1", server.url, secret_id.display());
    let allowed = AllowedSources { servers: vec![spec.parse().unwrap()], ..AllowedSources::default() };
    let store = Arc::new(MemoryStore::new());
    let vault = Vault::load(store.clone(), Arc::new(Dialer::new())).await.unwrap().allowing(allowed).unwrap();
    let vault = Arc::new(vault);
    vault.init(NewSource::File(folder.path().join("kek"))).await.unwrap();
    let tender = Tender::of(&vault).unwrap();
    let mut world = World { vault, tender, store, folder };
    world.set(CredentialKind::Bearer, &[("token", "bao:main/kv/data/app#token")]).await.unwrap();
    world.until(true, |_| server.asked("kv/data").len() >= 2).await;
    assert_eq!(server.asked("login").len(), 1);
    good.store(2, Ordering::SeqCst);
    world.until(true, |_| server.asked("kv/data").iter().any(|asked| asked.token == "t-2")).await;
    assert_eq!(server.asked("login").len(), 2);
}

#[tokio::test]
async fn what_a_command_prints_is_a_credential_and_no_other_command_is_run() {
    let server = Server::start(|_| status(404)).await;
    let world = World::new(&server).await;
    world.set(CredentialKind::Bearer, &[("token", "command:hello")]).await.unwrap();
    assert_eq!(world.field("token").await.unwrap(), "t0ken-of-a-command");
    let other = world.set(CredentialKind::Bearer, &[("token", "command:other")]).await;
    assert!(other.unwrap_err().to_string().contains("--secrets-command"));
}
