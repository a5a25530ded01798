//! The vault: its state, who opens it, and how it is closed. What is done with credentials is in `credentials`, how the
//! vault key is replaced in `rekey`.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use jackfield_net::Dialer;
use jackfield_store::{Bucket, Expect, Mutation, Store};
use serde::{Deserialize, Serialize};

use crate::{
    AllowedSources, Secret, VaultError,
    credential::{Material, Record},
    keep::Keeper,
    kek::{KeySource, NewSource},
    keyring::{Keyring, Keys, Slot},
    now_ms, pages,
    renewal::Before,
    source::Found,
    usage::Uses,
};

/// Where the keyring is stored, in [`Bucket::Vault`].
pub(crate) const KEYRING: &str = "keyring";
/// What names of credentials stand behind, in the same bucket.
pub(crate) const CREDENTIAL: &str = "credential/";

/// Credentials, sealed.
///
/// A vault is absent (none was made yet), sealed, or open. While it is sealed, names and versions can be listed and
/// nothing can be used. Any number of tasks may use it at once; changes are made one after another.
pub struct Vault {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) dialer: Arc<Dialer>,
    state: RwLock<State>,
    /// Grows whenever what secrets there are may have changed; asked far more often than it changes.
    epoch: AtomicU64,
    /// Held by who changes what is stored.
    pub(crate) turn: tokio::sync::Mutex<()>,
    pub(crate) uses: Mutex<Uses>,
    pub(crate) allowed: AllowedSources,
    /// What versions with sources held the last time, by the record's id and the version's number.
    pub(crate) found: Mutex<HashMap<(String, u64), Found>>,
    pub(crate) before: Mutex<Before>,
    /// What of them must be asked for.
    pub(crate) keeper: Arc<Keeper>,
}

/// What is known of what is stored.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) keyring: Option<(Arc<Keyring>, u64)>,
    pub(crate) keys: Option<Keys>,
    pub(crate) credentials: BTreeMap<String, Arc<Stored>>,
    /// What was opened since the vault was: by the record's id, the version's number, and how often that was renewed.
    pub(crate) opened: HashMap<(String, u64, u64), Arc<Material>>,
}

/// A credential as it is stored.
pub(crate) struct Stored {
    pub(crate) record: Record,
    pub(crate) revision: u64,
}

/// How a vault is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct VaultStatus {
    /// Absent, sealed or open.
    pub state: VaultState,
    /// What it is sealed with; any one of them opens it.
    pub keys: Vec<KeyInfo>,
    /// How often the vault key was made anew, the first time included.
    pub generation: u64,
    /// Whether something is still sealed under the vault key before this one.
    pub resealing: bool,
    /// How many credentials there are.
    pub credentials: u64,
    /// Whether the system keeps secrets out of swap. It may allow a process little locked memory (`ulimit -l`).
    pub locked_memory: bool,
}

/// Absent, sealed or open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VaultState {
    /// There is none yet.
    Absent,
    /// Nothing in it can be read.
    Sealed,
    /// Credentials can be used.
    Open,
}

/// A key source, without its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeyInfo {
    /// What it is called here.
    pub id: String,
    /// `passphrase`, `file`, `keyring`, `transit` or `aws-kms`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One phrase for a person, e.g. `the key file /etc/jackfield/kek`.
    pub place: String,
    /// When it was added, in milliseconds since 1970.
    pub created_at: i64,
}

impl Vault {
    /// The vault of a store, absent or sealed.
    pub async fn load(store: Arc<dyn Store>, dialer: Arc<Dialer>) -> Result<Self, VaultError> {
        let mut state = State::default();
        if let Some(stored) = store.get(Bucket::Vault, KEYRING).await? {
            state.keyring = Some((Arc::new(Keyring::read(&stored.value)?), stored.revision));
        }
        for (key, stored) in store.list(Bucket::Vault, CREDENTIAL, None, usize::MAX).await? {
            let name = key.strip_prefix(CREDENTIAL).unwrap_or(&key).to_owned();
            match serde_json::from_slice(&stored.value) {
                Ok(record) => {
                    state.credentials.insert(name, Arc::new(Stored { record, revision: stored.revision }));
                }
                Err(error) => {
                    tracing::error!(credential = name, %error, "a credential cannot be read; it was left as it is")
                }
            }
        }
        Ok(Self {
            keeper: Arc::new(Keeper::load(store.clone()).await?),
            store,
            dialer,
            state: RwLock::new(state),
            epoch: AtomicU64::new(0),
            turn: tokio::sync::Mutex::default(),
            uses: Mutex::default(),
            allowed: AllowedSources::default(),
            found: Mutex::default(),
            before: Mutex::default(),
        })
    }

    /// The same with fields that may come from elsewhere.
    ///
    /// Fails where a server's address or certificates cannot be used.
    pub fn allowing(self, allowed: AllowedSources) -> Result<Self, VaultError> {
        let keeper = Arc::into_inner(self.keeper).ok_or(VaultError::Conflict)?;
        let keeper = Arc::new(keeper.allowing(&allowed, &self.dialer)?);
        Ok(Self { allowed, keeper, ..self })
    }

    /// How it is.
    pub fn status(&self) -> VaultStatus {
        let state = self.read();
        let keyring = state.keyring.as_ref().map(|(keyring, _)| keyring);
        let info = |slot: &Slot| KeyInfo {
            id: slot.id.clone(),
            kind: slot.source.kind().to_owned(),
            place: slot.source.place(),
            created_at: slot.created_at,
        };
        VaultStatus {
            state: match (&keyring, &state.keys) {
                (None, _) => VaultState::Absent,
                (Some(_), None) => VaultState::Sealed,
                (Some(_), Some(_)) => VaultState::Open,
            },
            keys: keyring.iter().flat_map(|keyring| keyring.slots.iter().map(info)).collect(),
            generation: keyring.map_or(0, |keyring| keyring.generation),
            resealing: keyring.is_some_and(|keyring| keyring.previous.is_some()),
            credentials: state.credentials.len() as u64,
            locked_memory: pages::protected(),
        }
    }

    /// Whether what is in it can be used.
    pub fn is_open(&self) -> bool {
        self.read().keys.is_some()
    }

    /// Makes a vault that the source opens, and leaves it open.
    pub async fn init(&self, source: NewSource) -> Result<(), VaultError> {
        let _turn = self.turn.lock().await;
        if let Some((keyring, _)) = &self.read().keyring {
            return Err(VaultError::Exists(keyring.places()));
        }
        let (remembered, source) = source.prepare(&self.dialer).await?;
        let (mut keyring, keys) = Keyring::new()?;
        keyring.add(remembered, &*source, &keys.key, now_ms()).await?;
        self.commit_keyring(keyring, Expect::Absent).await?;
        self.write().keys = Some(keys);
        Ok(())
    }

    /// Opens the vault with whichever source is at hand: those that need nothing of a person, and passphrases if one is
    /// given. Opening what is open changes nothing.
    pub async fn unlock(&self, passphrase: Option<Secret>) -> Result<(), VaultError> {
        let passphrase = passphrase.map(Arc::new);
        let (keyring, _) = self.keyring()?;
        let mut failed = Vec::new();
        for slot in &keyring.slots {
            // A passphrase was given to be tried; and a file that happens to be there must not hide that it is wrong.
            if passphrase.is_some() && slot.source.kind() != "passphrase" {
                continue;
            }
            match self.try_slot(&keyring, slot, passphrase.as_ref()).await {
                Ok(Some(keys)) => {
                    let mut state = self.write();
                    // Unless the keyring was changed meanwhile, which only an open vault's can be.
                    if state.keys.is_none() && state.keyring.as_ref().is_some_and(|(now, _)| Arc::ptr_eq(now, &keyring))
                    {
                        state.keys = Some(keys);
                        self.moved_on();
                    }
                    return Ok(());
                }
                Ok(None) => failed.push(format!("{} was not given", slot.source.place())),
                Err(error) => failed.push(format!("{}: {error}", slot.source.place())),
            }
        }
        if passphrase.is_some() && failed.is_empty() {
            failed.push(format!("no passphrase opens it; it is sealed with {}", keyring.places()));
        }
        Err(VaultError::NotOpened(failed))
    }

    async fn try_slot(
        &self,
        keyring: &Keyring,
        slot: &Slot,
        passphrase: Option<&Arc<Secret>>,
    ) -> Result<Option<Keys>, VaultError> {
        match slot.source.source(passphrase, &self.dialer).await? {
            Some(source) => keyring.open(slot, &*source).await.map(Some),
            None => Ok(None),
        }
    }

    /// Closes the vault: from now on nothing in it can be used, and nothing of it is in memory once the requests under way
    /// have ended.
    pub async fn seal(&self) -> Result<(), VaultError> {
        let _turn = self.turn.lock().await;
        self.keyring()?;
        let mut state = self.write();
        state.keys = None;
        state.opened.clear();
        self.forget_found(|_, _| true);
        self.keeper.let_go(|_, _| true);
        self.moved_on();
        Ok(())
    }

    /// Has one more source open the vault.
    pub async fn add_key(&self, source: NewSource) -> Result<(), VaultError> {
        let _turn = self.turn.lock().await;
        let keys = self.keys()?;
        let (keyring, revision) = self.keyring()?;
        let (remembered, source) = source.prepare(&self.dialer).await?;
        let mut next = Keyring::clone(&keyring);
        next.add(remembered, &*source, &keys.key, now_ms()).await?;
        self.commit_keyring(next, Expect::Revision(revision)).await
    }

    /// Has a source no longer open the vault. Whoever has kept a copy of the data folder can still open that copy; a new
    /// vault key ([`Vault::rekey`]) keeps him out of whatever is sealed afterwards.
    pub async fn remove_key(&self, id: &str) -> Result<(), VaultError> {
        let _turn = self.turn.lock().await;
        self.keys()?;
        let (keyring, revision) = self.keyring()?;
        let mut next = Keyring::clone(&keyring);
        next.slots.retain(|slot| slot.id != id);
        match next.slots.len() {
            n if n == keyring.slots.len() => Err(VaultError::UnknownSource(id.chars().take(80).collect())),
            0 => Err(VaultError::LastSource),
            _ => self.commit_keyring(next, Expect::Revision(revision)).await,
        }
    }

    /// Every source of a keyring, in its order; an error where one is not at hand.
    pub(crate) async fn sources(
        &self,
        keyring: &Keyring,
        passphrases: &[Arc<Secret>],
    ) -> Result<Vec<Box<dyn KeySource>>, VaultError> {
        let (mut sources, mut missing) = (Vec::new(), Vec::new());
        for slot in &keyring.slots {
            match self.source_of(keyring, slot, passphrases).await {
                Some(source) => sources.push(source),
                None => missing.push(format!("{} (`{}`)", slot.source.place(), slot.id)),
            }
        }
        if missing.is_empty() { Ok(sources) } else { Err(VaultError::Unreachable(missing)) }
    }

    /// The source of a slot, if it opens it now.
    async fn source_of(
        &self,
        keyring: &Keyring,
        slot: &Slot,
        passphrases: &[Arc<Secret>],
    ) -> Option<Box<dyn KeySource>> {
        let given = passphrases.iter().map(Some).chain([None]);
        for passphrase in given {
            if let Ok(Some(source)) = slot.source.source(passphrase, &self.dialer).await
                && keyring.open(slot, &*source).await.is_ok()
            {
                return Some(source);
            }
        }
        None
    }

    /// Stores a keyring; whoever reads from now on sees it.
    pub(crate) async fn commit_keyring(&self, keyring: Keyring, expect: Expect) -> Result<(), VaultError> {
        let value = serde_json::to_vec(&keyring).map_err(|error| VaultError::Damaged(error.to_string()))?;
        let revision = self.store.commit(vec![Mutation::set(Bucket::Vault, KEYRING, value).expect(expect)]).await?;
        self.write().keyring = Some((Arc::new(keyring), revision));
        Ok(())
    }

    pub(crate) fn keyring(&self) -> Result<(Arc<Keyring>, u64), VaultError> {
        self.read().keyring.clone().ok_or(VaultError::Absent)
    }

    /// The vault keys, if it is open.
    /// Fails where it cannot be used now, and says why.
    pub fn require_open(&self) -> Result<(), VaultError> {
        self.keys().map(drop)
    }

    pub(crate) fn keys(&self) -> Result<Keys, VaultError> {
        let state = self.read();
        let (keyring, _) = state.keyring.as_ref().ok_or(VaultError::Absent)?;
        state.keys.clone().ok_or_else(|| VaultError::Sealed(keyring.places()))
    }

    /// A number that changes when the secrets that there are may have changed.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Says so. Called while the state is written, so that whoever reads the state next has read the number before or after.
    pub(crate) fn moved_on(&self) {
        self.epoch.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("status", &self.status()).finish_non_exhaustive()
    }
}
