//! One exchange: what is asked, where, and what comes back. What each scheme says is in a module of its own, which sends
//! nothing itself.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, StatusCode};
use jackfield_net::{Address, ConnectError, Dialer, Sender};
use jackfield_vault::{CredentialKind, Lease, Material};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use zeroize::Zeroizing;

use super::{
    Giver, Login, Token, azure, etcd, gcp, github, hashicorp, oauth,
    post::{self, Lost},
    sts,
};
use crate::GatewayError;

/// How a credential is exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way<'l> {
    Etcd,
    /// By an auth method.
    Consul(&'l str),
    Nomad(&'l str),
    Oauth2Client,
    JwtBearer,
    TokenExchange,
    Gcp,
    Azure,
    Github,
    Sts,
}

impl<'l> Way<'l> {
    /// How a credential of a type is exchanged, where it is.
    pub(crate) fn of(kind: CredentialKind, login: Option<&'l Login>) -> Option<Self> {
        match (kind, login) {
            (CredentialKind::Basic, Some(Login::Etcd)) => Some(Self::Etcd),
            (CredentialKind::Bearer, Some(Login::Consul { auth_method })) => Some(Self::Consul(auth_method)),
            (CredentialKind::Bearer, Some(Login::Nomad { auth_method })) => Some(Self::Nomad(auth_method)),
            (CredentialKind::Oauth2Client, _) => Some(Self::Oauth2Client),
            (CredentialKind::JwtBearer, _) => Some(Self::JwtBearer),
            (CredentialKind::TokenExchange, _) => Some(Self::TokenExchange),
            (CredentialKind::GcpServiceAccount, _) => Some(Self::Gcp),
            (CredentialKind::AzureClient, _) => Some(Self::Azure),
            (CredentialKind::GithubApp, _) => Some(Self::Github),
            (CredentialKind::AwsRole, _) => Some(Self::Sts),
            _ => None,
        }
    }
}

/// What is sent to be given a token.
#[derive(Debug)]
pub(crate) struct Ask {
    /// Where; at the endpoint itself where there is none.
    pub(super) url: Option<String>,
    /// What comes behind that address.
    pub(super) path: String,
    /// Besides the type of the body.
    pub(super) headers: HeaderMap,
    pub(super) content_type: &'static str,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Ask {
    /// A form (RFC 6749, appendix B).
    pub(super) fn form(url: String, form: Zeroizing<String>) -> Self {
        Self {
            url: Some(url),
            path: String::new(),
            headers: HeaderMap::new(),
            content_type: "application/x-www-form-urlencoded",
            body: Zeroizing::new(form.as_bytes().to_vec()),
        }
    }

    /// The path and query at an address.
    pub(super) fn target(&self, address: &Address) -> String {
        let base = address.base_path();
        // An address does not end with a slash; where tokens are given may.
        let slash =
            self.path.is_empty() && (base.is_empty() || self.url.as_ref().is_some_and(|url| url.ends_with('/')));
        format!("{base}{}{}", self.path, if slash { "/" } else { "" })
    }
}

/// What came back.
pub(crate) struct Given {
    pub(super) fields: Material,
    pub(super) lifetime: Option<Duration>,
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The credential is not what it should be; asking again changes nothing.
    Credential(String),
    /// What the credential was given for is taken no more (RFC 6749, 5.2, `invalid_grant`).
    Grant(String),
    /// The other side has trouble.
    Trouble(String),
}

impl Refused {
    /// What an answer means that is no success and says nothing more.
    pub(super) fn of(status: StatusCode) -> Self {
        match status.is_client_error()
            && status != StatusCode::TOO_MANY_REQUESTS
            && status != StatusCode::REQUEST_TIMEOUT
        {
            true => Self::Credential(format!("it answers {status}")),
            false => Self::Trouble(format!("it answers {status}")),
        }
    }
}

/// How long it is until a moment (RFC 3339), if that is one.
pub(super) fn until(moment: &str, now: SystemTime) -> Option<Duration> {
    let moment = OffsetDateTime::parse(moment, &Rfc3339).ok()?;
    (moment - OffsetDateTime::from(now)).try_into().ok()
}

/// A field that a credential of its type has.
pub(crate) fn field<'l>(lease: &'l Lease, name: &str) -> Result<&'l str, String> {
    lease.material.text(name).ok_or_else(|| format!("it lacks the field `{name}`; set it again"))
}

/// One exchange.
pub(crate) struct Exchange<'a> {
    pub(crate) way: Way<'a>,
    pub(crate) endpoint: &'a str,
    pub(crate) lease: &'a Lease,
    /// The endpoint itself.
    pub(crate) sender: &'a Sender,
    pub(crate) dialer: &'a Dialer,
    pub(crate) until: Instant,
}

impl Exchange<'_> {
    fn fail(&self, reason: &str) -> GatewayError {
        let reason = format!("credential `{}`: no token for it: {reason}", self.lease.name);
        GatewayError::Credential { endpoint: self.endpoint.to_owned(), reason }
    }

    /// The other side did not answer. The request itself was not sent, so it may be somewhere else or again.
    pub(super) fn unreachable(&self, reason: &str) -> GatewayError {
        let place = self.sender.address().to_string();
        let reason = format!("credential `{}`: no token for it: {reason}", self.lease.name);
        GatewayError::Connect { endpoint: self.endpoint.to_owned(), reason: ConnectError::Closed { place, reason } }
    }

    /// Asks. `giver` is where tokens are given, kept for the next time.
    pub(super) async fn ask(&self, giver: &mut Option<Giver>) -> Result<Arc<Token>, GatewayError> {
        let lease = self.lease;
        let now = SystemTime::now();
        let ask = match self.way {
            Way::Etcd => etcd::ask(lease),
            Way::Consul(method) => hashicorp::consul(lease, method),
            Way::Nomad(method) => hashicorp::nomad(lease, method),
            Way::Oauth2Client => oauth::client(lease, now),
            Way::JwtBearer => oauth::bearer(lease, now),
            Way::TokenExchange => oauth::exchange(lease),
            Way::Gcp => gcp::ask(lease, now),
            Way::Azure => azure::ask(lease, now),
            Way::Github => github::ask(lease, now),
            Way::Sts => sts::ask(lease, now),
        };
        let ask = ask.map_err(|reason| self.fail(&reason))?;
        let sender = match &ask.url {
            None => self.sender,
            Some(url) => self.giver(url, giver)?,
        };
        let (status, text) = post::post(sender, ask, self.until).await.map_err(|lost| match lost {
            Lost::Connect(reason) => GatewayError::Connect { endpoint: self.endpoint.to_owned(), reason },
            Lost::Unanswered(reason) => self.unreachable(&reason),
            Lost::Unfit(reason) => self.fail(reason),
        })?;
        let given = match self.way {
            Way::Etcd => etcd::read(status, &text),
            Way::Consul(_) | Way::Nomad(_) => hashicorp::read(status, &text, now),
            Way::Github => github::read(status, &text, now),
            Way::Sts => sts::read(status, &text, now),
            _ => oauth::read(status, &text),
        };
        let given = given.map_err(|refused| match refused {
            Refused::Credential(reason) | Refused::Grant(reason) => self.fail(&reason),
            Refused::Trouble(reason) => self.unreachable(&reason),
        })?;
        Arc::new(Token::new(given, lease.stamp())).checked().map_err(|reason| self.fail(reason))
    }

    /// The sender to where tokens are given.
    fn giver<'g>(&self, url: &str, giver: &'g mut Option<Giver>) -> Result<&'g Sender, GatewayError> {
        let stamp = self.lease.stamp();
        if giver.as_ref().is_none_or(|(made_for, _)| *made_for != stamp) {
            let sender = post::sender(self.dialer, url, self.lease.material.text("ca"));
            *giver = Some((stamp, sender.map_err(|reason| self.fail(&reason))?));
        }
        giver.as_ref().map(|(_, sender)| sender).ok_or_else(|| self.fail("there is nobody to ask"))
    }
}
