//! Asking a plugin to make, renew and take back credentials. Each question is recorded like a write: before it is asked, and
//! when it is answered.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use jackfield_audit::{Kind, Outcome, Record};
use jackfield_engine::{CallContext, CallError, Pool, issuer::Wish};
use jackfield_vault::{CredentialKind, Form, Secret};

use super::secrets::Issuing;
use crate::{
    Error, ErrorKind, ErrorSource, Result, audit,
    clock::{ms_since, now_ms},
    faults,
    integrations::{Integration, Runtime},
    shared::Shared,
};

/// The longest that one question may take.
const MOST_TIME: Duration = Duration::from_secs(30);
/// The longest handle, in bytes.
const MOST_HANDLE: usize = 1024;

/// The fields of a credential.
pub(super) type Fields = BTreeMap<String, Secret>;

/// A credential that was made.
pub(super) struct Made {
    /// Or why they are none.
    pub(super) fields: Result<Fields>,
    pub(super) handle: String,
    pub(super) lifetime_s: Option<u64>,
    /// What came to be in the call: looked for as long as somebody has this.
    pub(super) secrets: Vec<Arc<Secret>>,
}

/// An integration whose plugin can be asked.
pub(super) struct Issuer<'a> {
    shared: &'a Shared,
    integration: Arc<Integration>,
    runtime: Arc<Runtime>,
}

impl<'a> Issuer<'a> {
    /// Finds the integration, which must make credentials of this type.
    pub(super) fn making(shared: &'a Shared, name: &str, kind: CredentialKind) -> Result<Self> {
        // Where the host sends what is secret is no plugin's to say.
        let says_where = kind.fields().iter().any(|field| matches!(field.form, Form::Url | Form::Page));
        if says_where || matches!(kind, CredentialKind::Kubeconfig | CredentialKind::GcpServiceAccount) {
            let message = format!("a credential of type {kind} says where secrets are sent, which no plugin may");
            return Err(Error::invalid(message).at("/type"));
        }
        let issuer = Self::of(shared, name)?;
        let view = shared.view.load();
        let kinds = &view.plugin_of(&issuer.integration.record)?.record.manifest.plugin.issues;
        if kinds.iter().any(|known| known == kind.as_str()) {
            return Ok(issuer);
        }
        let message = format!("`{name}` makes no credentials of type {kind}; it makes {}", kinds.join(" and "));
        Err(Error::invalid(message).at("/type"))
    }

    /// Finds the integration.
    pub(super) fn of(shared: &'a Shared, name: &str) -> Result<Self> {
        let integration = shared.view.load().integration(name)?.clone();
        let runtime = integration.running()?.clone();
        if integration.live.replays() {
            let message = format!("`{name}` is replayed: it makes no credentials and takes none back");
            return Err(Error::new(ErrorKind::Unavailable, ErrorSource::Host, message));
        }
        if !runtime.calls.plugin().issues_credentials() {
            let message = format!(
                "`{name}` makes no credentials: its plugin `{}` does not export jackfield:plugin/credential-issuer",
                integration.record.plugin
            );
            return Err(Error::invalid(message).at("/integration"));
        }
        Ok(Self { shared, integration, runtime })
    }

    /// Has a credential made.
    pub(super) async fn issue(&self, kind: CredentialKind, wish: Wish) -> Result<Made> {
        let context = self.context("credential-issuer.issue");
        let secrets = self.runtime.secrets.begin(context.id);
        let credential = wish.credential.clone();
        let work = async |pool: &Arc<Pool>, context| pool.issue(context, wish).await;
        let issued = self.asked(context, &credential, work).await?;
        if issued.handle.is_empty() || issued.handle.len() > MOST_HANDLE {
            // Tried at least: it is too long to be remembered.
            if let Err(error) = self.revoke(&credential, &issued.handle).await {
                tracing::error!(%error, "a credential without a proper handle could not be taken back");
            }
            return Err(unfit("its handle is empty, or longer than 1 KiB"));
        }
        let fields = issued.fields.into_iter().map(|field| {
            let value = value(kind, &field.name, field.value, &secrets)?;
            Ok((field.name, value))
        });
        let (fields, lifetime_s) = (fields.collect(), issued.lifetime_s);
        Ok(Made { fields, handle: issued.handle, lifetime_s, secrets: secrets.all() })
    }

    /// Has one live longer: for how many seconds from now, if not for ever.
    pub(super) async fn renew(&self, credential: &str, handle: &str) -> Result<Option<u64>> {
        let context = self.context("credential-issuer.renew");
        let _secrets = self.runtime.secrets.begin(context.id);
        self.asked(context, credential, async |pool: &Arc<Pool>, context| pool.renew(context, handle).await).await
    }

    /// Has one taken back.
    pub(super) async fn revoke(&self, credential: &str, handle: &str) -> Result<()> {
        let context = self.context("credential-issuer.revoke");
        let _secrets = self.runtime.secrets.begin(context.id);
        self.asked(context, credential, async |pool: &Arc<Pool>, context| pool.revoke(context, handle).await).await
    }

    /// Nothing else is rotated meanwhile, so it does not take as long as a call may.
    fn context(&self, action: &'static str) -> CallContext {
        CallContext::new(action, self.runtime.limits.call_timeout.min(MOST_TIME))
    }

    async fn asked<R>(
        &self,
        context: CallContext,
        credential: &str,
        work: impl AsyncFnOnce(&Arc<Pool>, CallContext) -> std::result::Result<R, CallError>,
    ) -> Result<R> {
        let (live, action) = (&self.integration.live, context.operation.clone());
        let tracked = live.tracks.begin(context.id, true);
        let record = Record {
            at: now_ms(),
            subject: "host".into(),
            target: Some(self.integration.name.to_string()),
            plugin_digest: Some(self.integration.record.plugin_digest.to_string()),
            revision: Some(self.integration.revision),
            call: Some(context.id),
            message: Some(format!("for the credential `{credential}`")),
            ..Record::new(Kind::Call, &*action)
        };
        if let Some(audit) = &self.shared.audit {
            audit.store(Record { kind: Kind::Intent, ..record.clone() }).await?;
        }
        let began = Instant::now();
        let result = work(&self.runtime.calls, context).await.map_err(|error| {
            live.failed(&action, &error);
            let error = faults::call(error, true, tracked.close());
            Error { message: live.leaks.text(&action, "an error", &error.message).into_owned(), ..error }
        });
        if let Some(audit) = &self.shared.audit {
            let (requests, more_requests) = tracked.asked.take();
            let outcome = Some(result.as_ref().err().map_or(Outcome::Ok, audit::outcome));
            let message = match &result {
                Ok(_) => record.message.clone(),
                Err(error) => Some(error.message.chars().take(300).collect()),
            };
            let ended =
                Record { at: now_ms(), requests, more_requests, outcome, message, ms: Some(ms_since(began)), ..record };
            if let Err(error) = audit.store(ended).await {
                tracing::error!(%error, "what came of `{action}` is not recorded; that it was asked is");
            }
        }
        result
    }
}

/// A field's value. What is secret the plugin cannot know: it can only say its name.
fn value(kind: CredentialKind, name: &str, value: String, secrets: &Issuing<'_>) -> Result<Secret> {
    let is_secret = kind.fields().iter().any(|field| field.name == name && field.secret);
    match secrets.secret(&value) {
        Some(secret) if is_secret => Ok(Secret::from(secret.expose())),
        // Nobody would look for it in what the guest is told.
        Some(_) => Err(unfit(&format!("its field `{}` is not secret, and its value is", shown(name)))),
        None if is_secret => Err(unfit(&format!(
            "its field `{name}` is secret, and is not the name of a secret that the host made or took"
        ))),
        // Whether there is such a field, and what it may hold, is the vault's to judge.
        None => Ok(Secret::from(value)),
    }
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(40).collect()
}

fn unfit(reason: &str) -> Error {
    let message = format!("the plugin issued a credential that is none: {reason}");
    Error::new(ErrorKind::Internal, ErrorSource::Plugin, message)
}
