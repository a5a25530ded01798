//! What was recorded of a real Prometheus is answered again when it is gone: the same calls, the same answers, to the byte.

use jackfield_peers::{Prometheus, http, peer, prometheus::Options};
use jackfield_tests::Stand;
use serde_json::{Value, json};

/// When the samples of the test begin, in seconds.
const START: i64 = 1_700_000_000;

/// A minute of samples with all their digits.
fn samples() -> String {
    let mut text = String::from("# TYPE past gauge\n");
    for at in 0..60 {
        let value = f64::from_bits(0x3ff0_0000_0000_0000 | (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 12);
        text.push_str(&format!("past{{zone=\"ü \\\"quoted\\\"\"}} {value} {}\n", START + at));
    }
    text + "# EOF\n"
}

/// Calls whose answers do not depend on when they are made; the last is a mistake.
fn calls(at: i64) -> Vec<(&'static str, Value)> {
    let at = at * 1000;
    vec![
        ("metrics.query", json!({"query": "past", "time": at})),
        ("metrics.query-range", json!({"query": "past", "start": START * 1000, "end": at, "step-ms": 1000})),
        ("metrics.query", json!({"query": "past * 2", "time": at})),
        ("metrics.labels", json!({"matchers": ["past"], "start": START * 1000, "end": at})),
        ("metrics.query", json!({"query": "sum(", "time": at})),
    ]
}

fn answers(stand: &Stand, at: i64) -> Vec<(u16, String)> {
    let answered = |(operation, parameters): (&str, Value)| {
        let answer = stand.server().call_raw("prom", operation, &parameters).unwrap();
        (answer.status, answer.text())
    };
    calls(at).into_iter().map(answered).collect()
}

#[test]
fn a_replay_answers_as_prometheus_did_and_says_that_it_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prom.cassette");
    let named = format!("prom={}", file.display());
    let prometheus = peer!(Prometheus::start(Options { samples: Some(samples()), ..Options::default() }));
    let config = json!({"url": prometheus.url()});
    let at = START + 30;

    let mut recording = Stand::serving(&["--record", &named]);
    recording.add("prom", "prometheus", &config);
    assert_eq!(recording.server().get("/v1/integrations/prom").unwrap()["cassette"]["use"], "record");
    let report = recording.server().send("POST", "/v1/integrations/prom/check", &json!({})).unwrap().1;
    assert_eq!(report["state"], "healthy", "{report}");
    let recorded = answers(&recording, at);
    assert_eq!(recorded.iter().map(|(status, _)| *status).collect::<Vec<_>>(), [200, 200, 200, 200, 400]);
    recording.stop();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with(r#"{"cassette":1,"complete":true "#), "{:.200}", text);

    // Nobody is there any more.
    drop(prometheus);
    assert!(http::get(config["url"].as_str().unwrap().trim_start_matches("http://"), "/-/ready").is_err());

    let strict = Stand::serving(&["--replay", &named]);
    strict.add("prom", "prometheus", &config);
    assert_eq!(answers(&strict, at), recorded);
    let told = strict.server().get("/v1/integrations/prom").unwrap();
    assert_eq!((&told["cassette"]["use"], &told["cassette"]["match"]), (&json!("replay"), &json!("strict")), "{told}");
    let report = strict.server().send("POST", "/v1/integrations/prom/check", &json!({})).unwrap().1;
    assert_eq!(report["state"], "healthy", "{report}");
    assert!(report["message"].as_str().unwrap().starts_with("replayed from a cassette: "), "{report}");
    // All of it was replayed, so the same once more is not what was recorded.
    let (status, problem) = strict.server().call("prom", "metrics.query", &calls(at)[0].1).unwrap();
    assert!(status >= 500 && problem["detail"].as_str().unwrap().contains("record it anew"), "{status} {problem}");
    let audit = strict.server().get("/v1/audit?limit=100").unwrap();
    let records = audit["items"].as_array().unwrap();
    let requests: Vec<_> = records.iter().filter_map(|record| record["requests"].as_array()).flatten().collect();
    assert!(!requests.is_empty() && requests.iter().all(|request| request["replayed"] == true), "{audit}");

    // At another time, and in any order.
    let best = Stand::serving(&["--replay", &named, "--replay-match", "best"]);
    best.add("prom", "prometheus", &config);
    for _ in 0..2 {
        assert_eq!(answers(&best, at + 7), recorded);
    }
}

#[test]
fn a_single_call_is_recorded_and_replayed_where_no_server_runs() {
    let prometheus = peer!(Prometheus::start(Options { samples: Some(samples()), ..Options::default() }));
    let mut stand = Stand::with("prom", "prometheus", &json!({"url": prometheus.url()}));
    let file = stand.scratch().join("one.cassette");
    let file = file.to_str().unwrap();
    let time = format!("time={}", (START + 30) * 1000);
    let call = ["call", "prom", "metrics.query", "query=past", &time, "-o", "json"];

    // A server has its own.
    let refused = stand.server().run(&[&call[..], &["--record", file]].concat()).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("jackfield serve --record"));
    stand.stop();

    let run = |more: &[&str]| {
        let mut command = stand.program().command();
        command.args(call).args(more).arg("--data").arg(stand.data()).output().unwrap()
    };
    let recorded = run(&["--record", file]);
    assert!(recorded.status.success(), "{}", String::from_utf8_lossy(&recorded.stderr));
    drop(prometheus);
    let replayed = run(&["--replay", file]);
    assert_eq!(replayed.stdout, recorded.stdout, "{}", String::from_utf8_lossy(&replayed.stderr));
    assert!(String::from_utf8_lossy(&replayed.stderr).contains("REPLAYED"));
    assert!(!run(&[]).status.success(), "nobody is there");
}
