//! Who this side is to a registry. Credentials belong to one registry each, by its host, and are looked up when that
//! registry asks for them, so that a `docker login` counts without a restart. They are overwritten when they are no
//! longer needed, and neither errors nor `Debug` show them.

mod docker;
mod helper;

use std::{fmt, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::{OciError, reference::canonical_registry};

/// Where credentials for registries are found.
#[derive(Clone, Default)]
pub struct Credentials(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    None,
    Password {
        registry: String,
        credential: Credential,
    },
    Docker(PathBuf),
}

/// What a registry, or whoever gives tokens for it, wants to see.
#[derive(Clone)]
pub(crate) enum Credential {
    Password {
        user: String,
        password: Zeroizing<String>,
    },
    /// A refresh token, which only who gives tokens takes.
    IdentityToken(Zeroizing<String>),
}

impl Credentials {
    /// None: registries are asked as anybody.
    pub fn none() -> Self {
        Self::default()
    }

    /// A user and a password, or an access token in its place, for one registry (`ghcr.io`, `registry.example:5000`).
    pub fn password(registry: &str, user: &str, password: Zeroizing<String>) -> Result<Self, OciError> {
        let fail = |reason: String| OciError::Options { option: "credentials", reason };
        let registry = canonical_registry(registry).map_err(|error| fail(format!("the registry: {error}")))?;
        if user.is_empty() || user.contains(':') {
            return Err(fail("a user name is not empty and has no `:`".into()));
        }
        Ok(Self(Source::Password { registry, credential: Credential::Password { user: user.to_owned(), password } }))
    }

    /// Those of Docker: the file that `docker login`, `podman login --compat-auth-file` and `oras login` write, and the
    /// helpers that it names. A file that does not exist holds none.
    pub fn docker(file: impl Into<PathBuf>) -> Self {
        Self(Source::Docker(file.into()))
    }

    /// Those of Docker at their usual place: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. None where
    /// neither variable is set.
    pub fn docker_default() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = set("DOCKER_CONFIG").or_else(|| Some(set("HOME")?.join(".docker")));
        folder.map_or_else(Self::none, |folder| Self::docker(folder.join("config.json")))
    }

    /// Those for one registry.
    pub(crate) async fn for_registry(
        &self,
        registry: &str,
        patience: Duration,
    ) -> Result<Option<Credential>, OciError> {
        match &self.0 {
            Source::None => Ok(None),
            Source::Password { registry: own, credential } => Ok((own == registry).then(|| credential.clone())),
            Source::Docker(file) => docker::find(file, registry, patience).await,
        }
    }
}

impl Credential {
    /// As the header `authorization` has it; none for what is no password.
    pub(crate) fn basic(&self) -> Option<Zeroizing<String>> {
        let Self::Password { user, password } = self else { return None };
        let plain = Zeroizing::new([user.as_str(), ":", password.as_str()].concat());
        let encoded = Zeroizing::new(STANDARD.encode(plain.as_bytes()));
        Some(Zeroizing::new(["Basic ", encoded.as_str()].concat()))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::None => f.write_str("none"),
            Source::Password { registry, .. } => write!(f, "a password for {registry}"),
            Source::Docker(file) => write!(f, "those in {}", file.display()),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "a password",
            Self::IdentityToken(_) => "an identity token",
        })
    }
}
