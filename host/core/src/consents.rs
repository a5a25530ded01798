//! Consents under way: a person is asked for one, and what he gives becomes a version of a credential, staged and then
//! promoted like any other. The host does all of the talking; whoever began a consent is shown what the person needs and what
//! came of it, never a token.
//!
//! A consent is known by a random name, ends by itself, and is the only one of its credential: where another is begun, the
//! one before is given up. They are kept in memory: a host that ends forgets them, and the person begins again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jackfield_gateway::{CodeAnswer, CodeConsent, ConsentError, DeviceConsent};
use jackfield_vault::{CredentialKind, Lease};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::{
    Error, ErrorKind, ErrorSource, Result,
    clock::{now_ms, random_name},
    credentials, faults, rotation,
    shared::Shared,
    tasks,
};

/// How long a person has in a browser.
const BROWSER: Duration = Duration::from_secs(10 * 60);
/// How long a part of a credential that comes from elsewhere is waited for.
const FETCH: Duration = Duration::from_secs(10);
/// How many consents are remembered, those that have ended among them.
const MOST: usize = 32;

/// A consent that is to be begun.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewConsent {
    /// How; by device code, where the credential has an address for that.
    #[serde(default)]
    pub method: Option<ConsentMethod>,
    /// Where the browser comes back to: on the person's own machine, or `https://`.
    #[serde(default)]
    pub redirect_uri: Option<String>,
}

/// How a person consents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentMethod {
    /// He types a code anywhere (RFC 8628).
    Device,
    /// His browser is sent to the server and comes back (RFC 6749, 4.1).
    Browser,
}

/// How a consent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentState {
    /// The person has not decided yet.
    Pending,
    /// It is given, and the credential is used with it.
    Given,
    /// There is none.
    Failed,
}

/// A consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Consent {
    /// Its name.
    pub id: String,
    /// The credential.
    pub credential: String,
    /// How the person consents.
    pub method: ConsentMethod,
    /// How it is.
    pub state: ConsentState,
    /// When it ends by itself, in milliseconds since 1970.
    pub expires_at: i64,
    /// What the person types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_code: Option<String>,
    /// Where he types it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification_uri: Option<String>,
    /// The same with the code in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification_uri_complete: Option<String>,
    /// Where the browser is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_url: Option<String>,
    /// The credential's version that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The consents of a host, by their names.
#[derive(Debug, Default)]
pub(crate) struct Consents(Mutex<HashMap<String, Entry>>);

#[derive(Debug)]
struct Entry {
    consent: Consent,
    /// What ends it, once.
    browser: Option<CodeConsent>,
    /// Dropped, it gives up.
    _waiting: Option<oneshot::Sender<()>>,
}

impl Consents {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one in; the one before of the same credential is given up.
    fn add(&self, consent: Consent, browser: Option<CodeConsent>, waiting: Option<oneshot::Sender<()>>) -> Result<()> {
        let mut all = self.lock();
        for entry in all.values_mut().filter(|entry| entry.consent.credential == consent.credential) {
            entry.give_up("another consent was begun");
        }
        if all.len() >= MOST {
            let oldest =
                all.iter().filter(|(_, entry)| entry.has_ended()).min_by_key(|(_, entry)| entry.consent.expires_at);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else {
                let message = format!("{MOST} consents are waited for already; wait until one of them ends");
                return Err(Error::new(ErrorKind::Unavailable, ErrorSource::Caller, message));
            };
            all.remove(&oldest);
        }
        all.insert(consent.id.clone(), Entry { consent, browser, _waiting: waiting });
        Ok(())
    }

    /// Changes one, where it is remembered yet.
    fn end(&self, id: &str, change: impl FnOnce(&mut Consent)) {
        if let Some(entry) = self.lock().get_mut(id) {
            change(&mut entry.consent);
        }
    }
}

impl Entry {
    fn has_ended(&self) -> bool {
        self.consent.state != ConsentState::Pending || self.consent.expires_at < now_ms()
    }

    fn give_up(&mut self, message: &str) {
        if self.consent.state == ConsentState::Pending {
            self.consent.state = ConsentState::Failed;
            self.consent.message = Some(message.to_owned());
        }
        (self.browser, self._waiting) = (None, None);
    }
}

/// Begins one.
pub(crate) async fn begin(shared: &Arc<Shared>, name: &str, new: NewConsent) -> Result<Consent> {
    let lease = shared.vault.lease_until(name, None, Instant::now() + FETCH).await.map_err(faults::vault)?;
    if lease.kind != CredentialKind::Oauth2User {
        let message = format!(
            "the credential `{name}` is of type {}; people consent to those of type {}",
            lease.kind,
            CredentialKind::Oauth2User
        );
        return Err(Error::invalid(message));
    }
    let by_device = lease.material.get("device-authorization-url").is_some();
    let method = new.method.unwrap_or(if by_device { ConsentMethod::Device } else { ConsentMethod::Browser });
    let consent = Consent {
        id: format!("{}{}", random_name()?, random_name()?),
        credential: name.to_owned(),
        method,
        state: ConsentState::Pending,
        expires_at: 0,
        user_code: None,
        verification_uri: None,
        verification_uri_complete: None,
        authorization_url: None,
        version: None,
        message: None,
    };
    match method {
        ConsentMethod::Device => by_code(shared, consent, lease).await,
        ConsentMethod::Browser => {
            let Some(redirect_uri) = new.redirect_uri else {
                let message =
                    "say where the browser comes back to: an address on the person's own machine, or https://";
                return Err(Error::invalid(message).at("/redirect-uri"));
            };
            let begun = CodeConsent::begin(shared.dialer.clone(), lease, &redirect_uri);
            let (browser, url) = begun.map_err(fault)?;
            let consent = Consent { expires_at: end_of(BROWSER), authorization_url: Some(url), ..consent };
            shared.consents.add(consent.clone(), Some(browser), None)?;
            Ok(consent)
        }
    }
}

async fn by_code(shared: &Arc<Shared>, consent: Consent, lease: Lease) -> Result<Consent> {
    let device = DeviceConsent::begin(shared.dialer.clone(), lease).await.map_err(fault)?;
    let consent = Consent {
        expires_at: end_of(device.left()),
        user_code: Some(device.user_code.clone()),
        verification_uri: Some(device.verification_uri.clone()),
        verification_uri_complete: device.verification_uri_complete.clone(),
        ..consent
    };
    let (waiting, given_up) = oneshot::channel();
    shared.consents.add(consent.clone(), None, Some(waiting))?;
    let (told, shared, mut stop) = (consent.clone(), shared.clone(), shared.stop.subscribe());
    // It ends with the host, with the next consent, or by itself.
    shared.runtime.clone().spawn(async move {
        tokio::select! {
            () = tasks::stopped(&mut stop) => {}
            _ = given_up => {}
            given = device.wait() => {
                take(&shared, &consent.id, &consent.credential, given).await;
            }
        }
    });
    Ok(told)
}

/// Ends one with what the browser brought back.
pub(crate) async fn complete(shared: &Arc<Shared>, name: &str, id: &str, answer: CodeAnswer) -> Result<Consent> {
    show(shared, name, id)?;
    let browser =
        shared.consents.lock().get_mut(id).filter(|entry| !entry.has_ended()).and_then(|entry| entry.browser.take());
    let Some(browser) = browser else {
        let message = "this consent waits for no answer: it has ended, or is given by device code";
        return Err(Error::new(ErrorKind::Conflict, ErrorSource::Caller, message));
    };
    let (runtime, task, credential, consent) = (shared.runtime.clone(), shared.clone(), name.to_owned(), id.to_owned());
    // To the end even if nobody waits for it: the code is used up.
    let taken = runtime.spawn(async move { take(&task, &consent, &credential, browser.redeem(answer).await).await });
    taken.await.map_err(|error| Error::internal(error.to_string()))?;
    show(shared, name, id)
}

/// One of a credential.
pub(crate) fn show(shared: &Shared, name: &str, id: &str) -> Result<Consent> {
    let mut all = shared.consents.lock();
    let entry = all.get_mut(id).filter(|entry| entry.consent.credential == name);
    let entry = entry.ok_or_else(|| {
        Error::not_found(format!(
            "the credential `{name}` has no such consent; begin one with `jackfield credential authorize`"
        ))
    })?;
    if entry.consent.method == ConsentMethod::Browser && entry.has_ended() {
        entry.give_up("nobody consented in time; begin again");
    }
    Ok(entry.consent.clone())
}

/// Makes a version of what was given, or tells why there is none.
async fn take(
    shared: &Shared,
    id: &str,
    name: &str,
    given: std::result::Result<(Lease, Zeroizing<String>), ConsentError>,
) {
    let outcome = match given {
        Ok((lease, refresh_token)) => store(shared, name, &lease, &refresh_token).await.map_err(|error| error.message),
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(version) => shared.consents.end(id, |consent| {
            (consent.state, consent.version) = (ConsentState::Given, Some(version));
        }),
        Err(message) => {
            // It is told where it is asked for; that it is recorded too must not keep it from being told.
            let _ = credentials::changed(shared, name, &format!("was not consented to: {message}")).await;
            shared.consents.end(id, |consent| {
                (consent.state, consent.message) = (ConsentState::Failed, Some(message));
            });
        }
    }
}

async fn store(shared: &Shared, name: &str, lease: &Lease, refresh_token: &str) -> Result<u64> {
    let version = shared.vault.consented(lease, refresh_token).await.map_err(faults::vault)?;
    credentials::changed(shared, name, &format!("has a new version {version}, by a person's consent")).await?;
    // It may be another person's, or for less than what is needed.
    let _turn = shared.rotating.lock().await;
    rotation::prove(shared, name, version).await?;
    credentials::promote(shared, name, Some(version)).await?;
    Ok(version)
}

fn end_of(left: Duration) -> i64 {
    now_ms().saturating_add(i64::try_from(left.as_millis()).unwrap_or(i64::MAX))
}

fn fault(error: ConsentError) -> Error {
    let (kind, source) = match &error {
        ConsentError::Unfit(_) => (ErrorKind::Invalid, ErrorSource::Caller),
        ConsentError::Unreachable(_) => (ErrorKind::Unavailable, ErrorSource::Downstream),
        ConsentError::Refused(_) => (ErrorKind::PermissionDenied, ErrorSource::Downstream),
        ConsentError::Denied | ConsentError::Expired | ConsentError::Stray(_) => {
            (ErrorKind::Conflict, ErrorSource::Caller)
        }
    };
    Error::new(kind, source, error.to_string())
}
