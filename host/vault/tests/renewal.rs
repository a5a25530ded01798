//! What the host itself puts in a credential, on a store that can break off at any commit.

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use jackfield_store::{Bucket, MemoryStore, Store};
use jackfield_vault::{CredentialKind, Lease, Material, NewSource, Vault, VaultError, VersionState, net::Dialer};
use support::Killed;

const KIND: CredentialKind = CredentialKind::Oauth2User;

struct World {
    folder: tempfile::TempDir,
    store: Arc<MemoryStore>,
}

impl World {
    async fn new() -> (World, Vault) {
        let world = World { folder: tempfile::tempdir().unwrap(), store: Arc::new(MemoryStore::new()) };
        let kek = world.folder.path().join("kek");
        jackfield_vault::make_key_file(&kek).unwrap();
        let vault = load(world.store.clone()).await;
        vault.init(NewSource::File(kek)).await.unwrap();
        vault.set("me", KIND, &fields("refresh-1"), VersionState::Current).await.unwrap();
        (world, vault)
    }

    /// Another process.
    async fn again(&self, store: Arc<dyn Store>) -> Vault {
        let vault = load(store).await;
        vault.unlock(None).await.unwrap();
        vault
    }
}

async fn load(store: Arc<dyn Store>) -> Vault {
    Vault::load(store, Arc::new(Dialer::new())).await.unwrap()
}

fn fields(refresh_token: &str) -> Material {
    let url = "https://id.example/token";
    Material::new([("token-url", url), ("client-id", "me"), ("refresh-token", refresh_token)])
}

fn held(lease: &Lease) -> String {
    lease.material.text("refresh-token").unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_renewal_is_of_the_same_version_survives_a_restart_and_says_what_was_there() {
    let (world, vault) = World::new().await;
    let first = vault.lease("me").unwrap();
    vault.renew(&first, "refresh-2").await.unwrap();
    let second = vault.lease("me").unwrap();
    assert_eq!((held(&second).as_str(), second.version), ("refresh-2", 1));
    assert_eq!(held(&vault.look_again(&first).unwrap()), "refresh-2");
    vault.renew(&first, "refresh-2").await.unwrap();
    let late = vault.renew(&first, "refresh-3").await.unwrap_err();
    assert!(matches!(late, VaultError::Version { .. }), "{late}");
    let (_, secrets) = vault.secrets().unwrap();
    let secrets: Vec<String> = secrets.iter().map(held).collect();
    assert!(secrets.contains(&"refresh-1".into()), "the old one is looked for yet");

    vault.rekey(Vec::new()).await.unwrap();
    let other = world.again(world.store.clone()).await;
    assert_eq!(held(&other.lease("me").unwrap()), "refresh-2");
    let stored = world.store.get(Bucket::Vault, "credential/me").await.unwrap().unwrap();
    assert!(!String::from_utf8(stored.value.to_vec()).unwrap().contains("refresh-"));
}

#[tokio::test]
async fn what_was_sealed_before_a_renewal_does_not_open_in_its_place() {
    let (world, vault) = World::new().await;
    let record = async || {
        let stored = world.store.get(Bucket::Vault, "credential/me").await.unwrap().unwrap();
        serde_json::from_slice::<serde_json::Value>(&stored.value).unwrap()
    };
    let old = record().await;
    vault.renew(&vault.lease("me").unwrap(), "refresh-2").await.unwrap();
    let mut forged = record().await;
    forged["versions"][0]["sealed"] = old["versions"][0]["sealed"].clone();
    let value = serde_json::to_vec(&forged).unwrap();
    world.store.commit(vec![jackfield_store::Mutation::set(Bucket::Vault, "credential/me", value)]).await.unwrap();
    let other = world.again(world.store.clone()).await;
    assert!(matches!(other.lease("me"), Err(VaultError::Damaged(_))));
}

#[tokio::test]
async fn a_renewal_whose_commit_fails_is_said_again_whether_it_was_made_or_not() {
    for answer_lost in [false, true] {
        let (world, _) = World::new().await;
        let left = usize::from(answer_lost);
        let killed = Arc::new(Killed { store: world.store.clone(), left: AtomicUsize::new(left), answer_lost });
        let vault = world.again(killed.clone()).await;
        let lease = vault.lease("me").unwrap();
        assert!(matches!(vault.renew(&lease, "refresh-2").await, Err(VaultError::Store(_))));
        let now = held(&vault.lease("me").unwrap());
        assert_eq!(now, if answer_lost { "refresh-2" } else { "refresh-1" });
        killed.left.store(100, Ordering::SeqCst);
        vault.renew(&lease, "refresh-2").await.unwrap();
        vault.renew(&vault.look_again(&lease).unwrap(), "refresh-3").await.unwrap();
        assert_eq!(held(&world.again(world.store.clone()).await.lease("me").unwrap()), "refresh-3");
    }
}

#[tokio::test]
async fn a_refusal_is_remembered_for_what_was_refused_and_ends_with_a_new_consent() {
    let (world, vault) = World::new().await;
    let first = vault.lease("me").unwrap();
    vault.renew(&first, "refresh-2").await.unwrap();
    assert!(!vault.refuse(&first).await.unwrap(), "that one is not used any more");
    let second = vault.lease("me").unwrap();
    assert!(vault.refuse(&second).await.unwrap());
    assert!(!vault.refuse(&second).await.unwrap(), "it is news once");
    let vault = world.again(world.store.clone()).await;
    let lease = vault.lease("me").unwrap();
    assert!(lease.needs_reauthorization);
    assert!(vault.credential("me").unwrap().versions[0].needs_reauthorization_since.is_some());

    let version = vault.consented(&lease, "refresh-of-a-new-consent").await.unwrap();
    assert!(vault.lease("me").unwrap().needs_reauthorization, "it is staged");
    vault.promote("me", Some(version)).await.unwrap();
    let now = vault.lease("me").unwrap();
    assert_eq!((held(&now).as_str(), now.needs_reauthorization), ("refresh-of-a-new-consent", false));
    assert_eq!(now.material.text("client-id"), Some("me"));
    let stale = vault.consented(&lease, "x").await.unwrap_err();
    assert!(stale.to_string().contains("changed meanwhile"), "{stale}");
}

#[tokio::test]
async fn a_credential_without_a_consent_needs_one_and_one_of_the_same_name_is_another() {
    let (_world, vault) = World::new().await;
    let lease = vault.lease("me").unwrap();
    vault.delete("me").await.unwrap();
    let page = "https://id.example/auth?prompt=consent";
    let none =
        Material::new([("token-url", "https://id.example/token"), ("client-id", "me"), ("authorization-url", page)]);
    vault.set("me", KIND, &none, VersionState::Current).await.unwrap();
    assert!(vault.lease("me").unwrap().needs_reauthorization);
    for done in [vault.renew(&lease, "x").await, vault.refuse(&lease).await.map(drop)] {
        assert!(matches!(done, Err(VaultError::Version { .. })));
    }
}
