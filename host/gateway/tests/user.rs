//! Tokens of a client that a person consented to, at a server that rotates refresh tokens and ends the consent when it sees
//! an old one again.

mod common;
#[path = "../../net/tests/support/mod.rs"]
mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use common::{get, soon};
use jackfield_gateway::{
    Authority, Binding, Dialer, EndpointSpec, Gateway, GatewayError, GatewayLimits, Known, UserTokens,
};
use jackfield_store::{Bucket, MemoryStore, Mutation, Record, Store, StoreError, StoreStats, Usage};
use jackfield_vault::{CredentialKind, Material, NewSource, Vault, VersionState};
use support::{Server, answer};

/// A store that stores nothing while it is full.
#[derive(Default)]
struct Full {
    store: MemoryStore,
    full: AtomicBool,
    /// Commits that were made.
    made: AtomicUsize,
}

#[async_trait]
impl Store for Full {
    async fn get(&self, bucket: Bucket, key: &str) -> Result<Option<Record>, StoreError> {
        self.store.get(bucket, key).await
    }

    async fn list(
        &self,
        bucket: Bucket,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, StoreError> {
        self.store.list(bucket, prefix, after, limit).await
    }

    async fn commit(&self, mutations: Vec<Mutation>) -> Result<u64, StoreError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(StoreError::Io("no space is left".into()));
        }
        self.made.fetch_add(1, Ordering::SeqCst);
        self.store.commit(mutations).await
    }

    async fn usage(&self, bucket: Bucket, prefix: &str) -> Result<Usage, StoreError> {
        self.store.usage(bucket, prefix).await
    }

    fn stats(&self) -> StoreStats {
        self.store.stats()
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

/// What the server knows: the number of the refresh token that it takes; none where it has ended the consent.
type Valid = Arc<Mutex<Option<u32>>>;

async fn server(valid: Valid, seconds: u64, rotates: bool, pause: Duration) -> Server {
    Server::http(move |request| {
        let valid = valid.clone();
        async move {
            let form = String::from_utf8(request.body.to_vec()).unwrap();
            assert!(form.contains("grant_type=refresh_token") && form.contains("client_id=me"), "{form}");
            let sent = form.split('&').find_map(|pair| pair.strip_prefix("refresh_token=refresh-token-")).unwrap();
            let sent: u32 = sent.parse().unwrap();
            let given = {
                let mut valid = valid.lock().unwrap();
                *valid = valid.filter(|valid| *valid == sent).map(|number| number + u32::from(rotates));
                *valid
            };
            tokio::time::sleep(pause).await;
            let Some(number) = given else { return answer(400, r#"{"error":"invalid_grant"}"#) };
            answer(
                200,
                format!(
                    r#"{{"access_token":"access-token-{number}","token_type":"bearer","expires_in":{seconds},
                        "refresh_token":"refresh-token-{number}"}}"#
                ),
            )
        }
    })
    .await
}

struct World {
    store: Arc<Full>,
    vault: Arc<Vault>,
    users: Arc<UserTokens>,
    known: Arc<Known>,
    api: Server,
    issuer: Server,
    valid: Valid,
    told: Arc<AtomicUsize>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(seconds: u64, rotates: bool, pause: Duration) -> World {
        let folder = tempfile::tempdir().unwrap();
        let kek = folder.path().join("kek");
        jackfield_vault::make_key_file(&kek).unwrap();
        let store = Arc::new(Full::default());
        let vault = Arc::new(Vault::load(store.clone(), Arc::new(Dialer::new())).await.unwrap());
        vault.init(NewSource::File(kek)).await.unwrap();
        let valid: Valid = Arc::new(Mutex::new(Some(1)));
        let issuer = server(valid.clone(), seconds, rotates, pause).await;
        let url = format!("{}/token", issuer.url());
        let fields = [("token-url", url.as_str()), ("client-id", "me"), ("refresh-token", "refresh-token-1")];
        vault.set("me", CredentialKind::Oauth2User, &Material::new(fields), VersionState::Current).await.unwrap();
        let api = Server::http(|request| async move {
            answer(200, request.header("authorization").unwrap_or_default().to_owned())
        })
        .await;
        let told = Arc::new(AtomicUsize::new(0));
        let count = told.clone();
        let users = UserTokens::telling(move |name, version| {
            assert_eq!((name, version), ("me", 1));
            count.fetch_add(1, Ordering::SeqCst);
        });
        let known = Arc::new(Known::of(vault.clone()));
        World { store, vault, users: Arc::new(users), known, api, issuer, valid, told, _folder: folder }
    }

    /// The way out of one more integration that uses the credential.
    fn gateway(&self) -> Gateway {
        let binding = Binding { credential: "me".into(), place: None, allow_plain_http: true };
        let spec = EndpointSpec {
            name: "api".into(),
            addresses: vec![self.api.url()],
            methods: vec!["GET".into()],
            paths: vec!["/v1/*".into()],
            authority: Some(Authority::new(self.vault.clone(), binding).sharing(self.users.clone())),
            ..EndpointSpec::default()
        };
        let gateway = Gateway::new(vec![spec], GatewayLimits::default(), Arc::new(Dialer::new())).unwrap();
        gateway.looking_for(self.known.clone())
    }

    fn sent(&self) -> String {
        self.api.seen().pop().unwrap().header("authorization").unwrap_or_default().to_owned()
    }

    fn held(&self) -> String {
        self.vault.lease("me").unwrap().material.text("refresh-token").unwrap_or_default().to_owned()
    }

    fn asked(&self) -> usize {
        self.issuer.seen().len()
    }
}

async fn text(gateway: &Gateway) -> Result<String, GatewayError> {
    let mut response = gateway.send(get("/v1/x"), soon()).await?;
    let mut body = Vec::new();
    while let Some(piece) = response.body.read(1 << 16).await? {
        body.extend_from_slice(&piece);
    }
    Ok(String::from_utf8(body).unwrap())
}

const AT_ONCE: Duration = Duration::ZERO;

#[tokio::test]
async fn eight_callers_of_four_integrations_exchange_a_refresh_token_once_and_the_new_one_is_kept() {
    let world = World::new(3600, true, Duration::from_millis(100)).await;
    let gateways: Vec<_> = (0..4).map(|_| Arc::new(world.gateway())).collect();
    let callers: Vec<_> = gateways
        .iter()
        .chain(&gateways)
        .cloned()
        .map(|gateway| tokio::spawn(async move { text(&gateway).await.unwrap() }))
        .collect();
    for caller in callers {
        let told = caller.await.unwrap();
        assert!(told.contains("[redacted]") && !told.contains("access-token"), "{told}");
    }
    assert_eq!((world.asked(), world.sent().as_str()), (1, "Bearer access-token-2"));
    assert_eq!(world.held(), "refresh-token-2");
    assert_eq!(world.vault.credential("me").unwrap().versions.len(), 1);
    let (_, leases) = world.vault.secrets().unwrap();
    assert_eq!(leases.len(), 2, "the old one is looked for yet");
}

#[tokio::test]
async fn a_refresh_token_that_is_not_rotated_is_not_stored_anew() {
    let world = World::new(3600, false, AT_ONCE).await;
    let made = world.store.made.load(Ordering::SeqCst);
    text(&world.gateway()).await.unwrap();
    assert_eq!(world.store.made.load(Ordering::SeqCst), made);
    assert_eq!(world.held(), "refresh-token-1");
}

#[tokio::test]
async fn every_refresh_goes_on_with_what_the_last_one_brought() {
    let world = World::new(1, true, AT_ONCE).await;
    let gateway = world.gateway();
    for number in 2..5 {
        text(&gateway).await.unwrap();
        world.users.settled().await;
        assert_eq!(world.held(), format!("refresh-token-{number}"));
        tokio::time::sleep(Duration::from_millis(1000)).await;
    }
    assert_eq!(world.asked(), 3);
}

#[tokio::test]
async fn a_token_is_not_used_before_the_refresh_token_that_came_with_it_is_stored() {
    let world = World::new(3600, true, AT_ONCE).await;
    let gateway = world.gateway();
    world.store.full.store(true, Ordering::SeqCst);
    for _ in 0..2 {
        let error = text(&gateway).await.unwrap_err();
        assert!(error.to_string().contains("could not be stored"), "{error}");
        tokio::time::sleep(Duration::from_millis(1050)).await;
    }
    assert!(world.api.seen().is_empty());
    assert_eq!((world.asked(), world.held().as_str()), (1, "refresh-token-1"), "the server is not asked again with it");
    world.store.full.store(false, Ordering::SeqCst);
    text(&gateway).await.unwrap();
    assert_eq!((world.asked(), world.held().as_str()), (1, "refresh-token-2"));
    assert_eq!(world.sent(), "Bearer access-token-2");
}

#[tokio::test]
async fn a_caller_who_is_gone_does_not_lose_what_the_server_answers() {
    let world = World::new(3600, true, Duration::from_millis(300)).await;
    let gateway = Arc::new(world.gateway());
    let caller = {
        let gateway = gateway.clone();
        tokio::spawn(async move { text(&gateway).await })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    caller.abort();
    world.users.settled().await;
    assert_eq!(world.held(), "refresh-token-2");
    text(&gateway).await.unwrap();
    assert_eq!(world.asked(), 1);
}

#[tokio::test]
async fn a_consent_that_ended_is_told_at_once_until_there_is_another_and_nobody_asks_the_server() {
    let world = World::new(3600, true, AT_ONCE).await;
    *world.valid.lock().unwrap() = None;
    let gateway = world.gateway();
    for gateway in [&gateway, &gateway, &world.gateway()] {
        let error = text(gateway).await.unwrap_err();
        assert!(
            matches!(&error, GatewayError::NeedsReauthorization { credential, .. } if credential == "me"),
            "{error}"
        );
        assert!(error.to_string().contains("jackfield credential authorize me") && !error.sent(), "{error}");
    }
    assert_eq!((world.asked(), world.told.load(Ordering::SeqCst)), (1, 1));
    assert!(world.vault.credential("me").unwrap().versions[0].needs_reauthorization_since.is_some());

    *world.valid.lock().unwrap() = Some(7);
    let version = world.vault.consented(&world.vault.lease("me").unwrap(), "refresh-token-7").await.unwrap();
    world.vault.promote("me", Some(version)).await.unwrap();
    text(&gateway).await.unwrap();
    assert_eq!((world.asked(), world.sent().as_str()), (2, "Bearer access-token-8"));
}

#[tokio::test]
async fn a_process_that_was_killed_before_it_stored_tries_the_old_one_and_says_what_came_of_it() {
    let world = World::new(3600, true, AT_ONCE).await;
    world.store.full.store(true, Ordering::SeqCst);
    text(&world.gateway()).await.unwrap_err();
    world.store.full.store(false, Ordering::SeqCst);
    // Whatever was in memory is gone.
    let world = World { users: Arc::new(UserTokens::default()), ..world };
    let error = text(&world.gateway()).await.unwrap_err();
    assert!(matches!(error, GatewayError::NeedsReauthorization { .. }), "{error}");
    assert_eq!(world.asked(), 2);
}

#[tokio::test]
async fn a_server_in_trouble_ends_no_consent() {
    let busy = Server::http(|_| async { answer(503, "") }).await;
    let world = World::new(3600, true, AT_ONCE).await;
    let url = busy.url();
    let fields = [("token-url", url.as_str()), ("client-id", "me"), ("refresh-token", "refresh-token-1")];
    let kind = CredentialKind::Oauth2User;
    world.vault.set("me", kind, &Material::new(fields), VersionState::Current).await.unwrap();
    let error = text(&world.gateway()).await.unwrap_err();
    assert!(matches!(error, GatewayError::Connect { .. }), "{error}");
    assert!(!world.vault.lease("me").unwrap().needs_reauthorization);
}
