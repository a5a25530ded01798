//! The host's metrics for Prometheus and its kind to scrape.

use std::collections::HashSet;

use axum::{extract::State, response::IntoResponse};
use http::{HeaderMap, header};

use crate::state::App;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) async fn metrics(State(app): State<App>, headers: HeaderMap) -> impl IntoResponse {
    let text = app.host.metrics_text();
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    if accepts.into_iter().any(|accept| accept.contains("application/openmetrics-text")) {
        ([(header::CONTENT_TYPE, OPEN_METRICS)], text)
    } else {
        ([(header::CONTENT_TYPE, PLAIN)], plain(&text))
    }
}

/// OpenMetrics as the older text format, which everything that scrapes can read: there the name in a counter's comments is
/// that of its samples, and `# UNIT` and `# EOF` mean nothing.
fn plain(open_metrics: &str) -> String {
    let counters: HashSet<&str> =
        open_metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut out = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let comment = ["# HELP ", "# TYPE "].into_iter().find_map(|mark| Some((mark, line.strip_prefix(mark)?)));
        match comment.and_then(|(mark, rest)| Some((mark, rest.split_once(' ')?))) {
            Some((mark, (name, rest))) if counters.contains(name) => {
                out.extend([mark, name, "_total ", rest]);
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_names_a_counter_as_its_samples_do() {
        let open = "# HELP calls Calls made.\n# TYPE calls counter\n# UNIT calls calls\ncalls_total{a=\"# TYPE b counter\"} 1\n\
                    # HELP idle Idle.\n# TYPE idle gauge\nidle 2\n# EOF\n";
        assert_eq!(
            plain(open),
            "# HELP calls_total Calls made.\n# TYPE calls_total counter\ncalls_total{a=\"# TYPE b counter\"} 1\n\
             # HELP idle Idle.\n# TYPE idle gauge\nidle 2\n"
        );
    }
}
