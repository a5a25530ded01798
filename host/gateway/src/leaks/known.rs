//! What there is to look for: everything secret in the vault, as it is now.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use jackfield_vault::{Secret, Vault};

use super::Needles;
use crate::{Token, authority};

/// The secrets of a vault and the tokens they were exchanged for, looked up when they may have changed and made ready once
/// for all who look for them. By default there are none.
#[derive(Default)]
pub struct Known {
    vault: Option<Arc<Vault>>,
    /// As long as whoever exchanged them remembers them.
    tokens: Mutex<Vec<Weak<Token>>>,
    /// Secrets that are in no vault yet, as long as whoever made them has them.
    made: Mutex<Vec<Weak<Secret>>>,
    /// How many of both were ever learnt.
    learnt: AtomicU64,
    /// With the vault's epoch and the number of tokens that they were looked up at.
    ready: ArcSwap<(u64, u64, Arc<Needles>)>,
}

impl Known {
    /// Those of a vault.
    pub fn of(vault: Arc<Vault>) -> Self {
        let ready = ArcSwap::from_pointee((u64::MAX, 0, Arc::default()));
        Self { vault: Some(vault), tokens: Mutex::default(), made: Mutex::default(), learnt: AtomicU64::new(0), ready }
    }

    /// All of them, as of now. Those of a vault that is sealed cannot be told, and no request is made with them either.
    pub fn needles(&self) -> Arc<Needles> {
        self.with(Arc::clone)
    }

    /// The text with every secret in it redacted; none where there is none.
    pub fn redact(&self, text: &[u8]) -> Option<Vec<u8>> {
        self.with(|needles| needles.redact(text))
    }

    /// One more that is to be looked for.
    pub(crate) fn learn(&self, token: &Arc<Token>) {
        self.add(&self.tokens, token);
    }

    /// One more that is to be looked for, and is in no vault yet.
    pub fn learn_secret(&self, secret: &Arc<Secret>) {
        self.add(&self.made, secret);
    }

    fn add<T>(&self, known: &Mutex<Vec<Weak<T>>>, new: &Arc<T>) {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|known| known.strong_count() > 0);
        known.push(Arc::downgrade(new));
        self.learnt.fetch_add(1, Ordering::Release);
    }

    /// Does something with all of them, as of now. Every answer passes here, each piece of it: no count is written that other
    /// processors write too.
    pub(crate) fn with<R>(&self, use_them: impl FnOnce(&Arc<Needles>) -> R) -> R {
        let ready = self.ready.load();
        let stale = |vault: &Vault| vault.epoch() != ready.0 || self.learnt.load(Ordering::Acquire) != ready.1;
        match &self.vault {
            Some(vault) if stale(vault) => {
                drop(ready);
                use_them(&self.look_up(vault))
            }
            _ => use_them(&ready.2),
        }
    }

    fn look_up(&self, vault: &Vault) -> Arc<Needles> {
        let (epoch, learnt) = (vault.epoch(), self.learnt.load(Ordering::Acquire));
        // Of a vault that is sealed nothing can be told; what was made of it and is still here can.
        let (epoch, leases) = vault.secrets().unwrap_or((epoch, Vec::new()));
        let secrets: Vec<_> = leases.iter().flat_map(authority::secrets).collect();
        let (tokens, made) = (alive(&self.tokens), alive(&self.made));
        let tokens = tokens.iter().flat_map(|token| token.secrets()).map(str::as_bytes);
        let made = made.iter().map(|secret| secret.expose());
        let all = secrets.iter().map(|secret| secret.as_bytes()).chain(tokens).chain(made);
        let needles = Arc::new(Needles::new(all));
        self.ready.store(Arc::new((epoch, learnt, needles.clone())));
        needles
    }
}

fn alive<T>(known: &Mutex<Vec<Weak<T>>>) -> Vec<Arc<T>> {
    known.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect()
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}
