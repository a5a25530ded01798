//! The vault key and who opens it. As in LUKS there is one key and several slots, each with the key wrapped by one source:
//! a source is added, removed or replaced without touching anything else.
//!
//! When the vault key itself is replaced, the new one is wrapped by every source and the old one sealed under the new, in
//! one commit. From then on the new one opens everything: what is still sealed under the old is resealed one by one, and
//! the old key is forgotten with the last. A crash at any point leaves a vault that every source opens.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use serde::{Deserialize, Serialize};

use crate::{
    Secret, VaultError,
    kek::{KeySource, Remembered},
    seal::{self, KEY},
};

/// The form of what is stored; another is not read.
const FORMAT: u32 = 1;

/// What is stored of the vault key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Keyring {
    format: u32,
    /// Random; what is sealed in one vault opens in no other.
    pub(crate) id: String,
    /// Grows with each new vault key.
    pub(crate) generation: u64,
    pub(crate) slots: Vec<Slot>,
    /// The key before this one, while something is still sealed under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<Previous>,
}

/// The vault key, wrapped by one source.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Slot {
    pub(crate) id: String,
    pub(crate) source: Remembered,
    /// Base64.
    wrapped: String,
    /// Milliseconds since 1970.
    pub(crate) created_at: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Previous {
    pub(crate) generation: u64,
    /// Base64.
    sealed: String,
}

/// Vault keys by generation: one, or two while the older is being replaced.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) generation: u64,
    pub(crate) key: Arc<Secret>,
    pub(crate) previous: Option<(u64, Arc<Secret>)>,
}

impl Keys {
    pub(crate) fn of(&self, generation: u64) -> Option<&Secret> {
        match &self.previous {
            _ if generation == self.generation => Some(&self.key),
            Some((previous, key)) if generation == *previous => Some(key),
            _ => None,
        }
    }
}

impl Keyring {
    /// A keyring without slots, and its key.
    pub(crate) fn new() -> Result<(Self, Keys), VaultError> {
        let key = Arc::new(Secret::random(KEY)?);
        let keyring = Self { format: FORMAT, id: random_id()?, generation: 1, slots: Vec::new(), previous: None };
        Ok((keyring, Keys { generation: 1, key, previous: None }))
    }

    pub(crate) fn read(stored: &[u8]) -> Result<Self, VaultError> {
        let keyring: Self = serde_json::from_slice(stored)
            .map_err(|error| VaultError::Damaged(format!("its keyring cannot be read ({error})")))?;
        if keyring.format != FORMAT {
            let reason = format!("its keyring is of format {}, and this Jackfield knows {FORMAT}", keyring.format);
            return Err(VaultError::Damaged(reason));
        }
        Ok(keyring)
    }

    /// Has one more source wrap the key.
    pub(crate) async fn add(
        &mut self,
        remembered: Remembered,
        source: &dyn KeySource,
        key: &Secret,
        now: i64,
    ) -> Result<(), VaultError> {
        let mut slot =
            Slot { id: random_id()?[..8].to_owned(), source: remembered, wrapped: String::new(), created_at: now };
        slot.wrapped = BASE64.encode(source.wrap(key, &self.bound(&slot, self.generation)?).await?);
        self.slots.push(slot);
        Ok(())
    }

    /// Has a source open its slot.
    pub(crate) async fn open(&self, slot: &Slot, source: &dyn KeySource) -> Result<Keys, VaultError> {
        let wrapped = BASE64.decode(&slot.wrapped).map_err(|_| VaultError::WrongKey)?;
        let key = source.unwrap(&wrapped, &self.bound(slot, self.generation)?).await?;
        if key.len() != KEY {
            return Err(VaultError::WrongKey);
        }
        let previous = match &self.previous {
            Some(previous) => {
                let sealed = BASE64.decode(&previous.sealed).ok();
                let opened =
                    sealed.and_then(|sealed| seal::open(&key, &self.bound_previous(previous.generation), &sealed).ok());
                let opened = opened.ok_or_else(|| VaultError::Damaged("its previous key does not open".into()))?;
                Some((previous.generation, Arc::new(opened)))
            }
            None => None,
        };
        Ok(Keys { generation: self.generation, key: Arc::new(key), previous })
    }

    /// The keyring with a new key, that each of the sources has wrapped. There are as many as slots, in their order.
    pub(crate) async fn renewed(
        &self,
        sources: &[Box<dyn KeySource>],
        keys: &Keys,
    ) -> Result<(Self, Keys), VaultError> {
        let key = Arc::new(Secret::random(KEY)?);
        let mut next = Self { generation: self.generation + 1, previous: None, ..self.clone() };
        let mut slots = next.slots.clone();
        for (slot, source) in slots.iter_mut().zip(sources) {
            slot.wrapped = BASE64.encode(source.wrap(&key, &next.bound(slot, next.generation)?).await?);
        }
        next.slots = slots;
        let sealed = seal::seal(&key, &next.bound_previous(self.generation), keys.key.expose())?;
        next.previous = Some(Previous { generation: self.generation, sealed: BASE64.encode(sealed) });
        let previous = Some((keys.generation, keys.key.clone()));
        Ok((next.clone(), Keys { generation: next.generation, key, previous }))
    }

    /// What a person is told of the sources.
    pub(crate) fn places(&self) -> String {
        self.slots.iter().map(|slot| slot.source.place()).collect::<Vec<_>>().join(" or ")
    }

    /// What a slot's key is bound to: this vault, this slot, this generation, and where the source is.
    fn bound(&self, slot: &Slot, generation: u64) -> Result<Vec<u8>, VaultError> {
        serde_json::to_vec(&("jackfield/vault-key/1", &self.id, &slot.id, generation, &slot.source))
            .map_err(|error| VaultError::Damaged(error.to_string()))
    }

    fn bound_previous(&self, generation: u64) -> Vec<u8> {
        format!("jackfield/previous-vault-key/1\0{}\0{generation}", self.id).into_bytes()
    }
}

/// Sixteen random bytes in hexadecimal.
pub(crate) fn random_id() -> Result<String, VaultError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| VaultError::Random(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
