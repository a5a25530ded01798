//! What can be wrong with a kubeconfig, by the context, cluster or user and the field it is in. No variant can hold a value.

/// Why a kubeconfig cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KubeconfigError {
    /// It is not YAML, or YAML that is not read here.
    #[error("line {line}: {reason}")]
    Yaml {
        /// Where.
        line: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// There is no such context.
    #[error("{missing}; it has {known}")]
    Context {
        /// Which there is not.
        missing: String,
        /// Those that there are.
        known: String,
    },
    /// Something in it cannot be used.
    #[error("{place}: {reason}")]
    Field {
        /// Which entry, and the field of it.
        place: String,
        /// Why not, and what to do.
        reason: String,
    },
}

/// A name as it is told: one that may be a context's name at all, and never a part of one.
pub(super) fn shown(name: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.@:/+=".contains(c);
    if !name.is_empty() && name.len() <= 200 && name.chars().all(is_name) {
        format!("`{name}`")
    } else {
        "(whose name is not shown)".to_owned()
    }
}
