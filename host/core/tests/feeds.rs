//! Change feeds: nothing lost, nothing told twice, across cuts, changes of the configuration and restarts.

mod common;

use std::{pin::pin, time::Duration};

use common::{builder, plugin, put};
use futures_util::StreamExt as _;
use jackfield_core::{ChangeBatch, ErrorKind, Host, NewIntegration, Result, UpdateIntegration, WatchRequest};
use serde_json::{Value, json};

fn request(cursor: Option<String>) -> WatchRequest {
    WatchRequest {
        integration: "play".into(),
        capability: "key-value".into(),
        operation: None,
        params: json!({"prefix": "w/"}).as_object().cloned().unwrap(),
        cursor,
    }
}

async fn next(stream: &mut (impl futures_util::Stream<Item = Result<ChangeBatch>> + Unpin)) -> ChangeBatch {
    tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("nothing came").unwrap().unwrap()
}

fn keys(batch: &ChangeBatch) -> Vec<String> {
    let key = |change: Value| change.as_object().unwrap().values().next().unwrap()["key"].as_str().unwrap().to_owned();
    batch.changes.iter().map(|change| key(serde_json::from_str(change.get()).unwrap())).collect()
}

/// Where the feed is now.
async fn position(host: &Host) -> String {
    let mut stream = pin!(host.watch(request(None)).unwrap());
    let first = next(&mut stream).await;
    assert!(first.changes.is_empty(), "the first thing told is where the feed is");
    first.next
}

#[tokio::test]
async fn a_change_is_told_soon_and_only_where_it_was_asked_for() {
    let host = common::playing().await;
    let mut stream = pin!(host.watch(request(None)).unwrap());
    next(&mut stream).await;
    put(&host, "other", "MQ==").await;
    put(&host, "w/1", "MQ==").await;
    let mut seen = Vec::new();
    while seen.is_empty() {
        seen = keys(&next(&mut stream).await);
    }
    assert_eq!(seen, ["w/1"]);
}

#[tokio::test]
async fn a_feed_goes_on_from_its_cursor_after_a_restart_with_nothing_lost_or_told_twice() {
    let folder = tempfile::tempdir().unwrap();
    let host = builder().data_dir(folder.path()).build().await.unwrap();
    host.install_plugin(plugin("playground")).await.unwrap();
    host.add_integration(NewIntegration::new("play", "playground")).await.unwrap();
    let mut cursor = position(&host).await;
    let mut seen = Vec::new();
    for n in 0..10 {
        put(&host, &format!("w/{n}"), "MQ==").await;
    }
    {
        let mut stream = pin!(host.watch(request(Some(cursor.clone()))).unwrap());
        let batch = next(&mut stream).await;
        seen.extend(keys(&batch));
        cursor = batch.next;
    }
    for n in 10..20 {
        put(&host, &format!("w/{n}"), "MQ==").await;
    }
    host.shutdown().await;
    drop(host);
    let host = builder().data_dir(folder.path()).build().await.unwrap();
    let mut stream = pin!(host.watch(request(Some(cursor))).unwrap());
    while seen.len() < 20 {
        seen.extend(keys(&next(&mut stream).await));
    }
    assert_eq!(seen, (0..20).map(|n| format!("w/{n}")).collect::<Vec<_>>());
    host.shutdown().await;
    assert!(stream.next().await.is_none(), "a feed ends with its host");
}

#[tokio::test]
async fn a_feed_goes_on_through_a_change_of_its_integration() {
    let host = common::playing().await;
    let mut stream = pin!(host.watch(request(None)).unwrap());
    next(&mut stream).await;
    let labels = Some([("env".to_owned(), Some("dev".to_owned()))].into());
    host.update_integration("play", UpdateIntegration { labels, ..Default::default() }).await.unwrap();
    put(&host, "w/1", "MQ==").await;
    let mut seen = Vec::new();
    while seen.is_empty() {
        seen = keys(&next(&mut stream).await);
    }
    assert_eq!(seen, ["w/1"]);
}

#[tokio::test]
async fn a_cursor_that_is_none_ends_the_feed_with_the_reason() {
    let host = common::playing().await;
    let mut stream = pin!(host.watch(request(Some("nonsense".into()))).unwrap());
    let error = stream.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_at_once() {
    let host = common::playing().await;
    let mut own = request(None);
    own.params.insert("cursor".into(), "1".into());
    assert_eq!(host.watch(own).err().unwrap().field.as_deref(), Some("/cursor"));
    let mut unknown = request(None);
    unknown.params.insert("perfix".into(), "1".into());
    assert_eq!(host.watch(unknown).err().unwrap().field.as_deref(), Some("/perfix"));
    let mut none = request(None);
    none.operation = Some("get".into());
    assert!(host.watch(none).is_err());
}
