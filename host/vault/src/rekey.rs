//! A new vault key, and with it new data keys, for all that there is. It can be interrupted anywhere: what is sealed under
//! the old key opens as long as there is anything of it, and whoever opens the vault next goes on.

use std::sync::Arc;

use jackfield_store::Expect;

use crate::{Secret, Vault, VaultError, vault::Stored};

impl Vault {
    /// Makes a new vault key, which every source wraps, and seals every credential anew. All sources must be at hand:
    /// `passphrases` are tried for those that are passphrases.
    pub async fn rekey(&self, passphrases: Vec<Secret>) -> Result<(), VaultError> {
        // What is sealed under the key before this one is brought up first: two keys at most are ever needed.
        self.reseal().await?;
        {
            let _turn = self.turn.lock().await;
            let keys = self.keys()?;
            let (keyring, revision) = self.keyring()?;
            let passphrases: Vec<Arc<Secret>> = passphrases.into_iter().map(Arc::new).collect();
            let sources = self.sources(&keyring, &passphrases).await?;
            let (next, keys) = keyring.renewed(&sources, &keys).await?;
            self.commit_keyring(next, Expect::Revision(revision)).await?;
            self.write().keys = Some(keys);
        }
        self.reseal().await
    }

    /// Seals anew whatever is still sealed under the vault key before this one, then forgets that key. One commit a
    /// credential, and others may change credentials between them.
    pub async fn reseal(&self) -> Result<(), VaultError> {
        if self.keys()?.previous.is_none() {
            return Ok(());
        }
        let names: Vec<String> = self.read().credentials.keys().cloned().collect();
        for name in names {
            let _turn = self.turn.lock().await;
            let keys = self.keys()?;
            let Ok(stored) = self.read().stored(&name) else { continue };
            let Stored { record, revision } = &*stored;
            let mut record = record.clone();
            if record.reseal(&keys)? {
                self.commit(&name, record, Expect::Revision(*revision)).await?;
            }
        }
        let _turn = self.turn.lock().await;
        let (keyring, revision) = self.keyring()?;
        let mut next = (*keyring).clone();
        next.previous = None;
        self.commit_keyring(next, Expect::Revision(revision)).await?;
        if let Some(keys) = &mut self.write().keys {
            keys.previous = None;
        }
        Ok(())
    }
}
