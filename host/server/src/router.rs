//! The routes, and what is answered where there is none.

use axum::{Router, middleware::from_fn_with_state, routing::get};
use http::{Method, Uri};
use jackfield_core::Host;

use crate::{
    ServerOptions, calls, events, health, management, metrics, middleware, openapi, problem::Problem, state::App,
};

/// The API of a host as a router. It needs no socket: [`tower::Service::call`] it for an answer in the same process.
///
/// [`tower::Service::call`]: https://docs.rs/tower/latest/tower/trait.Service.html#tymethod.call
pub fn router(host: Host, options: ServerOptions) -> Router {
    let app = App::new(host, options);
    Router::new()
        .merge(management::routes())
        .route("/v1/integrations/{name}/{capability}/{operation}", calls::routes())
        .route("/v1/events", events::routes())
        .route("/openapi.json", get(openapi::serve))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::metrics))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(app.clone(), middleware::layer))
        .with_state(app)
}

async fn no_route(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::not_found(format!("there is no `{method} {path}`; /openapi.json lists everything there is"))
}

/// axum adds the `Allow` header.
async fn no_method(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::method_not_allowed(format!("`{path}` does not do {method}; the header `Allow` says what it does"), None)
}
