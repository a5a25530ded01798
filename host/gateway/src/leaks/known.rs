//! What there is to look for: everything secret in the vault, as it is now.

use std::sync::Arc;

use arc_swap::ArcSwap;
use jackfield_vault::Vault;

use super::Needles;
use crate::authority;

/// The secrets of a vault, looked up when they may have changed and made ready once for all who look for them. By default
/// there are none.
#[derive(Default)]
pub struct Known {
    vault: Option<Arc<Vault>>,
    /// With the vault's epoch that they were looked up in.
    ready: ArcSwap<(u64, Arc<Needles>)>,
}

impl Known {
    /// Those of a vault.
    pub fn of(vault: Arc<Vault>) -> Self {
        Self { vault: Some(vault), ready: ArcSwap::from_pointee((u64::MAX, Arc::default())) }
    }

    /// All of them, as of now. Those of a vault that is sealed cannot be told, and no request is made with them either.
    pub fn needles(&self) -> Arc<Needles> {
        self.with(Arc::clone)
    }

    /// The text with every secret in it redacted; none where there is none.
    pub fn redact(&self, text: &[u8]) -> Option<Vec<u8>> {
        self.with(|needles| needles.redact(text))
    }

    /// Every answer passes here: no count is written that other processors write too.
    fn with<R>(&self, use_them: impl FnOnce(&Arc<Needles>) -> R) -> R {
        let ready = self.ready.load();
        match &self.vault {
            Some(vault) if vault.epoch() != ready.0 => {
                drop(ready);
                use_them(&self.look_up(vault))
            }
            _ => use_them(&ready.1),
        }
    }

    fn look_up(&self, vault: &Vault) -> Arc<Needles> {
        let epoch = vault.epoch();
        let (epoch, needles) = match vault.secrets() {
            Ok((epoch, leases)) => {
                let secrets: Vec<_> = leases.iter().flat_map(authority::secrets).collect();
                (epoch, Arc::new(Needles::new(secrets.iter().map(|secret| secret.as_bytes()))))
            }
            Err(_) => (epoch, Arc::default()),
        };
        self.ready.store(Arc::new((epoch, needles.clone())));
        needles
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}
