//! How much of the audit trail is kept, and that what is kept can be verified.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use jackfield_core::{AuditRetention, Expectations, Host, Verified, verify_audit};

/// The whole trail, verified.
async fn verified(host: &Host) -> Verified {
    let pieces: Vec<String> = host.export_audit().unwrap().try_collect().await.unwrap();
    verify_audit(pieces.concat().as_bytes(), &Expectations::default()).unwrap()
}

async fn start(folder: &std::path::Path, retention: AuditRetention) -> Host {
    Host::builder().data_dir(folder).audit_retention(retention).build().await.unwrap()
}

#[tokio::test]
async fn records_that_are_too_old_are_let_go_of_and_the_rest_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        start(folder.path(), AuditRetention::default()).await.shutdown().await;
    }
    let host = start(folder.path(), AuditRetention::default()).await;
    let before = verified(&host).await;
    assert_eq!(before.first, 1);
    host.shutdown().await;
    tokio::time::sleep(Duration::from_millis(1500)).await;

    let young = AuditRetention { age: Some(Duration::from_secs(1)), ..AuditRetention::default() };
    let host = start(folder.path(), young).await;
    let after = verified(&host).await;
    assert!(after.first > before.head.seq, "{after:?}");
    assert!(after.records >= 1, "that the host has started is younger");
    host.shutdown().await;
    let host = start(folder.path(), AuditRetention::default()).await;
    assert_eq!(verified(&host).await.first, after.first, "the next host goes on with it");
}

#[tokio::test]
async fn a_trail_takes_the_room_that_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let small = AuditRetention { bytes: Some(2000), age: None };
    let mut last = 0;
    for _ in 0..20 {
        let host = start(folder.path(), small).await;
        let now = verified(&host).await;
        assert!(now.head.seq > last && now.records <= 20, "{now:?}");
        last = now.head.seq;
        host.shutdown().await;
    }
    assert!(last >= 39, "twenty hosts have started and nineteen have stopped: {last}");
}
