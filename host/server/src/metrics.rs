//! The host's metrics for Prometheus and its kind to scrape.

use axum::{extract::State, response::IntoResponse};
use http::header;

use crate::state::App;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let text = app.host.metrics_text();
    // OpenMetrics ends in a mark of its own; a scraper refuses the text without it, and the older parser refuses it.
    let content_type = if text.trim_end().ends_with("# EOF") { OPEN_METRICS } else { PLAIN };
    ([(header::CONTENT_TYPE, content_type)], text)
}
