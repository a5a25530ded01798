//! The host's own API: plugins, integrations, capabilities, credentials, the vault, the journal of writes and the audit
//! trail. Each handler is one call of the embedding API; what is decided here is the status, the paging and the header.

use axum::Router;
use jackfield_core::PluginText;

use crate::state::App;

mod audit;
mod capabilities;
mod consents;
mod credentials;
mod desired;
mod grants;
mod integrations;
mod issuers;
mod leases;
mod operations;
mod plugins;
mod registries;
mod shadows;
mod status;
mod trust;
mod vault;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/status", status::item())
        .route("/v1/trust", trust::document())
        .route("/v1/apply", desired::verb_apply())
        .route("/v1/export", desired::export())
        .route("/v1/registries", registries::collection())
        .route("/v1/registries/{name}", registries::item())
        .route("/v1/registries/{name}/sync", registries::verb_sync())
        .route("/v1/search", registries::search())
        .route("/v1/choice", registries::choice())
        .route("/v1/advisories", registries::advisories())
        .route("/v1/plugins", plugins::collection())
        .route("/v1/plugins/{name}", plugins::item())
        .route("/v1/plugins/{name}/pin", plugins::pin())
        .route("/v1/plugins/{name}/readme", plugins::text(PluginText::Readme))
        .route("/v1/plugins/{name}/license", plugins::text(PluginText::License))
        .route("/v1/plugins/{name}/sbom", plugins::text(PluginText::Sbom))
        .route("/v1/integrations", integrations::collection())
        .route("/v1/integrations/{name}", integrations::item())
        .route("/v1/integrations/{name}/check", integrations::check())
        .route("/v1/integrations/{name}/upgrade", integrations::verb_upgrade())
        .route("/v1/integrations/{name}/rollback", integrations::verb_rollback())
        .route("/v1/integrations/{name}/enable", integrations::verb_enable())
        .route("/v1/integrations/{name}/disable", integrations::verb_disable())
        .route("/v1/integrations/{name}/shadow", shadows::item())
        .route("/v1/integrations/{name}/grant", grants::item())
        .route("/v1/integrations/{name}/grant/explain", grants::verb_explain())
        .route("/v1/capabilities", capabilities::collection())
        .route("/v1/capabilities/{capability}", capabilities::item())
        .route("/v1/capabilities/{capability}/compare/{other}", capabilities::comparison())
        .route("/v1/credentials", credentials::collection())
        .route("/v1/credentials/{name}", credentials::item())
        .route("/v1/credentials/{name}/promote", credentials::verb_promote())
        .route("/v1/credentials/{name}/rotate", credentials::verb_rotate())
        .route("/v1/credentials/{name}/rollback", credentials::verb_rollback())
        .route("/v1/credentials/{name}/revoke", credentials::verb_revoke())
        .route("/v1/credentials/{name}/issuer", issuers::item())
        .route("/v1/credentials/{name}/issuer/rotate", issuers::verb_rotate())
        .route("/v1/credentials/{name}/authorize", consents::collection())
        .route("/v1/credentials/{name}/authorize/{id}", consents::item())
        .route("/v1/leases", leases::collection())
        .route("/v1/leases/{id}", leases::item())
        .route("/v1/operations", operations::collection())
        .route("/v1/operations/{integration}/{key}", operations::item())
        .route("/v1/operations/{integration}/{key}/resolve", operations::verb_resolve())
        .route("/v1/audit", audit::collection())
        .route("/v1/audit/export", audit::whole())
        .route("/v1/audit/sinks", audit::sinks())
        .route("/v1/vault", vault::item())
        .route("/v1/vault/init", vault::verb_init())
        .route("/v1/vault/unlock", vault::verb_unlock())
        .route("/v1/vault/seal", vault::verb_seal())
        .route("/v1/vault/rekey", vault::verb_rekey())
        .route("/v1/vault/keys", vault::keys())
        .route("/v1/vault/keys/{id}", vault::key())
}
