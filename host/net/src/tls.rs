//! TLS: whom to trust, and what a failed handshake means. Trust is the system's roots, or for one endpoint exactly the
//! certificates its operator gave; a plugin has no say, and there is no way to turn verification off. Each sender has
//! a configuration of its own, so sessions are never resumed across integrations.

use std::sync::{Arc, OnceLock};

use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, ServerName,
    pem::{PemObject, SectionKind},
};

use crate::{Host, error::plain_words};

/// Why TLS was not agreed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The PEM text is not a list of certificates.
    #[error("the CA certificates cannot be used: {reason}")]
    BadPem {
        /// What is wrong with it.
        reason: String,
    },
    /// The PEM texts are not a certificate and its key.
    #[error("the client certificate cannot be used: {reason}")]
    BadIdentity {
        /// What is wrong, without what was given.
        reason: String,
    },
    /// The system has no roots.
    #[error(
        "this system has no trusted root certificates; install its ca-certificates package, or give the endpoint a CA of its own"
    )]
    NoRoots,
    /// The certificate's issuer is not trusted.
    #[error(
        "{host} has a certificate of an unknown issuer; if it is a private CA, give the endpoint that CA's certificate"
    )]
    UnknownIssuer {
        /// The host.
        host: String,
    },
    /// The certificate is no longer valid.
    #[error("the certificate of {host} has expired; renew it there, or set this machine's clock")]
    Expired {
        /// The host.
        host: String,
    },
    /// The certificate is not valid yet.
    #[error("the certificate of {host} is not valid yet; set this machine's clock, or the server's")]
    NotYetValid {
        /// The host.
        host: String,
    },
    /// The certificate is for other names.
    #[error("the certificate of {host} is not for that name{}; use a name it is for, or reissue it", names(presented))]
    WrongName {
        /// The host.
        host: String,
        /// The names it is for, where they are known.
        presented: Vec<String>,
    },
    /// The certificate is wrong in another way.
    #[error("the certificate of {host} is not acceptable: {reason}")]
    BadCertificate {
        /// The host.
        host: String,
        /// In what way.
        reason: String,
    },
    /// The server does not take this side's certificate, or wants one.
    #[error("{host} refuses the client certificate: {reason}")]
    ClientRefused {
        /// The host.
        host: String,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// What answers does not speak TLS.
    #[error("what answers at {host} does not speak TLS; is its address http:// rather than https://?")]
    NotTls {
        /// The host.
        host: String,
    },
    /// Anything else.
    #[error("no TLS connection to {host}: {reason}")]
    Handshake {
        /// The host.
        host: String,
        /// What was seen.
        reason: String,
    },
}

/// The system's roots, read once for all senders: that takes tens of milliseconds.
#[derive(Default)]
pub(crate) struct SystemRoots(OnceLock<Arc<RootCertStore>>);

impl SystemRoots {
    pub(crate) fn of(roots: RootCertStore) -> Self {
        Self(OnceLock::from(Arc::new(roots)))
    }

    fn get(&self) -> Arc<RootCertStore> {
        let load = || {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "a part of the system's root certificates cannot be read");
            }
            let mut roots = RootCertStore::empty();
            // Real systems carry a root or two that cannot be parsed; the others still count.
            roots.add_parsable_certificates(found.certs);
            Arc::new(roots)
        };
        self.0.get_or_init(load).clone()
    }
}

/// Who this side is to a server that asks: a certificate and its private key.
#[derive(Clone)]
pub struct ClientIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

impl ClientIdentity {
    /// Reads a chain of certificates, the client's own first, and the private key of the first, both PEM.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let bad = |reason: &str| TlsError::BadIdentity { reason: reason.to_owned() };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| bad("the chain is not PEM throughout"))?;
        if chain.is_empty() {
            return Err(bad("there is no `-----BEGIN CERTIFICATE-----` in the chain"));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| bad("the private key is not one in PEM"))?;
        let identity = Self { chain, key: Arc::new(key) };
        identity.resolve()?;
        Ok(identity)
    }

    /// The certificate with its key, if it is its key.
    fn resolve(&self) -> Result<CertifiedKey, TlsError> {
        let bad = |error: rustls::Error| TlsError::BadIdentity { reason: error.to_string() };
        let provider = rustls::crypto::ring::default_provider();
        let certified = CertifiedKey::from_der(self.chain.clone(), self.key.clone_key(), &provider).map_err(bad)?;
        Ok(certified)
    }
}

impl std::fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientIdentity").field("certificates", &self.chain.len()).finish_non_exhaustive()
    }
}

/// Sees that a PEM text is a list of certificates that can be trusted, and holds no private key.
pub fn check_roots(pem: &str) -> Result<(), TlsError> {
    parse_roots(pem).map(drop)
}

/// Whether a certificate can be for this name, or for this IP address.
pub fn is_server_name(name: &str) -> bool {
    ServerName::try_from(name).is_ok()
}

/// What a connection to one host needs for TLS.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) server_name: ServerName<'static>,
    /// The same for people.
    pub(crate) verified: String,
    pub(crate) has_roots: bool,
}

impl Tls {
    pub(crate) fn new(
        host: &Host,
        ca_pem: Option<&str>,
        server_name: Option<&str>,
        identity: Option<&ClientIdentity>,
        system: &SystemRoots,
    ) -> Result<Self, TlsError> {
        let roots = match ca_pem {
            Some(pem) => Arc::new(parse_roots(pem)?),
            None => system.get(),
        };
        let failed = |reason: String| TlsError::Handshake { host: host.to_string(), reason };
        let verified = server_name.map_or_else(|| host.to_string(), str::to_owned);
        let named = |name: &str| ServerName::try_from(name.to_owned()).map_err(|e| failed(e.to_string()));
        let server_name = match (server_name, host) {
            (Some(name), _) => named(name)?,
            (None, Host::Ip(ip)) => ServerName::IpAddress((*ip).into()),
            (None, Host::Name(name)) => named(name)?,
        };
        let has_roots = !roots.is_empty();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| failed(e.to_string()))?
            .with_root_certificates(roots);
        let mut config = match identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.resolve()?))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), server_name, verified, has_roots })
    }
}

/// Reads an operator's CA file. A private key in it is refused, since it has no business being stored here.
pub(crate) fn parse_roots(pem: &str) -> Result<RootCertStore, TlsError> {
    let bad = |reason: String| TlsError::BadPem { reason };
    let mut roots = RootCertStore::empty();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes()) {
        let number = roots.len() + 1;
        match section.map_err(|error| bad(format!("section {number} is not PEM: {error}")))? {
            (SectionKind::Certificate, der) => roots
                .add(CertificateDer::from(der))
                .map_err(|error| bad(format!("certificate {number} cannot be read: {error}")))?,
            (SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey, _) => {
                return Err(bad("there is a private key among them; give only certificates".into()));
            }
            _ => {}
        }
    }
    if roots.is_empty() {
        return Err(bad("there is no `-----BEGIN CERTIFICATE-----` in the text".into()));
    }
    Ok(roots)
}

/// What a failed handshake means.
pub(crate) fn explain(error: &std::io::Error, host: &str) -> TlsError {
    use rustls::Error as Tls;
    if let Some(refused) = refused(error, host) {
        return refused;
    }
    let host = host.to_owned();
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Tls>()) else {
        return TlsError::Handshake { host, reason: plain_words(error) };
    };
    match tls {
        Tls::InvalidCertificate(reason) => explain_certificate(reason, host),
        Tls::InvalidMessage(_) => TlsError::NotTls { host },
        other => TlsError::Handshake { host, reason: other.to_string() },
    }
}

/// Whether a server says that it does not take this side's certificate, or wants one. By TLS 1.3 it says so after this side
/// has begun to write, and all the same it has not read anything of what was written: it refuses the handshake.
pub(crate) fn refused(error: &std::io::Error, host: &str) -> Option<TlsError> {
    use rustls::AlertDescription as Alert;
    const UNACCEPTABLE: &str = "it is not acceptable there; see the server's log for why";
    const UNKNOWN: &str = "its issuer is not trusted there; have it issued by the server's CA";
    const REASONS: [(Alert, &str); 9] = [
        (Alert::CertificateRequired, "it demands one; bind a credential that has one to the endpoint"),
        (Alert::CertificateExpired, "it has expired, or is not valid yet; have another issued"),
        (Alert::CertificateRevoked, "it is revoked; have another issued"),
        (Alert::UnknownCA, UNKNOWN),
        // So is another CA of the same name, as for servers.
        (Alert::DecryptError, UNKNOWN),
        (Alert::BadCertificate, UNACCEPTABLE),
        (Alert::UnsupportedCertificate, UNACCEPTABLE),
        (Alert::CertificateUnknown, UNACCEPTABLE),
        (Alert::AccessDenied, UNACCEPTABLE),
    ];
    // By its words: HTTP/2 keeps nothing else of an error.
    let told = error.to_string();
    let (_, reason) = REASONS.iter().find(|(alert, _)| rustls::Error::AlertReceived(*alert).to_string() == told)?;
    Some(TlsError::ClientRefused { host: host.to_owned(), reason })
}

fn explain_certificate(reason: &CertificateError, host: String) -> TlsError {
    use CertificateError::*;
    match reason {
        // A bad signature is what another CA of the same name looks like, e.g. one that was set up anew.
        UnknownIssuer | BadSignature => TlsError::UnknownIssuer { host },
        Expired | ExpiredContext { .. } => TlsError::Expired { host },
        NotValidYet | NotValidYetContext { .. } => TlsError::NotYetValid { host },
        NotValidForName => TlsError::WrongName { host, presented: Vec::new() },
        NotValidForNameContext { presented, .. } => TlsError::WrongName { host, presented: presented.clone() },
        other => TlsError::BadCertificate { host, reason: other.to_string() },
    }
}

/// The certificate's names for an error: a stranger's text, so escaped and kept short.
fn names(presented: &[String]) -> String {
    let shown =
        presented.iter().take(4).map(|name| name.chars().take(80).flat_map(char::escape_default).collect::<String>());
    match shown.collect::<Vec<_>>() {
        none if none.is_empty() => String::new(),
        some => format!(" but for {}", some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_ca_file_is_refused_with_its_reason() {
        for (pem, expected) in [
            ("", "no `-----BEGIN CERTIFICATE-----`"),
            ("hello", "no `-----BEGIN CERTIFICATE-----`"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate 1 cannot be read"),
            ("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", "section 1 is not PEM"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "a private key"),
        ] {
            let error = parse_roots(pem).unwrap_err().to_string();
            assert!(error.contains(expected), "{pem:?}: {error}");
        }
    }
}
