//! What Jackfield says of time series is what Prometheus says, value by value and to the last bit: on Prometheus 2 and 3,
//! and on VictoriaMetrics, which has the same API and other habits.

use std::{collections::BTreeSet, time::Duration};

use jackfield_peers::{NodeExporter, Prometheus, VictoriaMetrics, http, peer, prometheus::Options};
use jackfield_tests::{
    Stand,
    answer::{of_jackfield, of_prometheus},
};
use serde_json::{Value, json};

/// When the past of the tests begins, in seconds, and how many samples, one a second, it has.
const START: i64 = 1_700_000_000;
const COUNT: i64 = 10_000;

/// Values that are hard to carry: the ends of the range, numbers without a short form, and what is no number.
const HARD: [&str; 12] = [
    "0.1",
    "-0",
    "NaN",
    "+Inf",
    "-Inf",
    "5e-324",
    "1.7976931348623157e+308",
    "0.30000000000000004",
    "9007199254740993",
    "1e21",
    "123456789.12345679",
    "2.2250738585072014e-308",
];

/// One long series and one of hard values, in OpenMetrics (`unit` 1) or with times in milliseconds (`unit` 1000).
fn past(unit: i64) -> String {
    let mut text = String::from("# TYPE past gauge\n");
    for at in 0..COUNT {
        // Numbers with all their digits, the same in every run.
        let value = f64::from_bits(0x3ff0_0000_0000_0000 | (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 12);
        text.push_str(&format!("past{{host=\"a\",zone=\"x\"}} {value} {}\n", (START + at) * unit));
    }
    for (index, value) in HARD.iter().enumerate() {
        text.push_str(&format!(
            "past{{host=\"b\",zone=\"ü \\\"quoted\\\"\"}} {value} {}\n",
            (START + index as i64) * unit
        ));
    }
    text
}

/// Asks both and compares: an instant query.
fn instant(stand: &Stand, address: &str, query: &str, at: i64) {
    let path = format!("/api/v1/query?query={}&time={at}", http::encode(query));
    let theirs = of_prometheus(&http::get(address, &path).unwrap().body);
    let parameters = json!({"query": query, "time": at * 1000});
    let ours = stand.server().call_raw("prom", "metrics.query", &parameters).unwrap();
    assert_eq!(ours.status, 200, "{query}: {}", ours.text());
    assert_eq!(of_jackfield(&ours.body), theirs, "{query} at {at}");
    assert!(!theirs.is_empty(), "{query} at {at} finds nothing, so it shows nothing");
}

/// Asks both and compares: a range query. How many samples came.
fn range(stand: &Stand, address: &str, query: &str, end: i64, step: i64) -> usize {
    let path = format!("/api/v1/query_range?query={}&start={START}&end={end}&step={step}", http::encode(query));
    let theirs = of_prometheus(&http::get(address, &path).unwrap().body);
    let parameters = json!({"query": query, "start": START * 1000, "end": end * 1000, "step-ms": step * 1000});
    let ours = stand.server().call_raw("prom", "metrics.query-range", &parameters).unwrap();
    assert_eq!(ours.status, 200, "{query}: {}", ours.text());
    assert_eq!(of_jackfield(&ours.body), theirs, "{query}");
    theirs.values().map(Vec::len).sum()
}

/// Everything that is the same on all three.
fn answers_equal(address: &str) -> Stand {
    let stand = Stand::with("prom", "prometheus", &json!({"url": format!("http://{address}")}));
    for at in START..START + HARD.len() as i64 {
        instant(&stand, address, "past", at);
    }
    for query in
        ["past{host=\"a\"} / 3", "sum by (zone) (past)", "scalar(past{host=\"a\"})", "vector(1/0)", "rate(past[5m])"]
    {
        instant(&stand, address, query, START + 600);
    }
    let samples = range(&stand, address, "past{host=\"a\"}", START + COUNT - 1, 1);
    assert!(samples >= 10_000, "only {samples} samples");
    range(&stand, address, "past", START + 60, 1);
    range(&stand, address, "avg_over_time(past{host=\"a\"}[1m])", START + 900, 7);

    // The program prints the very same.
    let path = format!("/api/v1/query?query=past&time={START}");
    let theirs = of_prometheus(&http::get(address, &path).unwrap().body);
    let time = format!("time={}", START * 1000);
    let output = stand.server().run(&["call", "prom", "metrics.query", "query=past", &time, "-o", "json"]).unwrap();
    assert_eq!(of_jackfield(&output.stdout), theirs);

    names_equal(&stand, address);
    stand
}

/// Label names, label values and series.
fn names_equal(stand: &Stand, address: &str) {
    let window = format!("start={START}&end={}", START + COUNT);
    let ours = |operation: &str, parameters: Value| {
        let mut parameters = parameters;
        parameters["start"] = json!(START * 1000);
        parameters["end"] = json!((START + COUNT) * 1000);
        stand.server().ok("prom", operation, &parameters).unwrap()["items"].clone()
    };
    let theirs = |path: &str| http::get_json(address, path).unwrap()["data"].clone();

    let matchers = json!(["past"]);
    let selector = http::encode("past");
    assert_eq!(
        ours("metrics.labels", json!({"matchers": matchers})),
        theirs(&format!("/api/v1/labels?match[]={selector}&{window}"))
    );
    assert_eq!(
        ours("metrics.labels", json!({"name": "zone", "matchers": matchers})),
        theirs(&format!("/api/v1/label/zone/values?match[]={selector}&{window}"))
    );
    let series = |items: &Value, labels: &dyn Fn(&Value) -> BTreeSet<(String, String)>| -> BTreeSet<_> {
        items.as_array().unwrap().iter().map(labels).collect()
    };
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let of_ours = |item: &Value| {
        item["labels"].as_array().unwrap().iter().map(|label| (text(&label["name"]), text(&label["value"]))).collect()
    };
    let of_theirs =
        |item: &Value| item.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect();
    assert_eq!(
        series(&ours("metrics.series", json!({"matchers": matchers})), &of_ours),
        series(&theirs(&format!("/api/v1/series?match[]={selector}&{window}")), &of_theirs)
    );
}

/// What only Prometheus has: something to scrape, rules, targets.
fn prometheus_equals(version: &'static str) {
    let exporter = peer!(NodeExporter::start());
    let mut prometheus = peer!(Prometheus::start(Options {
        version,
        scrape: vec![("node".into(), exporter.address().into()), ("gone".into(), "127.0.0.1:9".into())],
        samples: Some(past(1) + "# EOF\n"),
        rules: Some(
            "groups: [{name: g, rules: [{alert: Always, expr: vector(7), labels: {team: a}}, \
             {record: r, expr: vector(1)}, {alert: Never, expr: vector(1) > 2, for: 5m}]}]"
                .into()
        ),
        ..Options::default()
    }));
    prometheus
        .wait_for("up{job=\"node\"} == 1 and on() up{job=\"gone\"} == 0 and on() ALERTS and on() count(up) == 3")
        .unwrap();
    let address = prometheus.address().to_string();
    let stand = answers_equal(&address);

    // The issue's own words: `query=up`, without a time.
    let output = stand.server().run(&["call", "prom", "metrics.query", "query=up", "-o", "json"]).unwrap();
    let ours = of_jackfield(&output.stdout);
    let theirs = of_prometheus(&http::get(&address, "/api/v1/query?query=up").unwrap().body);
    let values = |samples: &jackfield_tests::answer::Samples| -> Vec<_> {
        samples.iter().map(|(labels, samples)| (labels.clone(), samples[0].1)).collect()
    };
    assert_eq!(values(&ours), values(&theirs));
    assert_eq!(ours.len(), 3, "three targets are scraped: {ours:?}");

    let targets = stand.server().ok("prom", "metrics.targets", &json!({})).unwrap();
    let of_health =
        |health: &str| targets["items"].as_array().unwrap().iter().filter(|target| target["health"] == health).count();
    assert_eq!((of_health("up"), of_health("down")), (2, 1), "{targets}");

    let metadata = stand.server().ok("prom", "metrics.metadata", &json!({"metric": "node_load1"})).unwrap();
    assert_eq!(metadata["items"][0]["kind"], "gauge", "{metadata}");

    let rules = stand.server().ok("prom", "alerting.list-rules", &json!({})).unwrap();
    let names: Vec<_> = rules["items"].as_array().unwrap().iter().map(|rule| &rule["name"]).collect();
    assert_eq!(names, ["Always", "r", "Never"]);
    assert_eq!(rules["items"][2]["for-ms"], 300_000);
    let alerts = stand.server().ok("prom", "alerting.list-alerts", &json!({})).unwrap();
    assert_eq!(alerts["items"][0]["state"], "firing", "{alerts}");
    assert_eq!(alerts["items"][0]["value"], 7.0, "{alerts}");

    mistakes_are_the_callers(&stand);
    let report = stand.server().send("POST", "/v1/integrations/prom/check", &json!({})).unwrap().1;
    assert_eq!(report["state"], "healthy", "{report}");
    // A distribution's build has a mark of its own behind the version.
    assert!(report["system-version"].as_str().unwrap().starts_with(prometheus.version()), "{report}");
}

/// A query that is wrong is `invalid`, whatever words the outside system finds for it.
fn mistakes_are_the_callers(stand: &Stand) {
    let (status, problem) = stand.server().call("prom", "metrics.query", &json!({"query": "sum("})).unwrap();
    assert_eq!((status, &problem["kind"]), (400, &json!("invalid")), "{problem}");
}

#[test]
fn prometheus_2_and_jackfield_say_the_same() {
    prometheus_equals("2.");
}

#[test]
fn prometheus_3_and_jackfield_say_the_same() {
    prometheus_equals("3.");
}

#[test]
fn victoria_metrics_and_jackfield_say_the_same() {
    let victoria = peer!(VictoriaMetrics::start());
    victoria.import(&past(1000)).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let stand = answers_equal(victoria.address());
    mistakes_are_the_callers(&stand);
}
