//! A registry as it is asked: where it is, whether with TLS, and for what.

use http::Method;
use jackfield_net::{Address, Sender};
use url::Url;

use crate::{OciError, Repository, transport::Ask};

/// A registry that was named by the operator.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) registry: String,
    pub(crate) address: Address,
    pub(crate) url: Url,
    pub(crate) sender: Sender,
    /// Whether it is spoken to without TLS.
    pub(crate) plain: bool,
}

/// What is to be done, and where: what a token is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    repository: Repository,
    writes: bool,
}

impl Scope {
    pub(crate) fn reading(repository: &Repository) -> Self {
        Self { repository: repository.clone(), writes: false }
    }

    pub(crate) fn writing(repository: &Repository) -> Self {
        Self { repository: repository.clone(), writes: true }
    }

    /// As who gives tokens wants it.
    pub(crate) fn text(&self) -> String {
        format!("repository:{}:{}", self.repository.path(), if self.writes { "pull,push" } else { "pull" })
    }

    /// The error that it is not allowed.
    pub(crate) fn unauthorized(&self, reason: &str) -> OciError {
        OciError::Unauthorized {
            registry: self.repository.registry().to_owned(),
            action: format!("{} {}", if self.writes { "push to" } else { "pull from" }, self.repository.path()),
            reason: reason.to_owned(),
        }
    }

    /// A URL of this repository: `/v2/REPOSITORY/…`.
    pub(crate) fn url(&self, home: &Home, rest: &str) -> Result<Url, OciError> {
        let path = format!("/v2/{}/{rest}", self.repository.path());
        let place = Ask::new(Method::GET).place(&home.url);
        home.url.join(&path).map_err(|error| OciError::malformed(&place, error.to_string()))
    }
}
