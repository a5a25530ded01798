//! Versions that are rehearsed: what callers read is read through both, and they notice nothing of it.

mod common;

use std::time::{Duration, Instant};

use common::{add, builder, call, outside::Outside, playing, plugin, put, version};
use jackfield_core::{
    ErrorKind, Event, EventKind, Host, NewIntegration, NewShadow, ShadowDifferenceKind, ShadowReport, ShadowState,
    UpdateIntegration, UpgradeIntegration,
};
use serde_json::json;
use tokio::sync::broadcast::Receiver;

fn to(version: &str) -> NewShadow {
    NewShadow { version: Some(version.parse().unwrap()), ..NewShadow::default() }
}

/// `wild` with version 0.1.0 of the guest that misbehaves, and beside it version 0.2.0, which may only ask for `/shared`.
async fn wild(outside: &Outside) -> Host {
    let host = builder().build().await.unwrap();
    host.install_plugin(plugin("unruly")).await.unwrap();
    add(&host, "wild", "unruly", json!({"url": outside.url})).await.unwrap();
    let narrower = version("unruly", "0.2.0", |manifest| manifest.endpoints[0].paths = vec!["/shared".into()]);
    host.install_plugin(narrower).await.unwrap();
    host
}

async fn fetch(host: &Host, path: &str) {
    call(host, "wild", "unruly.fetch", json!({"path": path})).await.unwrap();
}

/// The report once it is as wanted.
async fn until(host: &Host, name: &str, what: &str, wanted: impl Fn(&ShadowReport) -> bool) -> ShadowReport {
    let started = Instant::now();
    loop {
        let report = host.shadow(name).unwrap();
        if wanted(&report) {
            return report;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{what}: {report:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn next(events: &mut Receiver<Event>, kind: EventKind) -> Event {
    loop {
        let event = tokio::time::timeout(Duration::from_secs(20), events.recv()).await.unwrap().unwrap();
        if event.kind == kind {
            return event;
        }
    }
}

#[tokio::test]
async fn a_read_that_another_version_may_not_make_differs_and_one_that_both_may_is_equal() {
    let outside = Outside::start().await;
    let host = wild(&outside).await;
    let mut events = host.events();
    let begun = host.shadow_integration("wild", NewShadow { unchecked: true, ..to("0.2.0") }).await.unwrap();
    assert_eq!((begun.state, begun.to.to_string().as_str()), (ShadowState::Running, "0.2.0"));
    next(&mut events, EventKind::ShadowStarted).await;
    fetch(&host, "/shared").await;
    fetch(&host, "/else").await;
    fetch(&host, "/else").await;
    let report = until(&host, "wild", "three reads", |report| report.reads.compared == 3).await;
    assert_eq!((report.reads.equal, report.reads.different, report.reads.failed), (1, 2, 0), "{report:#?}");
    let [difference] = &report.differences[..] else { panic!("{report:#?}") };
    assert_eq!((difference.kind, difference.pointer.as_str(), difference.count), (ShadowDifferenceKind::Error, "", 2));
    assert_eq!(difference.candidate.as_ref().unwrap()["kind"], "permission-denied", "{difference:?}");
    let told = next(&mut events, EventKind::ShadowDiffered).await;
    assert!(told.message.contains("`unruly.fetch`") && !told.message.contains("hello"), "{}", told.message);

    let info = host.integration("wild").unwrap();
    assert_eq!((info.plugin_version.to_string().as_str(), info.shadow.unwrap().different), ("0.1.0", 2));
    let status = host.status().await.unwrap();
    assert!(status.concerns.iter().any(|concern| concern.message.contains("is rehearsed")), "{:?}", status.concerns);
    // Each read by the host is in the trail, as that version's and as nobody's who called.
    let containing = ["unruly.fetch".to_owned(), "to compare two versions".to_owned()];
    let trail = host.audit(None, 100, &containing).await.unwrap();
    assert_eq!(trail.items.len(), 5, "three by the other version, and two second looks");

    host.end_shadow("wild").await.unwrap();
    host.end_shadow("wild").await.unwrap();
    let ended = next(&mut events, EventKind::ShadowEnded).await;
    assert!(ended.message.contains("0.2.0"), "{}", ended.message);
    let report = host.shadow("wild").unwrap();
    assert_eq!((report.state, report.reads.different), (ShadowState::Ended, 2), "what it has found can still be read");
    fetch(&host, "/else").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(host.shadow("wild").unwrap().reads.compared, 3, "nothing is compared any more");
}

#[tokio::test]
async fn an_answer_that_is_another_each_time_is_told_as_changed_meanwhile_and_writes_are_not_rehearsed() {
    let outside = Outside::start().await;
    let host = wild(&outside).await;
    // Other instances begin to count anew.
    for _ in 0..20 {
        call(&host, "wild", "unruly.count", json!({})).await.unwrap();
    }
    host.shadow_integration("wild", NewShadow { unchecked: true, ..to("0.2.0") }).await.unwrap();
    for _ in 0..3 {
        call(&host, "wild", "unruly.count", json!({})).await.unwrap();
    }
    let before = outside.requests();
    let submitted = json!({"path": "/shared", "then-crash": false});
    call(&host, "wild", "unruly.submit", submitted).await.unwrap();
    let report = until(&host, "wild", "three counts", |report| report.reads.compared == 3).await;
    assert_eq!((report.reads.different, report.reads.changed_meanwhile), (0, 3), "{report:#?}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(outside.requests(), before + 1, "a write is sent once");
    let operations: Vec<_> = host.shadow("wild").unwrap().operations.into_iter().map(|one| one.operation).collect();
    assert_eq!(operations, ["unruly.count"]);
}

#[tokio::test]
async fn what_a_rehearsed_version_calls_a_read_sends_nothing_that_may_change_the_outside_system() {
    let outside = Outside::start().await;
    let host = wild(&outside).await;
    host.shadow_integration("wild", NewShadow { unchecked: true, ..to("0.2.0") }).await.unwrap();
    for (method, sent, done) in [("GET", 2, 1), ("POST", 1, 2)] {
        let before = outside.requests();
        let request = json!({"endpoint": "api", "method": method, "path": "/shared", "headers": [], "body": ""});
        call(&host, "wild", "unruly.attempt", json!({"request": request})).await.unwrap();
        let all = |report: &ShadowReport| report.reads.compared + report.reads.failed == done;
        let report = until(&host, "wild", method, all).await;
        assert_eq!(outside.requests(), before + sent, "{method}: {report:#?}");
    }
    let reads = host.shadow("wild").unwrap().reads;
    assert_eq!((reads.equal, reads.different, reads.failed), (1, 0, 1), "{reads:?}");
}

#[tokio::test]
async fn a_rehearsal_is_over_with_an_upgrade_for_which_nobody_waits_any_more() {
    let outside = Outside::start().await;
    let host = wild(&outside).await;
    host.shadow_integration("wild", NewShadow { unchecked: true, ..to("0.2.0") }).await.unwrap();
    let (mut events, mut told) = (host.events(), host.events());
    let upgrade = UpgradeIntegration { unchecked: true, ..UpgradeIntegration::default() };
    tokio::select! {
        biased;
        _ = next(&mut events, EventKind::IntegrationUpgraded) => {}
        _ = host.upgrade_integration("wild", upgrade) => {}
    }
    next(&mut told, EventKind::ShadowEnded).await;
    assert_eq!(host.shadow("wild").unwrap().state, ShadowState::Ended);
}

#[tokio::test]
async fn callers_wait_for_no_comparison_and_what_finds_no_place_is_dropped_and_counted() {
    let outside = Outside::start().await;
    let host = wild(&outside).await;
    host.shadow_integration("wild", NewShadow { unchecked: true, ..to("0.2.0") }).await.unwrap();
    let calls = (0..60).map(|_| {
        let host = host.clone();
        tokio::spawn(async move {
            let started = Instant::now();
            call(&host, "wild", "unruly.sleep", json!({"ms": 100})).await.unwrap();
            started.elapsed()
        })
    });
    for call in calls.collect::<Vec<_>>() {
        assert!(call.await.unwrap() < Duration::from_secs(5));
    }
    let report = until(&host, "wild", "all", |report| report.reads.compared + report.reads.dropped == 60).await;
    assert!(report.reads.dropped >= 30 && report.reads.equal >= 10, "{report:#?}");
    assert_eq!((report.reads.different, report.reads.failed), (0, 0), "{report:#?}");
}

#[tokio::test]
async fn whatever_changes_what_runs_ends_a_rehearsal_and_what_does_not_lets_it_go_on() {
    let host = playing().await;
    for other in ["0.2.0", "0.3.0"] {
        let greets = version("playground", other, |manifest| {
            manifest.config.insert("properties".into(), json!({"greeting": {"type": "string"}}));
        });
        host.install_plugin(greets).await.unwrap();
    }
    let mut events = host.events();

    let error = host.shadow("play").unwrap_err();
    assert!(error.kind == ErrorKind::NotFound && error.message.contains("--to VERSION"), "{error}");
    let error = host.shadow_integration("play", to("0.1.0")).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::Conflict, Some("/version")), "{error}");
    for seconds in [0, 86_401] {
        let wanted = NewShadow { for_seconds: Some(seconds), ..to("0.2.0") };
        let error = host.shadow_integration("play", wanted).await.unwrap_err();
        assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::Invalid, Some("/for-seconds")), "{error}");
    }
    let tried = host.shadow_integration("play", NewShadow { dry_run: true, ..to("0.2.0") }).await.unwrap();
    assert_eq!(tried.state, ShadowState::Tried);
    assert!(host.shadow("play").is_err() && host.integration("play").unwrap().shadow.is_none());

    let begun = host.shadow_integration("play", to("0.2.0")).await.unwrap();
    put(&host, "k", "djE=").await;
    call(&host, "play", "key-value.get", json!({"key": "k"})).await.unwrap();
    until(&host, "play", "one read", |report| report.reads.equal == 1).await;
    let longer = NewShadow { for_seconds: Some(3600), ..to("0.2.0") };
    let again = host.shadow_integration("play", longer).await.unwrap();
    assert!(again.until > begun.until && again.started_at == begun.started_at, "{again:?}");
    assert_eq!(again.reads.equal, 1, "it goes on");
    let error = host.remove_plugin("playground@0.2.0").await.unwrap_err();
    assert!(error.kind == ErrorKind::Conflict && error.message.contains("--stop"), "{error}");
    let labels = Some([("env".to_owned(), Some("dev".to_owned()))].into());
    host.update_integration("play", UpdateIntegration { labels, ..Default::default() }).await.unwrap();
    assert_eq!(host.shadow("play").unwrap().state, ShadowState::Running, "a label changes nothing that runs");

    let limits = Some([("concurrency".to_owned(), Some(4))].into());
    host.update_integration("play", UpdateIntegration { limits, ..Default::default() }).await.unwrap();
    let told = next(&mut events, EventKind::ShadowEnded).await;
    assert!(told.message.contains("was changed"), "{}", told.message);
    assert_eq!(host.shadow("play").unwrap().state, ShadowState::Ended);

    // What was rehearsed is what is upgraded to, with the settings that it was rehearsed with.
    let config = json!({"greeting": "hello"}).as_object().cloned();
    host.shadow_integration("play", NewShadow { config, ..to("0.2.0") }).await.unwrap();
    let upgraded = host.upgrade_integration("play", UpgradeIntegration::default()).await.unwrap();
    assert_eq!((upgraded.to.to_string().as_str(), &upgraded.config["greeting"]), ("0.2.0", &json!("hello")));
    let told = next(&mut events, EventKind::ShadowEnded).await;
    assert!(told.message.contains("was upgraded"), "{}", told.message);
    assert!(host.integration("play").unwrap().shadow.is_none());

    host.shadow_integration("play", to("0.3.0")).await.unwrap();
    host.disable_integration("play", None).await.unwrap();
    assert_eq!(host.shadow("play").unwrap().ended_because.as_deref(), Some("the integration was disabled"));
    let error = host.shadow_integration("play", to("0.3.0")).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("integration-disabled"));
    host.enable_integration("play", None).await.unwrap();
    host.shadow_integration("play", to("0.3.0")).await.unwrap();
    host.remove_integration("play", false).await.unwrap();
    assert!(next(&mut events, EventKind::ShadowEnded).await.message.contains("disabled"));
    assert!(next(&mut events, EventKind::ShadowEnded).await.message.contains("removed"));
}

#[tokio::test]
async fn a_rehearsal_ends_by_itself_and_goes_on_in_a_host_that_is_started_again() {
    let data = tempfile::tempdir().unwrap();
    let build = || builder().data_dir(data.path()).build();
    let host = build().await.unwrap();
    host.install_plugin(plugin("playground")).await.unwrap();
    host.install_plugin(version("playground", "0.2.0", |_| {})).await.unwrap();
    host.add_integration(NewIntegration::new("play", "playground@0.1.0")).await.unwrap();
    host.add_integration(NewIntegration::new("brief", "playground@0.1.0")).await.unwrap();
    let begun = host.shadow_integration("play", to("0.2.0")).await.unwrap();
    let mut events = host.events();
    host.shadow_integration("brief", NewShadow { for_seconds: Some(1), ..to("0.2.0") }).await.unwrap();
    assert!(next(&mut events, EventKind::ShadowEnded).await.message.contains("its time is over"));
    assert_eq!(host.shadow("brief").unwrap().state, ShadowState::Ended);
    host.shadow_integration("brief", NewShadow { for_seconds: Some(1), ..to("0.2.0") }).await.unwrap();
    host.shutdown().await;
    drop(host);
    tokio::time::sleep(Duration::from_secs(1)).await;

    let host = build().await.unwrap();
    put(&host, "k", "djE=").await;
    call(&host, "play", "key-value.get", json!({"key": "k"})).await.unwrap();
    let report = until(&host, "play", "one read", |report| report.reads.equal == 1).await;
    assert_eq!((report.started_at, report.until), (begun.started_at, begun.until));
    assert!(report.counted_since > begun.counted_since);
    let started = Instant::now();
    while host.integration("brief").unwrap().revision == 0
        || host.audit(None, 100, &["brief".to_owned(), "no longer rehearsed".to_owned()]).await.unwrap().items.len() < 4
    {
        assert!(started.elapsed() < Duration::from_secs(10), "what was over meanwhile is ended, and recorded");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    host.shutdown().await;
}
