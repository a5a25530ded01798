//! The journal of writes: one effect and one answer a key, and nothing is sent again of which nobody knows what came of it.

mod common;

use std::time::Duration;

use common::{builder, outside::Outside, plugin, unruly, version};
use jackfield_core::{
    Answer, CallRequest, Error, ErrorKind, Host, HostBuilder, NewIntegration, Resolution, UpgradeIntegration,
    WriteState,
};
use serde_json::{Value, json};

/// A write: a `POST` to a path of the outside system.
fn submit(path: &str, key: Option<&str>) -> CallRequest {
    submission(json!({"path": path, "then-crash": false}), key)
}

fn submission(params: Value, key: Option<&str>) -> CallRequest {
    let mut request = CallRequest::new("wild", "unruly", "submit", params.to_string());
    request.timeout = Some(Duration::from_millis(1500));
    request.idempotency_key = key.map(str::to_owned);
    request
}

async fn state(host: &Host, key: &str) -> WriteState {
    host.write("wild", key).await.unwrap().state
}

/// A host on this folder, with the guest that misbehaves.
async fn stored(builder: HostBuilder, folder: &std::path::Path, url: &str) -> Host {
    let host = builder.data_dir(folder).build().await.unwrap();
    if host.plugins().is_empty() {
        host.install_plugin(plugin("unruly")).await.unwrap();
        let mut new = NewIntegration::new("wild", "unruly");
        new.config.insert("url".into(), url.into());
        host.add_integration(new).await.unwrap();
    }
    host
}

#[tokio::test]
async fn a_write_that_is_sent_again_is_answered_as_before_and_has_no_second_effect() {
    let outside = Outside::start().await;
    let host = unruly(&outside.url).await;
    let first = host.call(submit("/x", Some("k"))).await.unwrap();
    assert_eq!((&*first, first.idempotency_key.as_deref(), first.replayed), (&b"200"[..], Some("k"), false));
    // However the JSON is written.
    let mut again = submit("/x", Some("k"));
    again.params = r#"{ "then-crash" : false, "path":"/x" }"#.into();
    let again = host.call(again).await.unwrap();
    assert_eq!(again, Answer { replayed: true, ..first });
    assert_eq!(outside.requests(), 1);
    assert_eq!(state(&host, "k").await, WriteState::Applied);
}

#[tokio::test]
async fn a_write_without_a_key_is_named_and_can_be_sent_again_by_that_name() {
    let outside = Outside::start().await;
    let host = unruly(&outside.url).await;
    let first = host.call(submit("/x", None)).await.unwrap();
    let key = first.idempotency_key.clone().unwrap();
    assert!(host.call(submit("/x", Some(&key))).await.unwrap().replayed);
    assert_ne!(host.call(submit("/x", None)).await.unwrap().idempotency_key, Some(key));
    assert_eq!(outside.requests(), 2);
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    let outside = Outside::start().await;
    let host = unruly(&outside.url).await;
    host.call(submit("/x", Some("k"))).await.unwrap();
    let error = host.call(submit("/y", Some("k"))).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Conflict, Some("idempotency-key-reused")));
    // Another operation is another request, too.
    let mut fill = CallRequest::new("wild", "unruly", "fill", "{}");
    fill.idempotency_key = Some("k".into());
    assert_eq!(host.call(fill).await.unwrap_err().code.as_deref(), Some("idempotency-key-reused"));
    assert_eq!(outside.requests(), 1);
}

#[tokio::test]
async fn after_an_upgrade_a_request_that_differs_is_not_said_to_be_another_one() {
    let outside = Outside::start().await;
    let host = unruly(&outside.url).await;
    host.call(submit("/x", Some("k"))).await.unwrap();
    host.install_plugin(version("unruly", "0.2.0", |_| {})).await.unwrap();
    let to = UpgradeIntegration {
        version: Some("0.2.0".parse().unwrap()),
        unchecked: true,
        ..UpgradeIntegration::default()
    };
    host.upgrade_integration("wild", to).await.unwrap();
    // The same request, and the version of the capability that its answer is in.
    assert!(host.call(submit("/x", Some("k"))).await.unwrap().replayed);
    // One that may have become another on its way to the new version: nobody is told to take a new key.
    let error = host.call(submit("/y", Some("k"))).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Conflict, Some("key-used-with-another-version")));
    assert_eq!(outside.requests(), 1);
}

#[tokio::test]
async fn the_same_write_many_times_at_once_is_carried_out_once_and_all_get_its_answer() {
    let outside = Outside::start().await;
    let host = unruly(&outside.url).await;
    let calls = (0..20).map(|_| {
        let host = host.clone();
        tokio::spawn(async move { host.call(submit("/later", Some("k"))).await.unwrap() })
    });
    let mut carried_out = 0;
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.unwrap();
        assert_eq!(&*answer, b"201");
        carried_out += u32::from(!answer.replayed);
    }
    assert_eq!((carried_out, outside.requests()), (1, 1));
}

#[tokio::test]
async fn who_cannot_wait_for_a_write_that_is_under_way_is_told_so() {
    let outside = Outside::start().await;
    let host = unruly(&outside.url).await;
    let first = tokio::spawn({
        let host = host.clone();
        async move { host.call(submit("/later", Some("k"))).await }
    });
    while outside.requests() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(state(&host, "k").await, WriteState::Running);
    let mut hasty = submit("/later", Some("k"));
    hasty.timeout = Some(Duration::from_millis(20));
    let error = host.call(hasty).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Conflict, Some("write-in-progress")));
    let error = host.resolve_write("wild", "k", Resolution::Applied).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict, "what runs is not settled by hand");
    first.await.unwrap().unwrap();
}

/// A write whose answer is lost.
async fn lost(host: &Host, key: &str) -> Error {
    let error = host.call(submit("/close", Some(key))).await.unwrap_err();
    assert_eq!((error.kind, error.idempotency_key.as_deref()), (ErrorKind::OutcomeUnknown, Some(key)), "{error}");
    error
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_listed_and_not_sent_again_until_somebody_has_looked() {
    let outside = Outside::start().await;
    let host = unruly(&outside.url).await;
    lost(&host, "k").await;
    let listed = host.writes(None, true, 10).await.unwrap();
    assert_eq!((listed.len(), listed[0].key.as_str(), listed[0].state), (1, "k", WriteState::Unknown));
    assert_eq!((listed[0].action.as_str(), listed[0].attempts), ("unruly.submit", 1));
    let error = lost(&host, "k").await;
    assert!(error.message.contains("jackfield operation resolve wild k"), "{error}");
    assert_eq!(outside.requests(), 1);

    // It had not happened: the key may be used again.
    let settled = host.resolve_write("wild", "k", Resolution::NotApplied).await.unwrap();
    assert_eq!(settled.state, WriteState::NotApplied);
    lost(&host, "k").await;
    assert_eq!(outside.requests(), 2);
    // It had: whoever sends it again is told so.
    assert_eq!(host.resolve_write("wild", "k", Resolution::Applied).await.unwrap().state, WriteState::Applied);
    let error = host.call(submit("/close", Some("k"))).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::AlreadyExists, Some("answer-not-kept")));
    assert_eq!(outside.requests(), 2);
    assert!(host.writes(None, true, 10).await.unwrap().is_empty());
    assert_eq!(host.resolve_write("wild", "k", Resolution::Applied).await.unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(host.resolve_write("wild", "none", Resolution::Applied).await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_write_that_was_surely_not_sent_may_be_sent_again_under_its_key() {
    let outside = Outside::start().await;
    let down = unruly("http://127.0.0.1:9").await;
    for _ in 0..2 {
        assert_eq!(down.call(submit("/x", Some("k"))).await.unwrap_err().kind, ErrorKind::Unavailable);
    }
    assert_eq!(down.write("wild", "k").await.unwrap_err().kind, ErrorKind::NotFound);
    let mut config = serde_json::Map::new();
    config.insert("url".into(), outside.url.clone().into());
    let change = jackfield_core::UpdateIntegration { config: Some(config), ..Default::default() };
    down.update_integration("wild", change).await.unwrap();
    assert!(!down.call(submit("/x", Some("k"))).await.unwrap().replayed);
}

#[tokio::test]
async fn a_write_that_its_caller_gave_up_is_unknown_if_it_was_sent_and_forgotten_if_not() {
    let outside = Outside::start().await;
    let host = unruly(&outside.url).await;
    let call = host.call(submit("/slow", Some("sent")));
    assert!(tokio::time::timeout(Duration::from_millis(300), call).await.is_err());
    assert_eq!(outside.requests(), 1);
    while state(&host, "sent").await == WriteState::Running {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(state(&host, "sent").await, WriteState::Unknown);
    // What was sent waits for an answer; this one is dropped at its first pause.
    let mut call = Box::pin(host.call(submit("/x", Some("unsent"))));
    tokio::select! {
        biased;
        ended = &mut call => panic!("ended at once: {ended:?}"),
        () = std::future::ready(()) => {}
    }
    drop(call);
    let gone = async || host.write("wild", "unsent").await.is_err();
    for _ in 0..500 {
        if gone().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(gone().await);
}

#[tokio::test]
async fn a_dry_run_is_not_remembered() {
    let outside = Outside::start().await;
    let host = unruly(&outside.url).await;
    let params = json!({"path": "/x", "then-crash": false, "options": {"dry-run": true}});
    let answer = host.call(submission(params, Some("k"))).await.unwrap();
    assert_eq!(answer.idempotency_key, None);
    assert!(!host.call(submit("/x", Some("k"))).await.unwrap().replayed);
}

#[tokio::test]
async fn what_is_remembered_outlives_the_host_and_goes_with_its_integration() {
    let outside = Outside::start().await;
    let folder = tempfile::tempdir().unwrap();
    let host = stored(builder(), folder.path(), &outside.url).await;
    host.call(submit("/x", Some("k"))).await.unwrap();
    lost(&host, "lost").await;
    host.shutdown().await;

    let host = stored(builder(), folder.path(), &outside.url).await;
    assert!(host.call(submit("/x", Some("k"))).await.unwrap().replayed);
    assert_eq!(state(&host, "lost").await, WriteState::Unknown);
    let all = host.writes(Some("wild"), false, 10).await.unwrap();
    assert_eq!(all.iter().map(|write| write.key.as_str()).collect::<Vec<_>>(), ["lost", "k"]);
    let refused = host.remove_integration("wild", false).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict, "what came of one write is unknown");
    host.remove_integration("wild", true).await.unwrap();
    let mut new = NewIntegration::new("wild", "unruly");
    new.config.insert("url".into(), outside.url.clone().into());
    host.add_integration(new).await.unwrap();
    assert!(host.writes(None, false, 10).await.unwrap().is_empty());
    assert!(!host.call(submit("/x", Some("k"))).await.unwrap().replayed);
    host.shutdown().await;
}

#[tokio::test]
async fn an_answer_that_stays_true_is_kept_even_if_it_is_an_error() {
    let host = common::playing().await;
    let create = |key: &str| {
        let params = json!({"key": "once", "expected": null, "value": "MQ=="}).to_string();
        let mut request = CallRequest::new("play", "key-value", "compare-and-set", params);
        request.idempotency_key = Some(key.to_owned());
        request
    };
    host.call(create("k1")).await.unwrap();
    let refused = host.call(create("k2")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    common::call(&host, "play", "key-value.delete", json!({"key": "once"})).await.unwrap();
    let again = host.call(create("k2")).await.unwrap_err();
    assert_eq!((again.kind, again.message), (refused.kind, refused.message), "it was judged under that key");
    host.call(create("k3")).await.unwrap();
}
