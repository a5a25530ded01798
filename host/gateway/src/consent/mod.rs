//! Consents: how a credential of a person comes by its refresh token. By device code (RFC 8628) the person types a short
//! code anywhere while the host asks the server whether that has happened; by authorization code (RFC 6749, 4.1) a browser is
//! sent to the server and back.
//!
//! The host itself talks to the server in both, so whoever begins a consent for it (a command line, a console) sees no
//! token. What passes through a browser is of no use to who steals it on the way: a code is redeemed only with the verifier
//! (RFC 7636, S256), which never leaves the host; only the answer that bears the state of a consent ends it, once; where the
//! credential names an issuer, only one of that issuer (RFC 9207). The browser is sent back to an address of whoever began the consent,
//! on his own machine or over TLS (RFC 8252, 7.3), so the host itself need not listen for strangers.

mod code;
mod device;

use std::time::{Duration, Instant};

use http::StatusCode;
use jackfield_net::Dialer;
use jackfield_vault::Lease;
use zeroize::Zeroizing;

pub use code::{CodeAnswer, CodeConsent};
pub use device::DeviceConsent;

use crate::tokens::{
    oauth::{self, Form},
    post::{self, Lost, PATIENCE},
};

/// A consent that is not given by then has ended.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// Why there is no consent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsentError {
    /// The credential does not say where it is given, or says it wrongly.
    #[error("{0}")]
    Unfit(String),
    /// The person said no.
    #[error("the person did not consent")]
    Denied,
    /// Nobody said anything in time.
    #[error("nobody consented in time; begin again")]
    Expired,
    /// What came back is not the answer to this consent.
    #[error("{0}")]
    Stray(&'static str),
    /// The server does not do what was asked.
    #[error("the authorization server does not give a token: {0}")]
    Refused(String),
    /// The server cannot be asked.
    #[error("the authorization server cannot be asked: {0}")]
    Unreachable(String),
}

/// Posts a form of the credential's client. `url`: the field that says where.
async fn ask(
    dialer: &Dialer,
    lease: &Lease,
    url: &'static str,
    form: Form,
) -> Result<(StatusCode, Zeroizing<Vec<u8>>), ConsentError> {
    let unfit = |reason: String| ConsentError::Unfit(format!("credential `{}`: {reason}", lease.name));
    let place = lease.material.text(url).ok_or_else(|| unfit(format!("it has no `{url}`; set it again with one")))?;
    let ask = oauth::user(form, lease, place).map_err(unfit)?;
    let sender = post::sender(dialer, place, lease.material.text("ca")).map_err(unfit)?;
    let answered = post::post(&sender, ask, Instant::now() + PATIENCE).await;
    answered.map_err(|lost| match lost {
        Lost::Unfit(reason) => ConsentError::Refused(reason.into()),
        lost => ConsentError::Unreachable(lost.to_string()),
    })
}

/// The refresh token in an answer of the token endpoint, or the code of the refusal and a sentence with it.
fn consented(status: StatusCode, text: &[u8]) -> Result<Zeroizing<String>, (String, ConsentError)> {
    if !status.is_success() {
        let (code, reason) = oauth::code(text).unwrap_or_else(|| (String::new(), format!("it answers {status}")));
        return Err((code, ConsentError::Refused(reason)));
    }
    let refused = |reason: &str| (String::new(), ConsentError::Refused(reason.into()));
    let (_, refresh_token) = oauth::read_user(status, text).map_err(|_| refused("its answer holds none"))?;
    refresh_token.ok_or_else(|| {
        refused("it gave no refresh token; most servers want the scope `offline_access` for one, or say in their manual what they want")
    })
}

/// A text of the server's that a person is shown.
fn shown(text: &str, most: usize) -> Option<String> {
    let plain = !text.is_empty() && text.len() <= most && !text.chars().any(char::is_control);
    plain.then(|| text.to_owned())
}

/// Whether a person may be sent there.
fn is_page(url: &str) -> bool {
    let address = url.split(['?', '#']).next().unwrap_or_default();
    let safe = jackfield_net::Address::parse(address)
        .is_ok_and(|address| address.socket().is_none() && (address.is_tls() || address.is_loopback()));
    safe && url.bytes().all(|byte| byte.is_ascii_graphic())
}
