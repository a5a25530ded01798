//! A vault as its host uses it, on a store that can break off at any commit.

mod support;

use std::sync::{Arc, atomic::AtomicUsize};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jackfield_store::{Bucket, MemoryStore, Mutation, Store};
use jackfield_vault::{
    CredentialKind, Material, NewSource, Secret, Vault, VaultError, VaultState, VersionState, net::Dialer,
};
use support::Killed;

async fn vault(store: Arc<dyn Store>) -> Vault {
    Vault::load(store, Arc::new(Dialer::new())).await.unwrap()
}

fn key_file(folder: &tempfile::TempDir) -> NewSource {
    let path = folder.path().join("kek");
    jackfield_vault::make_key_file(&path).unwrap();
    NewSource::File(path)
}

fn token(value: &str) -> Material {
    Material::new([("token", value)])
}

fn phrase(text: &str) -> Secret {
    text.to_owned().into()
}

async fn set(vault: &Vault, name: &str, value: &str) -> u64 {
    vault.set(name, CredentialKind::Bearer, &token(value), VersionState::Current).await.unwrap()
}

fn used(vault: &Vault, name: &str) -> Result<String, String> {
    let lease = vault.lease(name).map_err(|error| error.to_string())?;
    Ok(lease.material.text("token").unwrap_or_default().to_owned())
}

/// Everything a store holds, as bytes.
async fn everything(store: &dyn Store) -> Vec<u8> {
    let mut all = Vec::new();
    for bucket in Bucket::ALL {
        for (key, record) in store.list(bucket, "", None, usize::MAX).await.unwrap() {
            all.extend(key.into_bytes());
            all.extend(record.value);
        }
    }
    all
}

#[tokio::test]
async fn what_is_stored_holds_no_secret_in_any_form_and_opens_with_the_passphrase_only() {
    const CANARY: &str = "canary-5f0c-do-not-leak";
    let store = Arc::new(MemoryStore::new());
    let first = vault(store.clone()).await;
    first.init(NewSource::Passphrase(phrase("correct horse battery"))).await.unwrap();
    set(&first, "prom", CANARY).await;
    let stored = everything(&*store).await;
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let base64 = BASE64_STANDARD.encode(CANARY);
    for form in [CANARY, &hex, base64.trim_end_matches('='), "correct horse battery"] {
        assert!(!stored.windows(form.len()).any(|window| window == form.as_bytes()), "{form}");
    }

    let second = vault(store.clone()).await;
    assert_eq!(second.status().state, VaultState::Sealed);
    assert!(matches!(second.unlock(None).await, Err(VaultError::NotOpened(_))));
    assert!(matches!(second.unlock(Some(phrase("correct horse bakery"))).await, Err(VaultError::NotOpened(_))));
    assert!(used(&second, "prom").unwrap_err().contains("jackfield vault unlock"));
    assert_eq!(second.credentials().len(), 1, "names are known while it is sealed");
    second.unlock(Some(phrase("correct horse battery"))).await.unwrap();
    assert_eq!(used(&second, "prom").unwrap(), CANARY);
    second.seal().await.unwrap();
    assert!(used(&second, "prom").is_err());
}

#[tokio::test]
async fn any_of_several_sources_opens_a_vault_and_one_that_is_removed_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let first = vault(store.clone()).await;
    first.init(key_file(&folder)).await.unwrap();
    set(&first, "prom", "token-one").await;
    first.add_key(NewSource::Passphrase(phrase("correct horse battery"))).await.unwrap();

    for passphrase in [None, Some(phrase("correct horse battery"))] {
        let other = vault(store.clone()).await;
        other.unlock(passphrase).await.unwrap();
        assert_eq!(used(&other, "prom").unwrap(), "token-one");
    }
    let keys = first.status().keys;
    first.remove_key(&keys[0].id).await.unwrap();
    let other = vault(store.clone()).await;
    assert!(other.unlock(None).await.is_err(), "the file opens it no more");
    assert!(matches!(first.remove_key(&keys[1].id).await, Err(VaultError::LastSource)));
    assert!(matches!(first.remove_key("nobody").await, Err(VaultError::UnknownSource(_))));
}

#[tokio::test]
async fn a_rekey_that_is_killed_at_any_commit_loses_nothing_and_is_finished_by_the_next_who_opens() {
    const NAMES: [&str; 3] = ["a", "b", "c"];
    for answer_lost in [false, true] {
        let mut steps = 0;
        for commits in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let store = Arc::new(MemoryStore::new());
            let first = vault(store.clone()).await;
            first.init(key_file(&folder)).await.unwrap();
            for name in NAMES {
                set(&first, name, &format!("old-{name}")).await;
                set(&first, name, &format!("token-{name}")).await;
            }
            let before = everything(&*store).await;

            let killed = Killed { store: store.clone(), left: AtomicUsize::new(commits), answer_lost };
            let dying = vault(Arc::new(killed)).await;
            dying.unlock(None).await.unwrap();
            let ended = dying.rekey(Vec::new()).await;
            steps = commits;

            let next = vault(store.clone()).await;
            next.unlock(None).await.unwrap();
            for name in NAMES {
                assert_eq!(used(&next, name).unwrap(), format!("token-{name}"), "after {commits} commits");
            }
            next.reseal().await.unwrap();
            let status = next.status();
            assert!(!status.resealing);
            assert_eq!(status.generation, if commits == 0 { 1 } else { 2 });
            for name in NAMES {
                assert_eq!(used(&next, name).unwrap(), format!("token-{name}"));
                next.rollback(name).await.unwrap();
                assert_eq!(used(&next, name).unwrap(), format!("old-{name}"));
            }
            std::fs::remove_file(folder.path().join("kek")).unwrap();
            let without = vault(store.clone()).await;
            assert!(without.unlock(None).await.is_err(), "there is no way in without the key");
            if ended.is_ok() {
                assert_ne!(before, everything(&*store).await);
                break;
            }
        }
        assert!(steps >= NAMES.len() + 2, "one commit for the key, one a credential, one to end: {steps}");
    }
}

#[tokio::test]
async fn a_rekey_needs_every_source_and_says_which_one_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let vault = vault(store.clone()).await;
    vault.init(key_file(&folder)).await.unwrap();
    vault.add_key(NewSource::Passphrase(phrase("correct horse battery"))).await.unwrap();
    let error = vault.rekey(Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("a passphrase"), "{error}");
    assert_eq!(vault.status().generation, 1);
    vault.rekey(vec![phrase("correct horse battery")]).await.unwrap();
    assert_eq!(vault.status().generation, 2);
}

#[tokio::test]
async fn versions_are_staged_promoted_rolled_back_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(Arc::new(MemoryStore::new())).await;
    vault.init(key_file(&folder)).await.unwrap();
    set(&vault, "prom", "one-token").await;
    let staged = vault.set("prom", CredentialKind::Bearer, &token("two-token"), VersionState::Staged).await.unwrap();
    assert_eq!((staged, used(&vault, "prom").unwrap().as_str()), (2, "one-token"));
    assert_eq!(vault.lease_in("prom", VersionState::Staged).unwrap().material.text("token"), Some("two-token"));
    vault.promote("prom", None).await.unwrap();
    assert_eq!(used(&vault, "prom").unwrap(), "two-token");
    vault.rollback("prom").await.unwrap();
    assert_eq!(used(&vault, "prom").unwrap(), "one-token");
    assert!(vault.revoke("prom", 1).await.unwrap_err().to_string().contains("promote another first"));
    vault.revoke("prom", 2).await.unwrap();
    assert!(vault.promote("prom", Some(2)).await.unwrap_err().to_string().contains("revoked"));
    let info = vault.credential("prom").unwrap();
    assert_eq!(
        info.versions.iter().map(|v| v.state).collect::<Vec<_>>(),
        [VersionState::Current, VersionState::Revoked]
    );
    assert_eq!(info.versions[0].uses, 2, "each use is counted by its version");
    vault.delete("prom").await.unwrap();
    assert!(used(&vault, "prom").unwrap_err().contains("there is no credential `prom`"));
}

#[tokio::test]
async fn what_was_sealed_for_one_credential_or_version_opens_as_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let first = vault(store.clone()).await;
    first.init(key_file(&folder)).await.unwrap();
    set(&first, "a", "token-a").await;
    set(&first, "a", "token-aa").await;
    set(&first, "b", "token-b").await;
    let read = async |name: &str| -> serde_json::Value {
        let stored = store.get(Bucket::Vault, &format!("credential/{name}")).await.unwrap().unwrap();
        serde_json::from_slice(&stored.value).unwrap()
    };
    let (a, b) = (read("a").await, read("b").await);
    let mut swapped = a.clone();
    swapped["versions"][1]["sealed"] = b["versions"][0]["sealed"].clone();
    let mut older = a.clone();
    older["versions"][1]["sealed"] = a["versions"][0]["sealed"].clone();
    for forged in [swapped, older] {
        let value = serde_json::to_vec(&forged).unwrap();
        store.commit(vec![Mutation::set(Bucket::Vault, "credential/a", value)]).await.unwrap();
        let other = vault(store.clone()).await;
        other.unlock(None).await.unwrap();
        assert!(used(&other, "a").unwrap_err().contains("does not open"));
        assert_eq!(used(&other, "b").unwrap(), "token-b");
    }
}
