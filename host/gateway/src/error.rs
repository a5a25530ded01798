//! Why a request was refused or brought no answer. Each says whether it may have been carried out.

use jackfield_net::{AddressError, ConnectError, SendError};

use crate::DecodeError;

/// Why a request was refused or brought no answer, or an endpoint could not be set up.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GatewayError {
    /// The plugin named an endpoint that it has not.
    #[error("there is no endpoint `{endpoint}`; the manifest declares {declared}")]
    UnknownEndpoint {
        /// What it named.
        endpoint: String,
        /// The endpoints there are.
        declared: String,
    },
    /// The endpoint has no address in the configuration.
    #[error("the endpoint `{endpoint}` has no address; set the configuration property that holds it")]
    NoAddress {
        /// The endpoint.
        endpoint: String,
    },
    /// An endpoint's address is not one.
    #[error("endpoint `{endpoint}`: {reason}")]
    Address {
        /// The endpoint.
        endpoint: String,
        /// What is wrong.
        reason: AddressError,
    },
    /// The grant does not cover the request.
    #[error("`{asked}` is not granted at endpoint `{endpoint}`; the manifest would need `{rule} = [{}]`", with(.granted, .wanted))]
    NotGranted {
        /// The endpoint.
        endpoint: String,
        /// Method and path.
        asked: String,
        /// `methods` or `paths`.
        rule: &'static str,
        /// What would have to be added.
        wanted: String,
        /// What is granted.
        granted: String,
    },
    /// The operator does not allow the request, which the manifest asks for.
    #[error(
        "`{asked}` is not allowed at endpoint `{endpoint}` ({rule}); allow it with `jackfield grant set {integration} --endpoint {endpoint} {flags}`"
    )]
    NotAllowed {
        /// The integration.
        integration: String,
        /// The endpoint.
        endpoint: String,
        /// Method and path.
        asked: String,
        /// `read-only`, `methods` or `paths`.
        rule: &'static str,
        /// What would allow it.
        flags: String,
    },
    /// The path is not sent in any form.
    #[error(transparent)]
    Path(#[from] crate::InvalidPath),
    /// The method is not one.
    #[error("this is no HTTP method")]
    Method,
    /// A header is not sent.
    #[error("header `{header}`: {reason}")]
    Header {
        /// The header.
        header: String,
        /// Why not.
        reason: &'static str,
    },
    /// The request's or the response's body is too long.
    #[error("the {what} body is longer than {limit} bytes")]
    TooLarge {
        /// `request` or `response`.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Too many requests of the integration are under way.
    #[error("more than {limit} requests of this integration are under way")]
    Busy {
        /// The limit.
        limit: usize,
    },
    /// There was no connection. Names the endpoint, and the option that would allow a refused address.
    #[error("endpoint `{endpoint}`: {reason}{}", allow(endpoint, reason))]
    Connect {
        /// The endpoint.
        endpoint: String,
        /// Why not.
        reason: ConnectError,
    },
    /// There was a connection and no whole answer.
    #[error("endpoint `{endpoint}`: {reason}")]
    Send {
        /// The endpoint.
        endpoint: String,
        /// Why not.
        reason: SendError,
    },
    /// The credential would travel in clear.
    #[error(
        "endpoint `{endpoint}`: its credential would travel in clear to {address}; use https://, or allow it with `allow-plain-http`"
    )]
    PlainHttp {
        /// The endpoint.
        endpoint: String,
        /// Where it would be sent.
        address: String,
    },
    /// The credential cannot be applied.
    #[error("endpoint `{endpoint}`: {reason}")]
    Credential {
        /// The endpoint.
        endpoint: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// The credential is of no use until a person consents.
    #[error(
        "endpoint `{endpoint}`: the credential `{credential}` needs a person's consent; give it with `jackfield credential authorize {credential}`"
    )]
    NeedsReauthorization {
        /// The endpoint.
        endpoint: String,
        /// The credential.
        credential: String,
    },
    /// The query names a parameter that the credential sets.
    #[error("the query's parameter `{parameter}` is the host's to set; leave it out")]
    Query {
        /// The parameter.
        parameter: String,
    },
    /// The answer is encoded in a way that it should not be.
    #[error("endpoint `{endpoint}`: {reason}")]
    Decode {
        /// The endpoint.
        endpoint: String,
        /// In what way.
        reason: DecodeError,
    },
    /// Time ran out while the body was read.
    #[error("time ran out before the answer was complete")]
    BodyTimeout,
}

impl GatewayError {
    /// Whether the request may have been carried out. False only where it surely was not.
    pub fn sent(&self) -> bool {
        match self {
            Self::Send { reason, .. } => reason.sent(),
            Self::BodyTimeout | Self::Decode { .. } => true,
            Self::TooLarge { what, .. } => *what == "response",
            _ => false,
        }
    }

    /// Whether the plugin asked for what it may not have, so that it, and no outside system, is at fault.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::UnknownEndpoint { .. }
                | Self::NotGranted { .. }
                | Self::NotAllowed { .. }
                | Self::Path(_)
                | Self::Method
                | Self::Header { .. }
                | Self::Query { .. }
                | Self::TooLarge { what: "request", .. }
        )
    }

    /// Whether time ran out.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::BodyTimeout | Self::Send { reason: SendError::Timeout { .. }, .. })
    }

    /// The same of another endpoint that uses the same credential.
    pub(crate) fn at(self, endpoint: &str) -> Self {
        let endpoint = endpoint.to_owned();
        match self {
            Self::Credential { reason, .. } => Self::Credential { endpoint, reason },
            Self::NeedsReauthorization { credential, .. } => Self::NeedsReauthorization { endpoint, credential },
            Self::Connect { reason, .. } => Self::Connect { endpoint, reason },
            other => other,
        }
    }

    pub(crate) fn from_send(endpoint: &str, reason: SendError) -> Self {
        let endpoint = endpoint.to_owned();
        match reason {
            SendError::Connect(reason) => Self::Connect { endpoint, reason },
            reason => Self::Send { endpoint, reason },
        }
    }
}

fn with(granted: &str, wanted: &str) -> String {
    if granted.is_empty() { format!("\"{wanted}\"") } else { format!("{granted}, \"{wanted}\"") }
}

/// The option that would allow the first refused address.
fn allow(endpoint: &str, reason: &ConnectError) -> String {
    match reason {
        ConnectError::Refused { refusals, .. } => refusals
            .first()
            .map(|refusal| format!("; allow it with --allow-address {endpoint}={}", refusal.narrowest_range()))
            .unwrap_or_default(),
        _ => String::new(),
    }
}
