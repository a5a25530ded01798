//! How an endpoint's requests are authenticated: which credential, and where in the request it goes. The operator binds
//! it; the guest can neither see nor choose it, nor set what it sets. It is applied to the finished request, after every
//! check and right before sending, and belongs to the addresses of its endpoint alone: a redirect is a response, and in
//! clear it is sent only where the operator allowed that.

use std::{
    fmt,
    sync::Arc,
    time::{Instant, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use jackfield_net::{Address, ClientIdentity};
use jackfield_sigv4::{self as sigv4, Payload, Signer};
use jackfield_vault::{CredentialKind, Lease, Vault, kubeconfig::Kubeconfig};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::{Zeroize as _, Zeroizing};

use crate::{
    GatewayError, headers, kube,
    tokens::{self, Login, Token, Tokens, UserTokens, Way},
};

/// What the operator says of an endpoint's credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The credential's name.
    pub credential: String,
    /// Where an API key goes, or what AWS signatures are for. The other types have a place of their own.
    pub place: Option<Place>,
    /// It may travel in clear.
    pub allow_plain_http: bool,
}

/// Where a credential goes, or what is signed with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a header, behind a word such as `Token ` where one is given.
    Header {
        /// The header.
        name: String,
        /// What stands before the key.
        prefix: Option<String>,
    },
    /// In a parameter of the query.
    Query(String),
    /// Nowhere: requests to this service are signed with it.
    Aws {
        /// The region, e.g. `eu-central-1`.
        region: String,
        /// The service's name in signatures, e.g. `s3`, `ec2`, `monitoring`.
        service: String,
        /// What of the body is signed.
        payload: Payload,
    },
    /// In a header, as a token that it is exchanged for.
    Login(Login),
}

/// A credential that is bound to an endpoint.
#[derive(Clone)]
pub struct Authority {
    vault: Arc<Vault>,
    binding: Binding,
    /// The version that is used, where it is not the current one.
    version: Option<u64>,
    tokens: Arc<Tokens>,
    users: Arc<UserTokens>,
    kubeconfig: Arc<kube::Kept>,
}

/// What a credential asks of the connections that its requests are sent on.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// Who this side is.
    pub(crate) identity: Option<ClientIdentity>,
    /// Whom to trust, in place of what the endpoint says.
    pub(crate) ca_pem: Option<String>,
    /// The name that the server's certificate must be for.
    pub(crate) server_name: Option<String>,
}

/// A request, with the parts that a credential may change.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a Method,
    /// As the header `Host` says it.
    pub(crate) host: &'a str,
    pub(crate) target: Zeroizing<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: &'a [u8],
    /// The body as it is sent, where signing it makes it another.
    pub(crate) framed: Option<Bytes>,
}

impl Authority {
    /// Binds a credential of a vault. Whether it is there is seen at each request.
    pub fn new(vault: Arc<Vault>, binding: Binding) -> Self {
        Self {
            vault,
            binding,
            version: None,
            tokens: Arc::default(),
            users: Arc::default(),
            kubeconfig: Arc::default(),
        }
    }

    /// The same, which shares the tokens of credentials that people consented to with every other user of them. In one
    /// process all do: a server takes a refresh token that two exchange for stolen.
    pub fn sharing(self, users: Arc<UserTokens>) -> Self {
        Self { users, ..self }
    }

    /// The same with a certain version, to see whether that works.
    pub fn trying(self, version: u64) -> Self {
        Self { version: Some(version), tokens: Arc::default(), kubeconfig: Arc::default(), ..self }
    }

    /// Whether the binding can be for these addresses.
    pub(crate) fn judge(&self, endpoint: &str, addresses: &[Address]) -> Result<(), GatewayError> {
        let clear = |address: &&Address| !address.is_tls() && address.socket().is_none();
        if let (false, Some(address)) = (self.binding.allow_plain_http, addresses.iter().find(clear)) {
            return Err(GatewayError::PlainHttp { endpoint: endpoint.to_owned(), address: address.to_string() });
        }
        let refuse = |reason: String| Err(GatewayError::Credential { endpoint: endpoint.to_owned(), reason });
        match &self.binding.place {
            Some(Place::Header { name, prefix }) => {
                let shown: String = name.chars().filter(char::is_ascii_graphic).take(64).collect();
                match HeaderName::from_bytes(name.as_bytes()) {
                    Ok(name) if headers::may_authenticate(&name) => {}
                    Ok(_) => return refuse(format!("no credential goes in the header `{shown}`")),
                    Err(_) => return refuse(format!("`{shown}` is no header name")),
                }
                if prefix.as_ref().is_some_and(|prefix| prefix.bytes().any(|b| !matches!(b, b' '..=b'~'))) {
                    return refuse("what stands before the key must be printable ASCII".into());
                }
            }
            Some(Place::Query(name)) if name.is_empty() || !name.bytes().all(is_plain) => {
                return refuse(
                    "a query parameter for a credential has letters, digits, `-`, `_`, `.` and `~` only".into(),
                );
            }
            Some(Place::Aws { region, service, .. }) => {
                let plain = |text: &str| {
                    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                };
                if !plain(region) || !plain(service) {
                    return refuse("the region and the service are lower-case letters, digits and `-`".into());
                }
            }
            Some(Place::Query(_) | Place::Login(_)) | None => {}
        }
        Ok(())
    }

    /// Sees that the guest has not set what the credential will.
    pub(crate) fn reserve(&self, headers: &HeaderMap, query: &str) -> Result<(), GatewayError> {
        let own = |header: &str| {
            let reason = "this header is the host's to set; leave it out";
            Err(GatewayError::Header { header: header.to_ascii_lowercase(), reason })
        };
        match &self.binding.place {
            Some(Place::Header { name, .. }) if headers.contains_key(name.as_str()) => own(name),
            Some(Place::Aws { .. }) => {
                headers.keys().find(|name| sigv4::is_own(name)).map_or(Ok(()), |name| own(name.as_str()))
            }
            Some(Place::Login(login)) if headers.contains_key(login.header()) => own(login.header().as_str()),
            Some(Place::Query(name)) if names(query).any(|found| found.eq_ignore_ascii_case(name)) => {
                Err(GatewayError::Query { parameter: name.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The credential's version that is used now. Waits only where something of it must be asked for elsewhere first.
    pub(crate) async fn lease(&self, endpoint: &str, until: Instant) -> Result<Lease, GatewayError> {
        let lease = self.vault.lease_until(&self.binding.credential, self.version, until).await;
        lease.map_err(|error| GatewayError::Credential { endpoint: endpoint.to_owned(), reason: error.to_string() })
    }

    /// Whether what the credential holds now can be for these addresses. Where that cannot be told, the vault being sealed, each
    /// request sees to it.
    pub(crate) fn fits(&self, endpoint: &str, addresses: &[Address]) -> Result<(), GatewayError> {
        match self.vault.peek(&self.binding.credential) {
            Ok(lease) if lease.kind == CredentialKind::Kubeconfig => {
                self.kubeconfig(endpoint, &lease, addresses).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// What a kubeconfig says, if it is for these addresses.
    fn kubeconfig(
        &self,
        endpoint: &str,
        lease: &Lease,
        addresses: &[Address],
    ) -> Result<Arc<Kubeconfig>, GatewayError> {
        let fail = |reason: String| GatewayError::Credential {
            endpoint: endpoint.to_owned(),
            reason: format!("credential `{}`: {reason}", lease.name),
        };
        let kubeconfig = self.kubeconfig.get(lease).map_err(|error| fail(error.to_string()))?;
        kube::fits(&kubeconfig, addresses).map_err(fail)?;
        Ok(kubeconfig)
    }

    /// Sees that the vault is open.
    pub(crate) fn is_open(&self, endpoint: &str) -> Result<(), GatewayError> {
        match self.vault.is_open() {
            true => Ok(()),
            false => Err(GatewayError::Credential {
                endpoint: endpoint.to_owned(),
                reason: format!("credential `{}`: the vault was sealed", self.binding.credential),
            }),
        }
    }

    /// What connections to these addresses are made with, where the credential says that.
    pub(crate) fn connection(
        &self,
        endpoint: &str,
        lease: &Lease,
        addresses: &[Address],
    ) -> Result<Option<Connection>, GatewayError> {
        match lease.kind {
            CredentialKind::ClientCertificate => {}
            CredentialKind::Kubeconfig => {
                return Ok(Some(kube::connection(&*self.kubeconfig(endpoint, lease, addresses)?)));
            }
            _ => return Ok(None),
        }
        let fail = |reason: String| GatewayError::Credential { endpoint: endpoint.to_owned(), reason };
        let field = |name: &str| lease.material.get(name).ok_or_else(|| fail(incomplete(lease)));
        let identity = ClientIdentity::from_pem(field("certificate")?, field("private-key")?);
        let identity = identity.map_err(|error| fail(format!("credential `{}`: {error}", lease.name)))?;
        Ok(Some(Connection { identity: Some(identity), ..Connection::default() }))
    }

    /// How the endpoint itself is logged in at, where that is bound.
    pub(crate) fn login(&self) -> Option<&Login> {
        match &self.binding.place {
            Some(Place::Login(login)) => Some(login),
            _ => None,
        }
    }

    /// How the credential is exchanged for a token, where it is and no person has a part in it.
    pub(crate) fn exchanged(&self, lease: &Lease) -> Option<Way<'_>> {
        Way::of(lease.kind, self.login())
    }

    /// What is shared of credentials that people consented to.
    pub(crate) fn users(&self) -> (Arc<Vault>, Arc<UserTokens>) {
        (self.vault.clone(), self.users.clone())
    }

    /// The tokens that it was exchanged for.
    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Puts the credential in the request, or the token that it was exchanged for, or signs it with it.
    pub(crate) fn sign(
        &self,
        endpoint: &str,
        lease: &Lease,
        token: Option<&Token>,
        request: &mut Signed<'_>,
    ) -> Result<(), GatewayError> {
        let fail = |reason: String| GatewayError::Credential { endpoint: endpoint.to_owned(), reason };
        let field = |name: &str| lease.material.text(name).ok_or_else(|| fail(incomplete(lease)));
        // The value itself is never told, whatever is wrong with it.
        let unfit = || fail(format!("credential `{}`: it holds a character that headers cannot carry", lease.name));
        let nobody = || fail(format!("credential `{}`: there is no token for it", lease.name));
        let mut set = |name: HeaderName, value: &str| {
            let mut value = HeaderValue::from_str(value).map_err(|_| unfit())?;
            value.set_sensitive(true);
            request.headers.insert(name, value);
            Ok(())
        };
        match (lease.kind, &self.binding.place) {
            (CredentialKind::Basic, None) => {
                let pair = basic(field("username")?, field("password")?);
                set(header::AUTHORIZATION, &Zeroizing::new(format!("Basic {}", *pair)))
            }
            (kind, Some(Place::Login(login))) if kind == login.kind() => {
                set(login.header(), token.and_then(Token::text).ok_or_else(nobody)?)
            }
            (CredentialKind::Bearer, None) => {
                set(header::AUTHORIZATION, &Zeroizing::new(format!("Bearer {}", field("token")?)))
            }
            // It is shown in the handshake.
            (CredentialKind::ClientCertificate, None) => Ok(()),
            (CredentialKind::Kubeconfig, None) => {
                // It was seen to be for the address when the connection was set up.
                let kubeconfig = self.kubeconfig(endpoint, lease, &[])?;
                if kube::sign(&kubeconfig, &mut request.headers) { Ok(()) } else { Err(unfit()) }
            }
            (CredentialKind::ApiKey, Some(Place::Header { name, prefix })) => {
                let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
                let prefix = prefix.as_deref().unwrap_or_default();
                set(name, &Zeroizing::new(format!("{prefix}{}", field("key")?)))
            }
            (CredentialKind::ApiKey, Some(Place::Query(name))) => {
                append(&mut request.target, name, field("key")?);
                Ok(())
            }
            (
                kind @ (CredentialKind::AwsAccessKey | CredentialKind::AwsRole),
                Some(Place::Aws { region, service, payload }),
            ) => {
                let role = kind == CredentialKind::AwsRole;
                let given = |name: &str| token.and_then(|token| token.field(name)).ok_or_else(nobody);
                let part = |name: &str| if role { given(name) } else { field(name) };
                let signer = Signer {
                    access_key_id: part("access-key-id")?,
                    secret_access_key: part("secret-access-key")?,
                    session_token: match role {
                        true => Some(given("session-token")?),
                        false => lease.material.text("session-token"),
                    },
                    region,
                    service,
                    payload: *payload,
                };
                let Signed { method, host, target, headers, body, framed } = request;
                let request = sigv4::Request { method, host, target, headers, body };
                *framed = signer.sign(request, SystemTime::now()).map_err(|_| unfit())?;
                Ok(())
            }
            (
                CredentialKind::Oauth2Client
                | CredentialKind::Oauth2User
                | CredentialKind::JwtBearer
                | CredentialKind::TokenExchange
                | CredentialKind::GcpServiceAccount
                | CredentialKind::AzureClient
                | CredentialKind::GithubApp,
                None,
            ) => {
                let token = token.and_then(Token::text).ok_or_else(nobody)?;
                set(header::AUTHORIZATION, &Zeroizing::new(format!("Bearer {token}")))
            }
            (CredentialKind::AwsAccessKey | CredentialKind::AwsRole, None) => Err(fail(format!(
                "credential `{}` is for AWS, and the binding does not say for which region and service",
                lease.name
            ))),
            (CredentialKind::ApiKey, None) => Err(fail(format!(
                "credential `{}` is an API key, and the binding does not say in which header or query parameter it goes",
                lease.name
            ))),
            (kind, Some(_)) => Err(fail(format!(
                "credential `{}` is of type {kind}, which has a place of its own; leave header, query, region and service out of the binding",
                lease.name
            ))),
        }
    }
}

/// The secrets of a credential, and what they become on the way: whoever gives a request back gives those back, perhaps
/// encoded once more.
pub(crate) fn secrets(lease: &Lease) -> Vec<Zeroizing<String>> {
    if lease.kind == CredentialKind::Kubeconfig
        && let Ok(kubeconfig) = Kubeconfig::of(&lease.material)
    {
        return kube::secrets(&kubeconfig);
    }
    let fields = lease.kind.fields().iter().filter(|field| field.secret);
    let mut secrets: Vec<_> = fields
        .filter_map(|field| lease.material.text(field.name))
        .map(|text| Zeroizing::new(text.to_owned()))
        .collect();
    let field = |name: &str| lease.material.text(name);
    match lease.kind {
        CredentialKind::Basic => secrets.extend(field("username").zip(field("password")).map(|(u, p)| basic(u, p))),
        CredentialKind::ApiKey => {
            let escaped = field("key").map(|key| Zeroizing::new(utf8_percent_encode(key, PLAIN).to_string()));
            secrets.extend(escaped);
        }
        CredentialKind::GcpServiceAccount => secrets.extend(tokens::gcp_private_key(lease)),
        _ => {}
    }
    secrets
}

/// A user name and a password as RFC 7617 writes them.
pub(crate) fn basic(username: &str, password: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{username}:{password}"));
    Zeroizing::new(BASE64.encode(pair.as_bytes()))
}

fn incomplete(lease: &Lease) -> String {
    format!("credential `{}` lacks a field of its type; set it again", lease.name)
}

/// Characters that mean nothing in a query (RFC 3986, unreserved).
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}

/// What a query's value leaves as it is.
pub(crate) const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Appends a parameter to a target's query.
fn append(target: &mut String, name: &str, value: &str) {
    // All at once: growing would leave copies of the value behind.
    let mut grown = String::with_capacity(target.len() + name.len() + 3 * value.len() + 2);
    let separator = if target.contains('?') { "&" } else { "?" };
    grown.extend([target.as_str(), separator, name, "="]);
    grown.extend(utf8_percent_encode(value, PLAIN));
    target.zeroize();
    *target = grown;
}

/// The names of a query's parameters, decoded as servers decode them: `;` separates for some of them too.
fn names(query: &str) -> impl Iterator<Item = String> {
    query.trim_start_matches('?').split(['&', ';']).map(|pair| {
        let name = pair.split('=').next().unwrap_or_default().replace('+', " ");
        percent_decode_str(&name).decode_utf8_lossy().into_owned()
    })
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("binding", &self.binding).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_appended_so_that_nothing_in_it_has_a_meaning() {
        let appended = |target: &str, value: &str| {
            let mut target = target.to_owned();
            append(&mut target, "key", value);
            target
        };
        assert_eq!(appended("/a", "x y&z=ä"), "/a?key=x%20y%26z%3D%C3%A4");
        assert_eq!(appended("/a?b=1", "k-_.~"), "/a?b=1&key=k-_.~");
    }

    #[test]
    fn a_parameters_name_is_found_however_it_is_spelled() {
        for query in ["?key=1", "?a=1&key", "?k%65y=1", "?KEY=2", "?a=1;key=2", "?%6b%65%79=", "?key%3d"] {
            let found = names(query).any(|name| name.to_ascii_lowercase().starts_with("key"));
            assert!(found, "{query}");
        }
        assert!(!names("?keys=1&a=key").any(|name| name == "key"));
    }
}
