//! What there is to look for: everything secret in the vault, as it is now.

use std::sync::{Arc, PoisonError, RwLock};

use jackfield_vault::Vault;

use super::Needles;
use crate::authority;

/// The secrets of a vault, looked up when they may have changed and made ready once for all who look for them. By default
/// there are none.
#[derive(Default)]
pub struct Known {
    vault: Option<Arc<Vault>>,
    ready: RwLock<(u64, Arc<Needles>)>,
}

impl Known {
    /// Those of a vault.
    pub fn of(vault: Arc<Vault>) -> Self {
        Self { vault: Some(vault), ready: RwLock::new((u64::MAX, Arc::default())) }
    }

    /// All of them, as of now. Those of a vault that is sealed cannot be told, and no request is made with them either.
    pub fn needles(&self) -> Arc<Needles> {
        let Some(vault) = &self.vault else { return Arc::default() };
        let epoch = vault.epoch();
        let (made, needles) = self.ready.read().unwrap_or_else(PoisonError::into_inner).clone();
        if made == epoch {
            return needles;
        }
        let Ok((epoch, leases)) = vault.secrets() else {
            let none: Arc<Needles> = Arc::default();
            *self.ready.write().unwrap_or_else(PoisonError::into_inner) = (epoch, none.clone());
            return none;
        };
        let secrets: Vec<_> = leases.iter().flat_map(authority::secrets).collect();
        let needles = Arc::new(Needles::new(secrets.iter().map(|secret| secret.as_bytes())));
        *self.ready.write().unwrap_or_else(PoisonError::into_inner) = (epoch, needles.clone());
        needles
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}
