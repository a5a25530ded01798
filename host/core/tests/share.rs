//! Upgrades in parts: a version has a share of the calls, more of them, all, or none again.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{add, builder, call, outside::Outside, playing, plugin, put, version};
use jackfield_core::{
    CallRequest, ErrorKind, EventKind, Host, NewIntegration, NewShadow, UpdateIntegration, UpgradeIntegration,
};
use serde_json::json;

fn share(version: &str, share: u8) -> UpgradeIntegration {
    let version = Some(version.parse().unwrap());
    UpgradeIntegration { version, share: Some(share), unchecked: true, ..UpgradeIntegration::default() }
}

fn runs(host: &Host, integration: &str) -> (String, Option<u8>) {
    let info = host.integration(integration).unwrap();
    (info.plugin_version.to_string(), info.share.map(|share| share.percent))
}

/// `wild` with version 0.1.0 of the guest that misbehaves, and beside it version 0.2.0, which may only ask for `/shared` and has
/// little memory.
async fn wild(outside: &Outside) -> Host {
    let host = builder().build().await.unwrap();
    host.install_plugin(plugin("unruly")).await.unwrap();
    add(&host, "wild", "unruly", json!({"url": outside.url})).await.unwrap();
    let narrower = version("unruly", "0.2.0", |manifest| {
        manifest.endpoints[0].paths = vec!["/shared".into()];
        manifest.limits.memory_mib = Some(8);
    });
    host.install_plugin(narrower).await.unwrap();
    host
}

/// Of a hundred reads, how many the new version was asked.
async fn of_a_hundred(host: &Host) -> usize {
    let mut new = 0;
    for _ in 0..100 {
        match call(host, "wild", "unruly.fetch", json!({"path": "/else"})).await {
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::PermissionDenied => new += 1,
            Err(error) => panic!("{error}"),
        }
    }
    new
}

#[tokio::test]
async fn a_version_has_exactly_its_share_of_reads_until_it_is_moved_has_all_or_is_taken_back() {
    let outside = Outside::start().await;
    let host = wild(&outside).await;
    let mut events = host.events();
    let tried = UpgradeIntegration { dry_run: true, ..share("0.2.0", 10) };
    let tried = host.upgrade_integration("wild", tried).await.unwrap();
    assert_eq!((tried.changed, tried.share, runs(&host, "wild")), (false, 10, ("0.1.0".into(), None)));
    for wrong in [0, 101] {
        let error = host.upgrade_integration("wild", share("0.2.0", wrong)).await.unwrap_err();
        assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::Invalid, Some("/share")), "{error}");
    }
    let given = host.upgrade_integration("wild", share("0.2.0", 10)).await.unwrap();
    assert!(given.changed && given.share == 10, "{given:?}");
    assert_eq!(events.recv().await.unwrap().kind, EventKind::IntegrationShared);
    assert_eq!(runs(&host, "wild"), ("0.1.0".into(), Some(10)));
    assert_eq!(of_a_hundred(&host).await, 10);
    // No version need be named: which one is meant is known.
    let moved = UpgradeIntegration { share: Some(40), ..UpgradeIntegration::default() };
    host.upgrade_integration("wild", moved).await.unwrap();
    assert_eq!(of_a_hundred(&host).await, 40);
    let info = host.integration("wild").unwrap().share.unwrap();
    assert_eq!((info.calls, info.failed), (50, 0), "that something is not granted is no failure of the version's");
    let status = host.status().await.unwrap();
    assert!(
        status.concerns.iter().any(|c| c.message.starts_with("40 of 100 calls go to 0.2.0")),
        "{:?}",
        status.concerns
    );

    for refused in [
        host.update_integration(
            "wild",
            UpdateIntegration {
                config: Some(Default::default()),
                limits: Some([("cpu-ms".to_owned(), Some(500))].into()),
                ..Default::default()
            },
        )
        .await
        .map(drop),
        host.disable_integration("wild", None).await.map(drop),
        host.shadow_integration("wild", NewShadow::default()).await.map(drop),
        host.upgrade_integration("wild", share("0.1.0", 10)).await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Conflict, Some("upgrade-shared")), "{error}");
    }
    let error = host.remove_plugin("unruly@0.2.0").await.unwrap_err();
    assert!(error.kind == ErrorKind::Conflict && error.message.contains("share"), "{error}");

    let back = host.roll_back_integration("wild", None).await.unwrap();
    assert!(back.share.is_none() && back.previous.is_none());
    assert_eq!(of_a_hundred(&host).await, 0);
    host.upgrade_integration("wild", share("0.2.0", 40)).await.unwrap();
    let all = UpgradeIntegration { unchecked: true, ..UpgradeIntegration::default() };
    let done = host.upgrade_integration("wild", all).await.unwrap();
    assert_eq!((done.to.to_string().as_str(), done.share), ("0.2.0", 100));
    assert_eq!(runs(&host, "wild"), ("0.2.0".into(), None));
    assert_eq!(of_a_hundred(&host).await, 100);
    assert_eq!(host.roll_back_integration("wild", None).await.unwrap().plugin_version.to_string(), "0.1.0");
}

#[tokio::test]
async fn a_version_whose_share_of_the_calls_fails_is_taken_back_by_itself_and_no_other_call_fails() {
    let outside = Outside::start().await;
    let host = wild(&outside).await;
    host.upgrade_integration("wild", share("0.2.0", 50)).await.unwrap();
    let mut events = host.events();
    let (mut failed, mut calls) = (0, 0);
    while runs(&host, "wild").1.is_some() && calls < 200 {
        calls += 1;
        failed += usize::from(call(&host, "wild", "unruly.grow", json!({"mib": 20})).await.is_err());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(failed >= 5 && failed * 2 <= calls + 1, "{failed} of {calls}");
    let told = loop {
        let event = events.recv().await.unwrap();
        if event.kind == EventKind::IntegrationRolledBack {
            break event.message;
        }
    };
    assert!(told.contains("0.2.0") && told.contains("have failed"), "{told}");
    assert_eq!(runs(&host, "wild"), ("0.1.0".into(), None));
    call(&host, "wild", "unruly.grow", json!({"mib": 20})).await.unwrap();
}

/// A put of `play` under a key.
fn write(key: &str) -> CallRequest {
    let params = json!({"key": key, "value": "djE="}).to_string();
    CallRequest { idempotency_key: Some(key.to_owned()), ..CallRequest::new("play", "key-value", "put", params) }
}

/// The writes of `play` by key: with which version.
async fn written(host: &Host) -> BTreeMap<String, String> {
    let writes = host.writes(Some("play"), false, 1000).await.unwrap();
    writes.into_iter().map(|write| (write.key, write.plugin_digest)).collect()
}

#[tokio::test]
async fn a_write_that_is_sent_again_is_answered_once_by_the_version_that_had_it_whatever_the_share_is_now() {
    let host = playing().await;
    host.install_plugin(version("playground", "0.2.0", |_| {})).await.unwrap();
    let digest = |version: &str| host.plugin(&format!("playground@{version}")).unwrap().digest;
    let (old, new) = (digest("0.1.0"), digest("0.2.0"));
    host.upgrade_integration("play", share("0.2.0", 30)).await.unwrap();
    let mut first = BTreeMap::new();
    for number in 0..60 {
        let key = format!("k{number}");
        first.insert(key.clone(), host.call(write(&key)).await.unwrap().json);
    }
    let by = written(&host).await;
    let of = |digest: &str| by.values().filter(|found| *found == digest).count();
    assert!(of(&old) + of(&new) == 60 && (5..35).contains(&of(&new)), "{} of 60", of(&new));
    for percent in [90, 10] {
        host.upgrade_integration("play", share("0.2.0", percent)).await.unwrap();
        for (key, answer) in &first {
            let again = host.call(write(key)).await.unwrap();
            assert!(again.replayed && again.json == *answer, "{key}");
        }
        assert_eq!(written(&host).await, by);
    }
    // Both see what the other wrote.
    for _ in 0..20 {
        let got = call(&host, "play", "key-value.get", json!({"key": "k0"})).await.unwrap();
        assert_eq!(got["value"], "djE=");
    }
}

#[tokio::test]
async fn a_share_stands_in_a_host_that_is_started_again() {
    let data = tempfile::tempdir().unwrap();
    let build = || builder().data_dir(data.path()).build();
    let host = build().await.unwrap();
    host.install_plugin(plugin("playground")).await.unwrap();
    host.install_plugin(version("playground", "0.2.0", |_| {})).await.unwrap();
    host.add_integration(NewIntegration::new("play", "playground@0.1.0")).await.unwrap();
    host.upgrade_integration("play", share("0.2.0", 50)).await.unwrap();
    host.shutdown().await;
    drop(host);
    let host = build().await.unwrap();
    assert_eq!(runs(&host, "play"), ("0.1.0".into(), Some(50)));
    for number in 0..40 {
        put(&host, &format!("k{number}"), "djE=").await;
    }
    let digests: BTreeSet<String> = written(&host).await.into_values().collect();
    assert_eq!(digests.len(), 2, "both are asked");
    let done = host.upgrade_integration("play", UpgradeIntegration::default()).await.unwrap();
    assert_eq!((done.to.to_string().as_str(), runs(&host, "play")), ("0.2.0", ("0.2.0".into(), None)));
    host.shutdown().await;
}

#[tokio::test]
async fn a_write_of_unknown_outcome_is_sent_again_only_to_the_version_that_had_it() {
    let outside = Outside::start().await;
    let host = builder().build().await.unwrap();
    let promising =
        |wanted: &str| version("unruly", wanted, |manifest| manifest.writes.once_by_key = vec!["unruly.*".into()]);
    host.install_plugin(promising("0.1.0")).await.unwrap();
    add(&host, "wild", "unruly", json!({"url": outside.url})).await.unwrap();
    host.install_plugin(promising("0.2.0")).await.unwrap();
    let new = host.plugin("unruly@0.2.0").unwrap().digest;
    host.upgrade_integration("wild", share("0.2.0", 99)).await.unwrap();
    let submit = || {
        let params = json!({"path": "/shared", "then-crash": true}).to_string();
        CallRequest { idempotency_key: Some("k".into()), ..CallRequest::new("wild", "unruly", "submit", params) }
    };
    for (attempt, percent) in [(1, 99), (2, 1), (3, 50)] {
        host.upgrade_integration("wild", share("0.2.0", percent)).await.unwrap();
        let error = host.call(submit()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::OutcomeUnknown, "{error}");
        let write = host.write("wild", "k").await.unwrap();
        assert_eq!((write.attempts, &write.plugin_digest), (attempt, &new), "{percent}");
        assert_eq!(outside.requests(), attempt);
    }
    // The old version never had it, so it is not sent there.
    host.roll_back_integration("wild", None).await.unwrap();
    let error = host.call(submit()).await.unwrap_err();
    assert!(error.kind == ErrorKind::OutcomeUnknown && error.message.contains("it is not sent again"), "{error}");
    assert_eq!(outside.requests(), 3);
}
