//! The host's own API: plugins, integrations and capabilities. Each handler is one call of the embedding API; what is
//! decided here is the status, the paging and the header.

use axum::Router;

use crate::state::App;

mod capabilities;
mod integrations;
mod plugins;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/plugins", plugins::collection())
        .route("/v1/plugins/{name}", plugins::item())
        .route("/v1/integrations", integrations::collection())
        .route("/v1/integrations/{name}", integrations::item())
        .route("/v1/integrations/{name}/check", integrations::check())
        .route("/v1/capabilities", capabilities::collection())
        .route("/v1/capabilities/{capability}", capabilities::item())
}
