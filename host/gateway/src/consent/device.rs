//! The device authorization grant (RFC 8628): the server gives a code for the person and one for the host, which asks with
//! it, no oftener than it is told to, until the person has decided or the code has ended.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jackfield_net::Dialer;
use jackfield_vault::Lease;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{ConsentError, LONGEST, ask, consented, is_page, shown};
use crate::tokens::oauth::{self, Form};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How often the server is asked where it does not say (RFC 8628, 3.2).
const INTERVAL: u64 = 5;
/// The seldomest.
const SELDOM: Duration = Duration::from_secs(60);
/// How much seldomer it is asked each time that it says `slow_down` (RFC 8628, 3.5).
const SLOWER: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Begun {
    device_code: Zeroizing<String>,
    user_code: String,
    /// Some servers call it as the draft did.
    #[serde(alias = "verification_url")]
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    #[serde(default)]
    interval: Option<u64>,
}

/// A consent that a person is asked for.
pub struct DeviceConsent {
    dialer: Arc<Dialer>,
    lease: Lease,
    device_code: Zeroizing<String>,
    interval: Duration,
    until: Instant,
    /// What the person types.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code in it, where the server has that.
    pub verification_uri_complete: Option<String>,
}

impl DeviceConsent {
    /// Begins one for the client of a credential.
    pub async fn begin(dialer: Arc<Dialer>, lease: Lease) -> Result<Self, ConsentError> {
        let mut form = Form::empty();
        form.add_from("scope", &lease, "scope");
        form.add_from("audience", &lease, "audience");
        let (status, text) = ask(&dialer, &lease, "device-authorization-url", form).await?;
        if !status.is_success() {
            let reason = oauth::code(&text).map_or_else(|| format!("it answers {status}"), |(_, reason)| reason);
            return Err(ConsentError::Refused(reason));
        }
        let unread = |what: &str| ConsentError::Refused(format!("its answer has no {what} that can be shown"));
        let begun: Begun = serde_json::from_slice(&text).map_err(|_| unread("code"))?;
        let user_code = shown(&begun.user_code, 64).ok_or_else(|| unread("user code"))?;
        let verification_uri = Some(begun.verification_uri).filter(|uri| is_page(uri));
        let seconds = begun.interval.unwrap_or(INTERVAL).max(1);
        Ok(Self {
            dialer,
            lease,
            device_code: begun.device_code,
            interval: Duration::from_secs(seconds).min(SELDOM),
            until: Instant::now() + Duration::from_secs(begun.expires_in).min(LONGEST),
            user_code,
            verification_uri: verification_uri.ok_or_else(|| unread("address"))?,
            verification_uri_complete: begun.verification_uri_complete.filter(|uri| is_page(uri)),
        })
    }

    /// How long the person has.
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// The credential's version that the consent is for.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Waits for the person. Dropped while it waits, nothing is lost but the consent that was not given yet.
    pub async fn wait(mut self) -> Result<(Lease, Zeroizing<String>), ConsentError> {
        loop {
            if self.left() <= self.interval {
                tokio::time::sleep(self.left()).await;
                return Err(ConsentError::Expired);
            }
            tokio::time::sleep(self.interval).await;
            if let Some(refresh_token) = self.poll().await? {
                return Ok((self.lease, refresh_token));
            }
        }
    }

    /// Asks once. None where the person has not decided yet.
    async fn poll(&mut self) -> Result<Option<Zeroizing<String>>, ConsentError> {
        let mut form = Form::new(GRANT);
        form.add("device_code", &self.device_code);
        let (status, text) = match ask(&self.dialer, &self.lease, "token-url", form).await {
            Ok(answer) => answer,
            // RFC 8628, 3.5: twice as long until the next.
            Err(ConsentError::Unreachable(_)) => {
                self.interval = (self.interval * 2).min(SELDOM);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let (code, error) = match consented(status, &text) {
            Ok(refresh_token) => return Ok(Some(refresh_token)),
            Err(refused) => refused,
        };
        match &*code {
            "authorization_pending" => Ok(None),
            "slow_down" => {
                self.interval = (self.interval + SLOWER).min(SELDOM);
                Ok(None)
            }
            "access_denied" => Err(ConsentError::Denied),
            "expired_token" => Err(ConsentError::Expired),
            "" if status.is_server_error() || status.as_u16() == 429 => {
                self.interval = (self.interval * 2).min(SELDOM);
                Ok(None)
            }
            _ => Err(error),
        }
    }
}

impl std::fmt::Debug for DeviceConsent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceConsent").field("credential", &self.lease.name).finish_non_exhaustive()
    }
}
