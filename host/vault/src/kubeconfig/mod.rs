//! Kubeconfigs: one text that says where a cluster is, whom to trust there, and who one is. As a credential it is the most
//! dangerous of all, since it was made for a program that a person runs: it can name a proxy, switch verification off, name any
//! file of the machine and have commands run. So it is read here in full, by a parser that expands nothing, and whatever the host
//! would not do is refused when the credential is set, with what to write instead. What is left is a value of plain parts: an
//! address, certificates, a token or a password, and as whom to act.
//!
//! Of a text with many contexts only the chosen one is kept ([`minify`]).

mod chosen;
mod entry;
mod error;
mod exec;
mod minify;
#[cfg(test)]
mod tests;
mod yaml;

use std::fmt;

use jackfield_net::{Address, ClientIdentity, check_roots};
use zeroize::Zeroizing;

pub use error::KubeconfigError;
pub use minify::{FileRead, minify};

use self::{
    chosen::{Chosen, Part},
    yaml::Node,
};
use crate::Material;

/// What is said where a file is named: by the time the host reads this, it is on another machine than the file.
const NAMES_A_FILE: &str = "names a file, and the host reads none of them: `jackfield credential set NAME --type kubeconfig \
                            --file config=PATH` puts what they hold in, as does `kubectl config view --raw --flatten --minify`";

/// One context of a kubeconfig, of which every part can be used.
pub struct Kubeconfig {
    /// The context's name.
    pub context: String,
    /// The user's name.
    pub user: String,
    /// Where the cluster is.
    pub server: Address,
    /// The certificates to trust there instead of the system's, PEM.
    pub ca_pem: Option<String>,
    /// The name that the server's certificate must be for, where it is not the address's.
    pub tls_server_name: Option<String>,
    /// What is shown in the handshake.
    pub certificate: Option<Certificate>,
    /// What goes with each request.
    pub login: Option<KubeLogin>,
    /// As whom it acts.
    pub acts_as: Option<Impersonation>,
    /// What else of it is secret, and not used.
    unused: Vec<Zeroizing<String>>,
}

/// A client certificate, and its private key, both PEM.
pub struct Certificate {
    /// The chain, the client's own first.
    pub chain: Zeroizing<String>,
    /// The key.
    pub key: Zeroizing<String>,
}

/// What is used instead of what a kubeconfig says of its user: it comes from elsewhere, and may change while the text does not.
#[derive(Clone, Copy, Default)]
pub struct Instead<'m> {
    /// A token.
    pub token: Option<&'m str>,
    /// A chain of certificates and its private key, both PEM; neither without the other.
    pub certificate: Option<(&'m str, &'m str)>,
}

/// How requests are authenticated by what they carry.
pub enum KubeLogin {
    /// By a token.
    Token(Zeroizing<String>),
    /// By a user name and a password.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: Zeroizing<String>,
    },
}

/// As whom a user acts (Kubernetes' user impersonation).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impersonation {
    /// The user.
    pub user: String,
    /// The user's ID.
    pub uid: Option<String>,
    /// The groups.
    pub groups: Vec<String>,
    /// What else is said of the user, each with its values.
    pub extra: Vec<(String, Vec<String>)>,
}

impl Kubeconfig {
    /// Reads a text: of its contexts the named one, or else its current one. What is given `instead` is used in place of what the
    /// text has of that kind, of a `tokenFile` and of an `exec`.
    pub fn parse(text: &str, context: Option<&str>, instead: Instead<'_>) -> Result<Self, KubeconfigError> {
        let mut chosen = Chosen::read(&Node::parse(text)?, context)?;
        let unused = replace(&mut chosen, instead)?;
        let ca_pem = match chosen.authority.take() {
            None => None,
            Some(Part::File) => return Err(chosen.unreachable(format!("`certificate-authority`: {NAMES_A_FILE}"))),
            Some(Part::Here(pem)) => {
                check_roots(&pem).map_err(|_| {
                    chosen.unreachable(
                        "`certificate-authority-data`: is no list of certificates (PEM, and nothing else, in base64)",
                    )
                })?;
                Some(pem.to_string())
            }
        };
        if let Some(name) = &chosen.tls_server_name
            && !jackfield_net::is_server_name(name)
        {
            return Err(chosen.unreachable("`tls-server-name`: is neither a name nor an IP address"));
        }
        let certificate = certificate(&mut chosen)?;
        let login = login(&mut chosen)?;
        if certificate.is_none() && login.is_none() {
            return Err(chosen.unfit(
                "has neither a client certificate nor a token nor a user name and a password, so there is nothing to \
                 authenticate with",
            ));
        }
        let Chosen { context, user, server, tls_server_name, acts_as, .. } = chosen;
        Ok(Self { context, user, server, ca_pem, tls_server_name, certificate, login, acts_as, unused })
    }

    /// The one that a credential holds.
    pub fn of(material: &Material) -> Result<Self, KubeconfigError> {
        let field = |name| material.text(name);
        let certificate = match (field("certificate"), field("private-key")) {
            (None, None) => None,
            (Some(chain), Some(key)) => Some((chain, key)),
            _ => {
                return Err(KubeconfigError::Field {
                    place: "the fields `certificate` and `private-key`".into(),
                    reason: "go together; give both or neither".into(),
                });
            }
        };
        let instead = Instead { token: field("token"), certificate };
        Self::parse(field("config").unwrap_or_default(), field("context"), instead)
    }

    /// Who it is in TLS.
    pub fn identity(&self) -> Option<ClientIdentity> {
        // It was one when it was read.
        let Certificate { chain, key } = self.certificate.as_ref()?;
        ClientIdentity::from_pem(chain.as_bytes(), key.as_bytes()).ok()
    }

    /// Whether requests to an address go to the cluster's server, or to what is below its path.
    pub fn covers(&self, address: &Address) -> bool {
        let (server, path) = (&self.server, address.base_path());
        let below = path.strip_prefix(server.base_path()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let place = |address: &Address| (address.is_tls(), address.host().cloned(), address.port());
        place(server) == place(address) && address.socket().is_none() && below
    }

    /// Everything in it that is secret, used or not. Neither where the cluster is nor whom to trust there.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let login = match &self.login {
            None => None,
            Some(KubeLogin::Token(secret) | KubeLogin::Basic { password: secret, .. }) => Some(secret.as_str()),
        };
        let key = self.certificate.as_ref().map(|certificate| certificate.key.as_str());
        login.into_iter().chain(key).chain(self.unused.iter().map(|secret| secret.as_str()))
    }

    /// How it authenticates, in a phrase.
    pub fn authentication(&self) -> String {
        let login = match &self.login {
            None => None,
            Some(KubeLogin::Token(_)) => Some("a bearer token"),
            Some(KubeLogin::Basic { .. }) => Some("a user name and a password"),
        };
        let certificate = self.certificate.as_ref().map(|_| "a client certificate");
        let ways: Vec<_> = certificate.into_iter().chain(login).collect();
        let acting = self.acts_as.as_ref().map(|other| format!(", acting as {}", error::shown(&other.user)));
        format!("{}{}", ways.join(" and "), acting.unwrap_or_default())
    }
}

/// Puts in what is used instead of what was chosen; what was secret in that, and is not used. A command or a file that would have
/// given something is refused where nothing is.
fn replace(chosen: &mut Chosen, instead: Instead<'_>) -> Result<Vec<Zeroizing<String>>, KubeconfigError> {
    let Instead { token, certificate } = instead;
    let mut unused = Vec::new();
    if let Some(exec) = chosen.exec.take() {
        if token.is_none() && certificate.is_none() && chosen.token.is_none() {
            return Err(chosen.unfit(format!(
                "`exec`: an exec plugin needs an allowed command, and the host runs none that a text names, {} or another; \
                 allow one with `--secrets-command NAME=/PROGRAM …` where the host is started, and have what it gives used: \
                 `--from token=command:NAME`, or `--from certificate=command:NAME#clientCertificateData --from \
                 private-key=command:NAME#clientKeyData`",
                error::shown(&exec.command)
            )));
        }
        unused.extend(exec.values);
    }
    if chosen.has_token_file && token.is_none() {
        return Err(chosen.unfit(
            "`tokenFile`: names a file of another machine; where the host itself can read the file name it with `--from \
             token=file:PATH` (see `--secrets-dir`)",
        ));
    }
    if let Some(token) = token {
        unused.extend(chosen.token.replace(Zeroizing::new(token.to_owned())));
    }
    if let Some((chain, key)) = certificate {
        let here = |text: &str| Some(Part::Here(Zeroizing::new(text.to_owned())));
        chosen.certificate = here(chain);
        if let Some(Part::Here(key)) = std::mem::replace(&mut chosen.key, here(key)) {
            unused.push(key);
        }
    }
    Ok(unused)
}

/// The client certificate, whose key must be its key.
fn certificate(chosen: &mut Chosen) -> Result<Option<Certificate>, KubeconfigError> {
    let (chain, key) = match (chosen.certificate.take(), chosen.key.take()) {
        (None, None) => return Ok(None),
        (Some(Part::Here(chain)), Some(Part::Here(key))) => (chain, key),
        (Some(Part::File), _) => return Err(chosen.unfit(format!("`client-certificate`: {NAMES_A_FILE}"))),
        (_, Some(Part::File)) => return Err(chosen.unfit(format!("`client-key`: {NAMES_A_FILE}"))),
        (Some(_), None) => return Err(chosen.unfit("has a client certificate without `client-key-data`")),
        (None, Some(_)) => return Err(chosen.unfit("has a client key without `client-certificate-data`")),
    };
    ClientIdentity::from_pem(chain.as_bytes(), key.as_bytes()).map_err(|error| chosen.unfit(error.to_string()))?;
    if let Some(ended) = crate::certificate::ends_at(&chain).filter(|end| *end < crate::now_ms()) {
        let day = crate::certificate::day(ended);
        return Err(chosen.unfit(format!("has a client certificate that ended on {day}; have another issued")));
    }
    Ok(Some(Certificate { chain, key }))
}

/// What goes with each request: one thing, and such that a header can carry it.
fn login(chosen: &mut Chosen) -> Result<Option<KubeLogin>, KubeconfigError> {
    let fits = |text: &str| text.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
    match (chosen.token.take(), chosen.username.take(), chosen.password.take()) {
        (None, None, None) => Ok(None),
        (Some(token), None, None) if fits(&token) => Ok(Some(KubeLogin::Token(token))),
        (Some(_), None, None) => Err(chosen.unfit("`token`: holds a character that headers cannot carry")),
        (Some(_), ..) => Err(chosen.unfit("has a token and a user name or a password; leave one of them out")),
        (None, Some(username), Some(password)) => {
            // RFC 7617: the first colon ends the user name.
            match username.contains(':') {
                true => Err(chosen.unfit("`username`: holds a colon, which a user name cannot")),
                false => Ok(Some(KubeLogin::Basic { username, password })),
            }
        }
        (None, Some(_), None) => Err(chosen.unfit("has a `username` without a `password`")),
        (None, None, Some(_)) => Err(chosen.unfit("has a `password` without a `username`")),
    }
}

impl fmt::Debug for Kubeconfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubeconfig").field("server", &self.server).finish_non_exhaustive()
    }
}
