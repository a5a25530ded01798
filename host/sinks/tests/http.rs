//! Webhooks and OTLP: every record arrives, in order, whatever the receiver does; doubles are announced; what is lost is
//! said; and no token is where it does not belong.

mod support;

use std::time::Duration;

use jackfield_sinks::{News, SinkState};
use serde_json::Value;
use support::{
    InMemory,
    receiver::{Act, Receiver},
    vault, verify_open, within,
};

#[tokio::test]
async fn every_record_arrives_in_order_though_the_receiver_fails_cuts_delays_and_refuses() {
    let script = [
        Act::Refuse(503, None),
        Act::TakeAndCut,
        Act::Refuse(429, Some("1")),
        Act::Answer(""),
        Act::Slow(Duration::from_millis(300)),
        Act::TakeAndCut,
    ];
    let receiver = Receiver::start(script).await;
    let trail = InMemory::new();
    trail.record(300);
    let sink = trail.follow(&format!("webhook:http://{}/hook", receiver.address));
    trail.record(100);
    sink.until_sent(400).await;
    trail.record(1);
    sink.until_sent(401).await;

    let whole = trail.header_before(1).to_line() + &receiver.once();
    let verified = verify_open(&whole).unwrap();
    assert_eq!((verified.first, verified.records), (1, 401));
    let got = receiver.got();
    assert!(got.iter().all(|got| got.path == "/hook" && got.number("jackfield-audit-lost") == 0));
    let sent: usize = got.iter().map(|got| got.body.lines().count()).sum();
    assert!(sent > 401, "two answers were lost, so some came twice");
    let status = sink.status();
    assert_eq!((status.state, status.sent, status.head, status.lost), (SinkState::Ok, 401, 401, 0));
    assert!(status.last_error.is_some());
}

#[tokio::test]
async fn a_sink_goes_on_where_it_was_when_the_host_is_started_again() {
    let receiver = Receiver::start([]).await;
    let trail = InMemory::new();
    let spec = format!("webhook:http://{},name=siem", receiver.address);
    trail.record(10);
    let sink = trail.follow(&spec);
    sink.until_sent(10).await;
    trail.record(5);
    trail.end(sink).await;
    assert_eq!(trail.cursor_of("siem").unwrap().sent, 15, "the last records are sent when the host ends");

    trail.record(5);
    let sink = trail.follow(&spec);
    sink.until_sent(20).await;
    // Killed, with nothing stored since.
    sink.task.abort();
    trail.record(5);
    let sink = trail.follow(&spec);
    sink.until_sent(25).await;
    let whole = trail.header_before(1).to_line() + &receiver.once();
    assert_eq!(verify_open(&whole).unwrap().records, 25);
    let again = receiver.got().iter().map(|got| got.body.lines().count()).sum::<usize>() - 25;
    assert!(again <= 5, "what was not stored as sent may come twice, no more: {again}");
}

#[tokio::test]
async fn a_sink_that_begins_at_the_head_is_not_sent_what_was_before() {
    let receiver = Receiver::start([]).await;
    let trail = InMemory::new();
    trail.record(10);
    let sink = trail.follow(&format!("webhook:http://{},from=head", receiver.address));
    within("the sink to begin", || sink.status().sent == 10).await;
    trail.record(2);
    sink.until_sent(12).await;
    assert_eq!((receiver.got()[0].number("jackfield-audit-first"), sink.status().lost), (11, 0));
}

#[tokio::test]
async fn what_the_host_lets_go_of_while_a_receiver_is_away_is_counted_told_and_named_in_the_sink() {
    let address = Receiver::start([]).await.address.clone();
    let trail = InMemory::new();
    trail.record(100);
    let sink = trail.follow(&format!("webhook:http://{address}"));
    within("it to fail", || sink.status().state == SinkState::Retrying).await;
    trail.forget(90);
    within("the loss to be told", || sink.status().lost == 50).await;
    assert!(
        matches!(&trail.news.lock().unwrap()[..], [News::Lost(said)] if said.contains("50 records 41 to 90")),
        "forty are in memory: {:?}",
        trail.news.lock().unwrap()
    );

    let receiver = Receiver::start_at(&address, []).await;
    sink.until_sent(100).await;
    let got = receiver.got();
    let numbers: Vec<_> = got
        .iter()
        .map(|got| ["first", "last", "lost"].map(|what| got.number(&format!("jackfield-audit-{what}"))))
        .collect();
    assert_eq!(numbers, [[1, 40, 0], [91, 100, 50]]);
    assert_eq!((sink.status().lost, trail.news.lock().unwrap().len()), (50, 1));
    trail.end(sink).await;
    let cursor = trail.cursor_of(&format!("webhook:http://{address}")).unwrap();
    assert_eq!((cursor.sent, cursor.lost), (100, 50), "it is known after a restart too");
}

#[tokio::test]
async fn a_sink_that_is_far_behind_lags_and_says_when_it_has_caught_up() {
    let address = Receiver::start([]).await.address.clone();
    let trail = InMemory::new();
    trail.record(jackfield_sinks::LAG_RECORDS as usize + 1);
    let sink = trail.follow(&format!("webhook:http://{address}/secret-path"));
    within("it to lag", || sink.status().state == SinkState::Lagging).await;
    let _receiver = Receiver::start_at(&address, []).await;
    within("it to catch up", || sink.status().state == SinkState::Ok).await;
    let news = trail.news.lock().unwrap().clone();
    let [News::Lagging(lagging), News::CaughtUp(_)] = &news[..] else { panic!("{news:?}") };
    assert!(lagging.contains("10001 records behind") && lagging.contains("connection refused"), "{lagging}");
    assert!(!format!("{news:?}{:?}", sink.status()).contains("secret-path"));
}

#[tokio::test]
async fn a_receiver_that_takes_less_at_once_is_given_less() {
    let receiver = Receiver::start(vec![Act::AtMost(7); 400]).await;
    let trail = InMemory::new();
    trail.record(60);
    let sink = trail.follow(&format!("webhook:http://{}", receiver.address));
    sink.until_sent(60).await;
    assert_eq!(receiver.once().lines().count(), 60);
    assert!(receiver.got().len() >= 9);
}

#[tokio::test]
async fn a_token_is_read_at_each_use_and_is_in_nothing_that_is_shown() {
    let receiver = Receiver::start([Act::Refuse(401, None)]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "old-s3cr3t\n").unwrap();
    let trail = InMemory::new();
    trail.record(1);
    let sink = trail.follow(&format!("webhook:http://{},token-file={}", receiver.address, file.display()));
    within("it to be refused", || sink.status().last_error.is_some()).await;
    std::fs::write(&file, "new-s3cr3t\n").unwrap();
    sink.until_sent(1).await;
    assert_eq!(receiver.got()[0].headers["authorization"], "Bearer new-s3cr3t");
    let shown = format!("{:?} {:?}", sink.status(), trail.news.lock().unwrap());
    assert!(shown.contains("401") && shown.contains("token-file=") && !shown.contains("s3cr3t"), "{shown}");
}

#[tokio::test]
async fn a_token_of_the_vault_is_used_once_the_vault_is_open() {
    use jackfield_vault::{CredentialKind, Material, NewSource, VersionState};
    let receiver = Receiver::start([]).await;
    let folder = tempfile::tempdir().unwrap();
    let kek = folder.path().join("kek");
    jackfield_vault::make_key_file(&kek).unwrap();
    let (vault, trail) = (vault(), InMemory::new());
    trail.record(1);
    let sink = trail.follow_with(&format!("otlp:http://{},credential=siem", receiver.address), vault.clone());
    within("it to fail", || sink.status().last_error.is_some()).await;
    assert!(sink.status().last_error.unwrap().message.contains("no credential `siem`"));
    vault.init(NewSource::File(kek)).await.unwrap();
    let token = Material::new([("token", "s3cr3t-t0ken")]);
    vault.set("siem", CredentialKind::Bearer, &token, VersionState::Current).await.unwrap();
    sink.until_sent(1).await;
    assert_eq!(receiver.got()[0].headers["authorization"], "Bearer s3cr3t-t0ken");
}

#[tokio::test]
async fn a_collector_is_given_log_records_and_what_it_rejects_for_good_is_lost() {
    let partial = r#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too long"}}"#;
    let receiver = Receiver::start([Act::Refuse(503, Some("0")), Act::Answer(partial)]).await;
    let trail = InMemory::new();
    trail.record(5);
    let sink = trail.follow(&format!("otlp:http://{}/base", receiver.address));
    sink.until_sent(5).await;
    let got = receiver.got();
    assert_eq!(
        (got[0].path.as_str(), &got[0].headers["content-type"]),
        ("/base/v1/logs", &"application/json".parse().unwrap())
    );
    let body: Value = serde_json::from_str(&got[0].body).unwrap();
    let records = body["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().unwrap();
    let lines: String = records.iter().map(|r| format!("{}\n", r["body"]["stringValue"].as_str().unwrap())).collect();
    assert_eq!(verify_open(&(trail.header_before(1).to_line() + &lines)).unwrap().records, 5);
    assert_eq!(sink.status().lost, 2);
    assert!(matches!(&trail.news.lock().unwrap()[..], [News::Lost(said)] if said.contains("too long")));
}
