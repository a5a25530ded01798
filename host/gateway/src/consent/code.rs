//! The authorization code grant (RFC 6749, 4.1) with a proof key (RFC 7636) and a state.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use jackfield_net::{Address, Dialer};
use jackfield_vault::Lease;
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{ConsentError, ask, consented, is_page, shown};
use crate::tokens::oauth::Form;

/// The longest part of an answer, in bytes.
const MOST: usize = 8 << 10;

/// A consent that a browser was sent for.
pub struct CodeConsent {
    dialer: Arc<Dialer>,
    lease: Lease,
    redirect_uri: String,
    verifier: Zeroizing<String>,
    /// The digest of the state: it is compared in a time that says nothing of it.
    state: Vec<u8>,
}

/// What the browser brought back: the parameters of the redirection's query.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CodeAnswer {
    /// Of which consent it is the answer.
    #[serde(default)]
    pub state: Zeroizing<String>,
    /// What is exchanged for the refresh token.
    #[serde(default)]
    pub code: Option<Zeroizing<String>>,
    /// Why there is none.
    #[serde(default)]
    pub error: Option<String>,
    /// The same in words.
    #[serde(default)]
    pub error_description: Option<String>,
    /// Whose answer it is.
    #[serde(default)]
    pub iss: Option<String>,
}

impl CodeConsent {
    /// Begins one for the client of a credential; and the address that a browser has to be sent to. It comes back to
    /// `redirect_uri`, which is on this machine or is `https://`.
    pub fn begin(dialer: Arc<Dialer>, lease: Lease, redirect_uri: &str) -> Result<(Self, String), ConsentError> {
        let unfit = |reason: &str| ConsentError::Unfit(format!("credential `{}`: {reason}", lease.name));
        let page = lease.material.text("authorization-url").filter(|page| is_page(page));
        let page = page.ok_or_else(|| unfit("it has no `authorization-url`; set it again with one"))?;
        let id = lease.material.text("client-id").ok_or_else(|| unfit("it has no `client-id`; set it again"))?;
        let back = Address::parse(redirect_uri)
            .map_err(|error| ConsentError::Unfit(format!("the redirection cannot go there: {error}")))?;
        if back.socket().is_some() || !(back.is_tls() || back.is_loopback()) {
            let reason = "the redirection goes to https://, or to this machine: http://127.0.0.1:PORT/…";
            return Err(ConsentError::Unfit(reason.into()));
        }
        let verifier = random()?;
        let state = random()?;
        let challenge = BASE64.encode(digest(&SHA256, verifier.as_bytes()));
        let mut query = Form::empty();
        query.add("response_type", "code");
        query.add("client_id", id);
        query.add("redirect_uri", redirect_uri);
        query.add_from("scope", &lease, "scope");
        query.add_from("audience", &lease, "audience");
        query.add("state", &state);
        query.add("code_challenge", &challenge);
        query.add("code_challenge_method", "S256");
        let separator = if page.contains('?') { '&' } else { '?' };
        let url = format!("{page}{separator}{}", query.text());
        let state = digest(&SHA256, state.as_bytes()).as_ref().to_vec();
        Ok((Self { dialer, lease, redirect_uri: redirect_uri.to_owned(), verifier, state }, url))
    }

    /// The credential's version that the consent is for.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Ends it with what the browser brought back, once and for all.
    pub async fn redeem(self, answer: CodeAnswer) -> Result<(Lease, Zeroizing<String>), ConsentError> {
        let code = self.judge(answer)?;
        let mut form = Form::new("authorization_code");
        form.add("code", &code);
        form.add("redirect_uri", &self.redirect_uri);
        form.add("code_verifier", &self.verifier);
        let (status, text) = ask(&self.dialer, &self.lease, "token-url", form).await?;
        let refresh_token = consented(status, &text).map_err(|(_, error)| error)?;
        Ok((self.lease, refresh_token))
    }

    /// The code, if the answer is the one to this consent.
    fn judge(&self, answer: CodeAnswer) -> Result<Zeroizing<String>, ConsentError> {
        let CodeAnswer { state, code, error, error_description, iss } = answer;
        if digest(&SHA256, state.as_bytes()).as_ref() != self.state {
            return Err(ConsentError::Stray("this is the answer to another consent; begin again"));
        }
        // RFC 9207, 2.4: of an error too. One that should be there and is not was left out by somebody.
        if let Some(issuer) = self.lease.material.text("issuer")
            && iss.as_deref() != Some(issuer)
        {
            return Err(ConsentError::Stray(
                "this answer is not of the `issuer` that the credential names; begin again, or set it again without one \
                 if the server does not say who it is (RFC 9207)",
            ));
        }
        if let Some(error) = error {
            if error == "access_denied" {
                return Err(ConsentError::Denied);
            }
            let words = [Some(error), error_description].into_iter().flatten().filter_map(|text| shown(&text, 200));
            return Err(ConsentError::Refused(format!("it says {}", words.collect::<Vec<_>>().join(": "))));
        }
        code.filter(|code| !code.is_empty() && code.len() <= MOST)
            .ok_or(ConsentError::Stray("the answer holds no code; begin again"))
    }
}

/// Thirty-two random bytes that an address may hold.
fn random() -> Result<Zeroizing<String>, ConsentError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|error| ConsentError::Unfit(format!("no random numbers: {error}")))?;
    Ok(Zeroizing::new(BASE64.encode(*bytes)))
}

impl std::fmt::Debug for CodeConsent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeConsent").field("credential", &self.lease.name).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for CodeAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeAnswer").field("error", &self.error.is_some()).finish_non_exhaustive()
    }
}
