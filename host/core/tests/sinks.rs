//! Sinks of a host's audit trail: they follow what is really stored, through restarts and retention.

use std::{path::Path, time::Duration};

use jackfield_core::{
    AuditRetention, ErrorKind, EventKind, Expectations, Host, Sink, SinkState, Verified, verify_audit,
};

/// What is in a sink's file, verified.
fn verified(path: &Path) -> Verified {
    let open = Expectations { open: true, ..Expectations::default() };
    verify_audit(std::fs::read(path).unwrap().as_slice(), &open).unwrap()
}

fn file_sink(path: &Path) -> Sink {
    format!("file:{},name=file", path.display()).parse().unwrap()
}

async fn until(what: &str, done: impl AsyncFn() -> bool) {
    for _ in 0..1200 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("waited too long until {what}");
}

/// Has so many things recorded, one after another.
async fn record(host: &Host, count: usize) {
    let passphrase = || jackfield_core::Secret::from(&b"correct horse battery staple"[..]);
    if host.vault().state == jackfield_core::VaultState::Absent {
        host.init_vault(jackfield_core::NewSource::Passphrase(passphrase())).await.unwrap();
    }
    for _ in 0..count {
        host.seal_vault().await.unwrap();
    }
}

#[tokio::test]
async fn a_file_has_what_the_trail_has_through_restarts_and_ends_with_the_hosts_end() {
    let folder = tempfile::tempdir().unwrap();
    let (data, path) = (folder.path().join("data"), folder.path().join("audit.ndjson"));
    let mut head = 0;
    for _ in 0..3 {
        let host = Host::builder().data_dir(&data).audit_sink(file_sink(&path)).build().await.unwrap();
        record(&host, 5).await;
        until("everything is sent", async || {
            let [sink] = &host.audit_sinks()[..] else { panic!("one sink") };
            sink.sent == sink.head && sink.head > head
        })
        .await;
        let sink = host.audit_sinks().remove(0);
        assert_eq!((sink.name.as_str(), sink.kind.as_str(), sink.state), ("file", "file", SinkState::Ok));
        assert!(host.metrics_text().contains("jackfield_audit_sink_behind{sink=\"file\"} 0"));
        host.shutdown().await;
        let now = verified(&path);
        assert_eq!(now.first, 1);
        assert!(now.head.seq > sink.head, "that the host has stopped is in it too: {now:?}");
        head = now.head.seq;
    }
    // Without a sink, the trail goes on; the next one with it catches up.
    let host = Host::builder().data_dir(&data).build().await.unwrap();
    assert!(host.audit_sinks().is_empty());
    host.shutdown().await;
    let host = Host::builder().data_dir(&data).audit_sink(file_sink(&path)).build().await.unwrap();
    host.shutdown().await;
    assert_eq!(verified(&path).records, head + 4);
}

#[tokio::test]
async fn what_retention_lets_go_of_before_a_receiver_is_back_is_told_and_the_rest_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // A folder that is not there yet stands for a receiver that is away.
    let away = folder.path().join("away");
    let path = away.join("audit.ndjson");
    let retention = AuditRetention { bytes: Some(6000), age: None };
    let builder = Host::builder().data_dir(&data).audit_retention(retention).audit_sink(file_sink(&path));
    let host = builder.build().await.unwrap();
    let mut events = host.events();
    until("it fails", async || host.audit_sinks()[0].last_error.is_some()).await;
    record(&host, 100).await;
    until("the loss is counted", async || host.audit_sinks()[0].lost > 0).await;
    std::fs::create_dir(&away).unwrap();
    until("the rest is sent", async || {
        let sink = host.audit_sinks().remove(0);
        sink.sent == sink.head
    })
    .await;
    let lost = host.audit_sinks()[0].lost;
    assert!(host.metrics_text().contains(&format!("jackfield_audit_sink_lost_total{{sink=\"file\"}} {lost}")));
    let told = std::iter::from_fn(|| events.try_recv().ok()).any(|event| event.kind == EventKind::AuditRecordsLost);
    assert!(told);
    host.shutdown().await;

    // What was in memory is a part of its own; the file as it is now goes to the head.
    let now = verified(&path);
    let parts: u64 = std::fs::read_dir(&away).unwrap().flatten().map(|part| verified(&part.path()).records).sum();
    assert_eq!(parts + lost, now.head.seq, "each record was sent or is counted as lost");
}

#[tokio::test]
async fn a_host_is_not_started_with_sinks_that_could_never_work() {
    let sink = |text: &str| text.parse::<Sink>().unwrap();
    for (builder, said) in [
        (Host::builder().without_audit().audit_sink(sink("file:/a")), "no audit trail"),
        (Host::builder().audit_sink(sink("file:/a")).audit_sink(sink("file:/a,from=head")), "`,name=`"),
        (Host::builder().audit_sink(sink("otlp:https://c.example,ca-file=/there/is/none")), "/there/is/none"),
        (Host::builder().audit_sink(sink("webhook:https://h.example/s3cr3t,ca-file=/there/is/none")), "h.example"),
    ] {
        let error = builder.build().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains(said) && !error.message.contains("s3cr3t"), "{error}");
    }
}
