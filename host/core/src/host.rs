//! The embedding API: what can be asked of a host. Each method is a line or two; the work is in the module it names.

use std::sync::Arc;

use futures_util::Stream;
use jackfield_engine::Guest;
use jackfield_reflect::Operation;
use jackfield_sinks::SinkStatus;
use jackfield_trust::TrustPolicy;
use jackfield_vault::{LeaseInfo, NewSource, Secret, VaultStatus};
use tokio::sync::{broadcast, mpsc};

use crate::{
    Answer, Applied, Apply, AuditPage, CallRequest, CapabilityInfo, ChangeBatch, CodeAnswer, Consent, CredentialUse,
    Error, Event, GrantAnswer, GrantInfo, GrantQuestion, HealthReport, HostBuilder, InstallPlan, IntegrationInfo,
    IssuerInfo, IssuerSettings, JournaledWrite, NewConsent, NewCredential, NewIntegration, NewPlugin, PluginInfo,
    Readiness, Resolution, Result, Rotation, Status, UpdateIntegration, Upgrade, UpgradeIntegration, WatchRequest,
    audit, calls, consents, credentials, desired, feeds, grants, health,
    integrations::{self, upgrade},
    issuing, journal, metrics, plugins, rotation,
    shared::Shared,
    sources, status,
    tasks::Tasks,
    trust, versions,
};

/// A host of plugins. Clones are the same host; it ends with [`Host::shutdown`] or when the last clone is dropped.
///
/// Names are looked up in what is there at the moment of the call; where one is not known, the error suggests the
/// nearest.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

/// The parts and the tasks of a host. The tasks know only the parts, so the last [`Host`] that goes stops them.
pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tasks: Tasks,
}

impl Host {
    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Begins a host.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// Installs a plugin from the bytes of its file, with everything that it asks for: who embeds the host has judged that.
    /// Returns whether that was necessary: the same file twice is once. Other versions of it stay.
    ///
    /// Fails with `invalid` where the file is no plugin or does not fit this host, in words that say what differs;
    /// with `already-exists` where another file has its name and version.
    pub async fn install_plugin(&self, bytes: Vec<u8>) -> Result<(PluginInfo, bool)> {
        self.install_plugin_with(NewPlugin::embedded(bytes)).await
    }

    /// The same for a plugin from anywhere. Fails with `permission-denied` where the trust policy does not let it in
    /// (`not-trusted`), where others signed the versions before (`other-signer`), or where it asks for more than is accepted
    /// (`acceptance-needed`).
    pub async fn install_plugin_with(&self, new: NewPlugin) -> Result<(PluginInfo, bool)> {
        self.shared().open()?;
        plugins::install(self.shared(), new).await
    }

    /// What installing a plugin would do, who vouches for it, and what is to be accepted for it. Nothing of it runs.
    pub async fn plan_install(&self, new: &NewPlugin) -> Result<InstallPlan> {
        self.shared().open()?;
        plugins::plan(self.shared(), new).await
    }

    /// The trust policy, as JSON; fails where what is stored cannot be read.
    pub fn trust_policy(&self) -> Result<serde_json::Value> {
        Ok(self.shared().view.load().trust.policy()?.to_json())
    }

    /// Sets the trust policy, which holds from the next installation on; returns whether it is another than before.
    pub async fn set_trust_policy(&self, policy: TrustPolicy) -> Result<bool> {
        self.shared().open()?;
        trust::set(self.shared(), policy).await
    }

    /// The installed plugins, by name and version.
    pub fn plugins(&self) -> Vec<PluginInfo> {
        let view = self.shared().view.load();
        view.plugins.values().map(|plugin| plugin.info(&view)).collect()
    }

    /// One installed plugin: `NAME`, of which the newest version is meant, or `NAME@VERSION`.
    pub fn plugin(&self, name: &str) -> Result<PluginInfo> {
        let view = self.shared().view.load();
        Ok(view.plugin(name)?.info(&view))
    }

    /// Removes a version of a plugin; fails with `conflict` while integrations run with it.
    pub async fn remove_plugin(&self, name: &str) -> Result<()> {
        self.shared().open()?;
        plugins::remove(self.shared(), name).await
    }

    /// Adds an integration. Its configuration must satisfy the plugin's schema and the plugin itself; `invalid` errors
    /// point at what does not, e.g. `/config/url`.
    pub async fn add_integration(&self, new: NewIntegration) -> Result<IntegrationInfo> {
        self.shared().open()?;
        integrations::add(self.shared(), new).await
    }

    /// The integrations, by name.
    pub fn integrations(&self) -> Vec<IntegrationInfo> {
        self.shared().view.load().integrations.values().map(|integration| integration.info()).collect()
    }

    /// One integration.
    pub fn integration(&self, name: &str) -> Result<IntegrationInfo> {
        Ok(self.shared().view.load().integration(name)?.info())
    }

    /// Changes an integration. Calls under way end on what they began with; a change that fails has changed nothing.
    pub async fn update_integration(&self, name: &str, change: UpdateIntegration) -> Result<IntegrationInfo> {
        self.shared().open()?;
        integrations::update(self.shared(), name, change).await
    }

    /// Has an integration run with another version of its plugin: that is started beside the old one, its configuration
    /// migrated and judged, its outside system checked; then it takes the old one's place. Calls under way end on what they
    /// began with. For a while the new version is watched, and taken back if it does not do well.
    pub async fn upgrade_integration(&self, name: &str, wanted: UpgradeIntegration) -> Result<Upgrade> {
        self.shared().open()?;
        upgrade::upgrade(self.shared(), name, wanted).await
    }

    /// Has an integration run again with the version and the configuration of before its latest upgrade; fails with
    /// `conflict` where it was never upgraded, or where that version is no longer installed.
    pub async fn roll_back_integration(&self, name: &str, revision: Option<u64>) -> Result<IntegrationInfo> {
        self.shared().open()?;
        upgrade::roll_back(self.shared(), name, revision, None).await
    }

    /// Removes an integration, the state its plugin has kept and what is remembered of its writes. Fails with `conflict`
    /// while nobody knows what came of some of those, unless `discard_unknown`: then whoever sends one again to another
    /// integration of the name has it carried out again.
    pub async fn remove_integration(&self, name: &str, discard_unknown: bool) -> Result<()> {
        self.shared().open()?;
        integrations::remove(self.shared(), name, discard_unknown).await
    }

    /// Checks an integration now and returns how it is; the report is remembered as if it had been due. A disabled one is not
    /// checked: that fails with `conflict`.
    pub async fn check_integration(&self, name: &str) -> Result<HealthReport> {
        self.shared().open()?;
        let integration = self.shared().view.load().integration(name)?.clone();
        integration.enabled()?;
        Ok(health::check(self.shared(), &integration, true).await)
    }

    /// What an integration may send to the outside, and what of that it has used.
    pub fn grant(&self, name: &str) -> Result<GrantInfo> {
        grants::show(self.shared(), name)
    }

    /// Which rule decides about a request that an integration could send. Nothing is sent.
    pub fn explain_grant(&self, name: &str, question: &GrantQuestion) -> Result<GrantAnswer> {
        let integration = self.shared().view.load().integration(name)?.clone();
        grants::explain(&integration, question)
    }

    /// The capabilities that installed plugins export, by name.
    pub fn capabilities(&self) -> Vec<CapabilityInfo> {
        self.shared().view.load().capabilities()
    }

    /// One capability: by its short name, `namespace:name`, or either with `@version`; the newest where several answer.
    pub fn capability(&self, name: &str) -> Result<CapabilityInfo> {
        self.shared().view.load().capability(name)
    }

    /// The WIT of a capability, docs included, with that of the packages it uses.
    pub fn capability_wit(&self, name: &str) -> Result<String> {
        self.shared().view.load().capability_wit(name)
    }

    /// An operation as an integration offers it, or as it is in the version that the capability is named with.
    pub fn operation(&self, integration: &str, capability: &str, operation: &str) -> Result<Arc<Operation>> {
        let view = self.shared().view.load();
        let integration = view.integration(integration)?;
        Ok(versions::target(&view, integration, integration.running()?, capability, operation)?.operation().clone())
    }

    /// Everything that can be called now: integration, the capability's short name there, operation.
    pub fn operations(&self) -> Vec<(String, String, Arc<Operation>)> {
        let view = self.shared().view.load();
        let mut all = Vec::new();
        for integration in view.integrations.values() {
            for capability in integration.runtime.iter().flat_map(|runtime| &runtime.capabilities) {
                all.extend(capability.operations.iter().map(|served| {
                    (integration.name.to_string(), capability.short.clone(), served.operation().clone())
                }));
            }
        }
        all
    }

    /// Calls an operation, JSON in and JSON out. The answer is the operation's result as JSON text, `null` where it has
    /// none. Dropping the future ends the call; of a write nobody then knows whether it happened.
    ///
    /// A write is noted in the journal before it is sent, under its idempotency key: the same write with the same key is
    /// carried out once, and whoever sends it again is given the first answer.
    pub async fn call(&self, request: CallRequest) -> Result<Answer> {
        calls::call(self.shared(), request).await
    }

    /// Writes that the journal remembers, at most `limit`: those that were begun and not ended, oldest first, and unless
    /// `unknown_only` the latest that ended; of one integration or, integration by integration, of all.
    pub async fn writes(
        &self,
        integration: Option<&str>,
        unknown_only: bool,
        limit: usize,
    ) -> Result<Vec<JournaledWrite>> {
        journal::list(self.shared(), integration, unknown_only, limit).await
    }

    /// One write of the journal's.
    pub async fn write(&self, integration: &str, key: &str) -> Result<JournaledWrite> {
        journal::show(self.shared(), integration, key).await
    }

    /// Settles a write of unknown outcome as somebody found it; fails with `conflict` where it is not unknown.
    pub async fn resolve_write(&self, integration: &str, key: &str, found: Resolution) -> Result<JournaledWrite> {
        self.shared().open()?;
        journal::resolve(self.shared(), integration, key, found).await
    }

    /// Watches a change feed. The stream goes on through changes of the integration and times when the outside system
    /// cannot be reached; it ends after an error, or when the host does. Every batch's `next` is a cursor to go on from.
    pub fn watch(
        &self,
        request: WatchRequest,
    ) -> Result<impl Stream<Item = Result<ChangeBatch>> + Send + 'static + use<>> {
        feeds::watch(self.shared(), request)
    }

    /// Calls an integration's plugin with functions that `wasmtime::component::bindgen!` made, in an instance of its own.
    /// The instance is discarded when `call` fails.
    pub async fn typed<F, R>(&self, integration: &str, call: F) -> Result<R>
    where
        F: AsyncFnOnce(&mut Guest) -> wasmtime::Result<R>,
    {
        calls::typed(self.shared(), integration, call).await
    }

    /// How the vault is.
    pub fn vault(&self) -> VaultStatus {
        self.shared().vault.status()
    }

    /// Makes the vault, which the source then opens.
    pub async fn init_vault(&self, source: NewSource) -> Result<VaultStatus> {
        self.shared().open()?;
        credentials::init(self.shared(), source).await
    }

    /// Opens the vault: with a passphrase, or with the sources that need nothing of a person.
    pub async fn unlock_vault(&self, passphrase: Option<Secret>) -> Result<VaultStatus> {
        self.shared().open()?;
        credentials::with_vault(self.shared(), "was opened", async |vault| {
            vault.unlock(passphrase).await?;
            vault.reseal().await
        })
        .await
    }

    /// Closes the vault: nothing in it can be used until it is opened again. Done even where it cannot be recorded.
    pub async fn seal_vault(&self) -> Result<VaultStatus> {
        self.shared().open()?;
        credentials::seal(self.shared()).await
    }

    /// Makes a new vault key and seals every credential anew. Every source must be at hand; `passphrases` are for those
    /// that are passphrases.
    pub async fn rekey_vault(&self, passphrases: Vec<Secret>) -> Result<VaultStatus> {
        self.shared().open()?;
        credentials::with_vault(self.shared(), "has a new key", async |vault| vault.rekey(passphrases).await).await
    }

    /// Has one more source open the vault.
    pub async fn add_vault_key(&self, source: NewSource) -> Result<VaultStatus> {
        self.shared().open()?;
        credentials::with_vault(self.shared(), "has a new key source", async |vault| vault.add_key(source).await).await
    }

    /// Has a source no longer open the vault. The last one stays.
    pub async fn remove_vault_key(&self, id: &str) -> Result<VaultStatus> {
        self.shared().open()?;
        credentials::with_vault(self.shared(), "lost a key source", async |vault| vault.remove_key(id).await).await
    }

    /// The credentials, by name, without what they hold, and where each is used.
    pub fn credentials(&self) -> Vec<CredentialUse> {
        credentials::list(self.shared())
    }

    /// One credential.
    pub fn credential(&self, name: &str) -> Result<CredentialUse> {
        credentials::show(self.shared(), name)
    }

    /// Makes a credential or a new version of one; endpoints that it is bound to use the new version from their next
    /// request on, unless it is staged.
    pub async fn set_credential(&self, name: &str, new: NewCredential) -> Result<CredentialUse> {
        self.shared().open()?;
        credentials::set(self.shared(), name, new).await
    }

    /// Has a staged or previous version of a credential used: the newest staged one, where none is named.
    pub async fn promote_credential(&self, name: &str, version: Option<u64>) -> Result<CredentialUse> {
        self.shared().open()?;
        credentials::promote(self.shared(), name, version).await
    }

    /// Rotates a credential: the new version is tried out by every integration that uses the credential, used where all of
    /// them work with it, and the old one revoked afterwards if `revoke` says so. Fails with `conflict` where one of them
    /// does not; then nothing has changed.
    pub async fn rotate_credential(&self, name: &str, new: NewCredential, revoke: bool) -> Result<Rotation> {
        self.shared().open()?;
        rotation::rotate(self.shared(), name, new, revoke).await
    }

    /// Has a credential made by an integration's plugin from now on: the first one at once, the next whenever one is due.
    pub async fn issue_credential(&self, name: &str, settings: IssuerSettings) -> Result<Rotation> {
        self.shared().open()?;
        issuing::begin(self.shared(), name, settings).await
    }

    /// Has the next one made now of a credential that a plugin makes.
    pub async fn rotate_issued_credential(&self, name: &str) -> Result<Rotation> {
        self.shared().open()?;
        issuing::rotate(self.shared(), name).await
    }

    /// Who makes a credential, and what was made.
    pub async fn credential_issuer(&self, name: &str) -> Result<IssuerInfo> {
        issuing::show(self.shared(), name).await
    }

    /// Has a credential no longer made by a plugin. It stays as it is; what was made for it is the operator's to take back.
    pub async fn remove_credential_issuer(&self, name: &str) -> Result<()> {
        self.shared().open()?;
        issuing::end(self.shared(), name).await
    }

    /// Asks a person to consent to a credential of type `oauth2-user`.
    pub async fn authorize_credential(&self, name: &str, new: NewConsent) -> Result<Consent> {
        self.shared().open()?;
        consents::begin(self.shared(), name, new).await
    }

    /// What became of a consent.
    pub fn consent(&self, name: &str, id: &str) -> Result<Consent> {
        consents::show(self.shared(), name, id)
    }

    /// Ends a consent that was given in a browser with what that brought back.
    pub async fn complete_consent(&self, name: &str, id: &str, answer: CodeAnswer) -> Result<Consent> {
        self.shared().open()?;
        consents::complete(self.shared(), name, id, answer).await
    }

    /// Has the version of a credential used that was used before.
    pub async fn roll_back_credential(&self, name: &str) -> Result<CredentialUse> {
        self.shared().open()?;
        credentials::roll_back(self.shared(), name).await
    }

    /// Forgets what a version of a credential holds, for good.
    pub async fn revoke_credential(&self, name: &str, version: u64) -> Result<CredentialUse> {
        self.shared().open()?;
        credentials::revoke(self.shared(), name, version).await
    }

    /// Deletes a credential; fails with `conflict` while an endpoint uses it.
    pub async fn delete_credential(&self, name: &str) -> Result<()> {
        self.shared().open()?;
        credentials::delete(self.shared(), name).await
    }

    /// The leases that credentials were granted elsewhere and that are not given back, oldest first.
    pub fn leases(&self) -> Vec<LeaseInfo> {
        sources::leases(self.shared())
    }

    /// Gives a lease back now; who uses it fetches another. Fails with `conflict` where it cannot be given back, unless
    /// `force`: then it is forgotten here, and its server has it until it ends.
    pub async fn revoke_lease(&self, id: &str, force: bool) -> Result<()> {
        self.shared().open()?;
        sources::revoke(self.shared(), id, force).await
    }

    /// Records of the audit trail, newest first: those before a number, that hold every one of some texts.
    pub async fn audit(&self, before: Option<u64>, limit: usize, containing: &[String]) -> Result<AuditPage> {
        let wanted = |line: &str| containing.iter().all(|text| line.contains(text.as_str()));
        self.shared().settled().await;
        audit::page(&self.shared().store, before, limit, wanted).await
    }

    /// The whole audit trail, signed at its end, in pieces; [`verify_audit`](crate::verify_audit) reads it.
    pub fn export_audit(&self) -> Result<impl Stream<Item = Result<String>> + Send + 'static + use<>> {
        let shared = self.shared().clone();
        if shared.audit_key.is_none() {
            return Err(Error::not_found("this host keeps no audit trail"));
        }
        let (pieces, mut taken) = mpsc::channel(2);
        tokio::spawn(async move {
            let Some(key) = &shared.audit_key else { return };
            shared.settled().await;
            if let Err(error) = audit::export(&*shared.store, key, &pieces).await {
                // Nobody may read any more.
                let _ = pieces.send(Err(error)).await;
            }
        });
        Ok(futures_util::stream::poll_fn(move |cx| taken.poll_recv(cx)))
    }

    /// How each sink of the audit trail is, in the order they were given.
    pub fn audit_sinks(&self) -> Vec<SinkStatus> {
        self.shared().sinks()
    }

    /// What happens from now on. A listener that lags too far behind loses the oldest events and is told so.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared().events.subscribe()
    }

    /// All metrics, as OpenMetrics text.
    pub fn metrics_text(&self) -> String {
        metrics::text(self.shared())
    }

    /// Whether the host itself can serve.
    pub fn readiness(&self) -> Readiness {
        let not_ready: Vec<String> = self.shared().open().err().map(|error| error.message).into_iter().collect();
        Readiness { ready: not_ready.is_empty(), not_ready }
    }

    /// Makes plugins and integrations what documents say they are to be; or tells what that would change. Everything is tried
    /// before anything is changed, and applied twice it is a change once. Files of plugins have to be installed before.
    pub async fn apply(&self, wanted: Apply) -> Result<Applied> {
        self.shared().open()?;
        desired::apply(self.shared(), wanted).await
    }

    /// What there is, as documents that would make it. Credentials are not in them.
    pub fn export(&self) -> Vec<serde_json::Value> {
        desired::export(self.shared())
    }

    /// How the host is, at a glance, and what is not as it should be.
    pub async fn status(&self) -> Result<Status> {
        status::status(self.shared(), self.readiness()).await
    }

    /// Ends the host: gives back the leases of credentials, refuses new work, joins its tasks, closes the store and lets go of the data folder. Calls that still
    /// run can read and write nothing more; let them end before, where that matters.
    pub async fn shutdown(&self) {
        sources::end(self.shared()).await;
        self.inner.tasks.join().await;
        self.shared().users.settled().await;
        let shared = self.shared().clone();
        if let Err(error) = tokio::task::spawn_blocking(move || shared.cassettes.close()).await {
            tracing::error!(%error, "recording did not end as it should");
        }
        self.shared().store.close().await;
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let view = self.shared().view.load();
        f.debug_struct("Host")
            .field("plugins", &view.plugins.keys())
            .field("integrations", &view.integrations.keys())
            .finish_non_exhaustive()
    }
}
