//! Every peer starts, says its version, does the one thing it is for, and is gone afterwards.

use jackfield_peers::{
    Alertmanager, Etcd, EtcdCluster, NodeExporter, Prometheus, Rsyslog, VictoriaMetrics, http, peer,
    prometheus::Options,
};

fn prometheus_of(version: &'static str) {
    let exporter = peer!(NodeExporter::start());
    let samples = "# TYPE past gauge\npast{x=\"1\"} 41.5 1700000000\npast{x=\"1\"} 42.5 1700000060\n# EOF\n";
    let mut prometheus = peer!(Prometheus::start(Options {
        version,
        scrape: vec![("node".into(), exporter.address().into())],
        samples: Some(samples.into()),
        ..Options::default()
    }));
    assert!(prometheus.version().starts_with(version), "{}", prometheus.version());
    prometheus.wait_for("up{job=\"node\"} == 1").unwrap();
    let answer = http::get_json(prometheus.address(), "/api/v1/query?query=past&time=1700000060").unwrap();
    assert_eq!(answer["data"]["result"][0]["value"][1], "42.5", "{answer}");
}

#[test]
fn prometheus_2_scrapes_and_has_a_past() {
    prometheus_of("2.");
}

#[test]
fn prometheus_3_scrapes_and_has_a_past() {
    prometheus_of("3.");
}

#[test]
fn alertmanager_answers() {
    let alertmanager = peer!(Alertmanager::start(""));
    let receivers = http::get_json(alertmanager.address(), "/api/v2/receivers").unwrap();
    assert_eq!(receivers.as_array().map(Vec::len), Some(2), "{receivers}");
}

#[test]
fn victoria_metrics_finds_what_was_imported() {
    let victoria = peer!(VictoriaMetrics::start());
    victoria.import("past{x=\"1\"} 42.5 1700000060000\n").unwrap();
    let answer = http::get_json(victoria.address(), "/api/v1/query?query=past&time=1700000060").unwrap();
    assert_eq!(answer["data"]["result"][0]["value"][1], "42.5", "{answer}");
}

fn etcd_of(version: &'static str) {
    let mut etcd = peer!(Etcd::start(version));
    let client = peer!(etcd.client());
    assert!(etcd.version().starts_with(version), "{}", etcd.version());
    client.run(&["put", "a", "x\ny"]).unwrap();
    etcd.restart().unwrap();
    assert_eq!(client.get("a").unwrap().as_deref(), Some("x\ny"));
    assert_eq!(client.get("b").unwrap(), None);
}

#[test]
fn etcd_3_4_keeps_its_data_over_a_restart() {
    etcd_of("3.4.");
}

#[test]
fn etcd_3_5_keeps_its_data_over_a_restart() {
    etcd_of("3.5.");
}

#[test]
fn an_etcd_cluster_works_without_one_member() {
    let mut cluster = peer!(EtcdCluster::start(""));
    cluster.members()[0].stop();
    let client = peer!(cluster.members()[1].client());
    client.run(&["put", "a", "1"]).unwrap();
    assert_eq!(client.get("a").unwrap().as_deref(), Some("1"));
}

#[test]
fn rsyslog_reads_counted_messages_and_their_structured_data() {
    use std::io::Write as _;
    let mut rsyslog = peer!(Rsyslog::start());
    for number in 1..=2 {
        let text = r#"<110>1 2026-01-02T03:04:05.678Z box app 7 call [x@32473 a="b\]c" d="e"] {"f": "g"}"#;
        let mut stream = std::net::TcpStream::connect(rsyslog.address()).unwrap();
        write!(stream, "{} {text}", text.len()).unwrap();
        drop(stream);
        let received = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(25));
            rsyslog.messages().len() == number
        });
        assert!(received, "{:?}", rsyslog.messages());
        let message = &rsyslog.messages()[number - 1];
        assert_eq!((&message["pri"], &message["app"], &message["id"]), (&"110".into(), &"app".into(), &"call".into()));
        assert_eq!(message["data"]["x@32473"], serde_json::json!({"a": "b]c", "d": "e"}), "{message}");
        rsyslog.restart().unwrap();
    }
}
