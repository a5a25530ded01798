//! What must be asked for: one secret, of which fields of a credential are parts. Fields of the same origin in one version
//! are asked for once, together: a user name of one lease and the password of another would fit nobody.

use std::{fmt, time::Duration};

use super::bao::BaoPath;
use crate::Material;

/// One secret elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// A path of an OpenBao.
    Bao(BaoPath),
    /// A command, by its name.
    Command(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bao(path) => write!(f, "{path}"),
            Self::Command(name) => write!(f, "the command `{name}`"),
        }
    }
}

/// What was given.
pub(crate) struct Drawn {
    /// The fields that were asked for.
    pub(crate) fields: Material,
    /// How long it is good for, where that was said.
    pub(crate) life: Option<Duration>,
    /// After how long it is worth asking again, where it does not end.
    pub(crate) again: Option<Duration>,
    /// What must be given back.
    pub(crate) lease: Option<Granted>,
}

/// A lease, as who granted it names it.
#[derive(Clone)]
pub(crate) struct Granted {
    pub(crate) id: String,
    pub(crate) renewable: bool,
    /// How long it was granted for.
    pub(crate) life: Duration,
    /// Which of the host's logins it was granted to: it ends with that.
    pub(crate) login: u64,
}

/// Why nothing was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another time, perhaps.
    Away(String),
    /// There is no such thing (any more).
    Gone(String),
}

impl Refusal {
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Away(reason) | Self::Gone(reason) => reason,
        }
    }
}

/// A lease that was renewed.
pub(crate) struct Renewed {
    /// How long it is good for now.
    pub(crate) life: Duration,
    /// Renewing it again is of use: it can be, and was not given less because its longest life comes to an end.
    pub(crate) again: bool,
}
