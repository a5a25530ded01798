//! Versions of a plugin side by side, and integrations that go from one to another, back, and back by themselves.

mod common;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use common::{add, builder, call, outside::Outside, playing, plugin, put, version};
use jackfield_core::{
    Accept, EndpointSettings, ErrorKind, EventKind, GrantSettings, HealthState, Host, NewIntegration, NewPlugin,
    UpdateIntegration, UpgradeIntegration,
};
use jackfield_registry::EndpointRule;
use serde_json::{Value, json};

fn to(version: &str) -> UpgradeIntegration {
    UpgradeIntegration { version: Some(version.parse().unwrap()), ..UpgradeIntegration::default() }
}

fn runs(host: &Host, integration: &str) -> String {
    host.integration(integration).unwrap().plugin_version.to_string()
}

/// An integration `wild` with version 0.1.0 of the guest that misbehaves, beside whose plugin is version 0.2.0.
async fn wild(outside: &Outside) -> Host {
    let host = builder().health_interval(Duration::from_millis(100)).build().await.unwrap();
    host.install_plugin(plugin("unruly")).await.unwrap();
    add(&host, "wild", "unruly", json!({"url": outside.url})).await.unwrap();
    host.install_plugin(version("unruly", "0.2.0", |_| {})).await.unwrap();
    host
}

#[tokio::test]
async fn an_upgrade_keeps_state_and_configuration_and_the_old_version_stays_for_going_back() {
    let host = playing().await;
    put(&host, "k", "djE=").await;
    host.install_plugin(version("playground", "0.2.0", |_| {})).await.unwrap();
    assert_eq!(runs(&host, "play"), "0.1.0", "what runs changes only when it is upgraded");

    let tried = host
        .upgrade_integration("play", UpgradeIntegration { dry_run: true, ..UpgradeIntegration::default() })
        .await
        .unwrap();
    assert!(!tried.changed && tried.checked && tried.to.to_string() == "0.2.0", "{tried:?}");
    assert_eq!(runs(&host, "play"), "0.1.0");

    let mut events = host.events();
    let upgraded = host.upgrade_integration("play", UpgradeIntegration::default()).await.unwrap();
    assert!(upgraded.changed && upgraded.new_rights.is_empty(), "{upgraded:?}");
    assert_eq!(events.recv().await.unwrap().kind, EventKind::IntegrationUpgraded);
    assert_eq!(runs(&host, "play"), "0.2.0");
    assert_eq!(call(&host, "play", "key-value.get", json!({"key": "k"})).await.unwrap()["value"], "djE=");
    let again = host.upgrade_integration("play", UpgradeIntegration::default()).await.unwrap();
    assert!(!again.changed, "{again:?}");

    let error = host.remove_plugin("playground@0.2.0").await.unwrap_err();
    assert!(error.kind == ErrorKind::Conflict && error.message.contains("`play`"), "{error}");
    let error = host.remove_plugin("playground").await.unwrap_err();
    assert!(error.message.contains("`playground@0.1.0`, `playground@0.2.0`"), "{error}");

    let back = host.roll_back_integration("play", None).await.unwrap();
    assert_eq!(back.plugin_version.to_string(), "0.1.0");
    assert_eq!(back.previous.unwrap().plugin_version.to_string(), "0.2.0");
    assert_eq!(call(&host, "play", "key-value.get", json!({"key": "k"})).await.unwrap()["value"], "djE=");
    host.remove_plugin("playground@0.2.0").await.unwrap();
    let error = host.roll_back_integration("play", None).await.unwrap_err();
    assert!(error.message.contains("playground@0.2.0` is not installed"), "{error}");
}

#[tokio::test]
async fn no_call_fails_while_an_integration_goes_to_and_fro() {
    let host = playing().await;
    host.install_plugin(version("playground", "0.2.0", |_| {})).await.unwrap();
    put(&host, "k", "djE=").await;
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (host, stop) = (host.clone(), stop.clone());
            tokio::spawn(async move {
                let mut calls = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    call(&host, "play", "key-value.get", json!({"key": "k"})).await.unwrap();
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    for _ in 0..10 {
        host.upgrade_integration("play", to("0.2.0")).await.unwrap();
        host.roll_back_integration("play", None).await.unwrap();
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for caller in callers {
        assert!(caller.await.unwrap() > 0);
    }
}

#[tokio::test]
async fn an_address_stays_with_its_endpoint_whatever_the_new_version_calls_its_setting() {
    let outside = Outside::start().await;
    let host = builder().build().await.unwrap();
    // Version 0.1.0 called it `location`.
    let old = version("unruly", "0.1.0", |manifest| {
        let url = manifest.config["properties"]["url"].clone();
        manifest.config["properties"]["location"] = url;
        manifest.endpoints[0].address = "location".into();
    });
    host.install_plugin(old).await.unwrap();
    add(&host, "wild", "unruly", json!({"location": outside.url})).await.unwrap();
    host.install_plugin(plugin_at("0.2.0")).await.unwrap();
    let upgraded = host.upgrade_integration("wild", UpgradeIntegration::default()).await.unwrap();
    assert_eq!(Value::Object(upgraded.config), json!({"url": outside.url}));
    assert!(upgraded.new_rights.lines()[0].contains("the address in `url`"), "{:?}", upgraded.new_rights);
    assert!(call(&host, "wild", "unruly.fetch", json!({"path": "/x"})).await.is_ok());

    assert_eq!(host.roll_back_integration("wild", None).await.unwrap().config["location"], outside.url.as_str());
}

#[tokio::test]
async fn a_new_version_has_no_say_in_where_requests_go() {
    let outside = Outside::start().await;
    let host = builder().build().await.unwrap();
    host.install_plugin(plugin_at("7.7.7")).await.unwrap();
    add(&host, "wild", "unruly", json!({"url": outside.url})).await.unwrap();
    // It gives itself another address, asks for one more endpoint, and has that take the first one's name for its address.
    let greedy = version("unruly", "8.0.0", |manifest| {
        let mut second = manifest.endpoints[0].clone();
        second.name = "second".into();
        second.address = "second-url".into();
        manifest.endpoints.push(second);
        manifest.config["properties"]["second-url"] = json!({"type": "string"});
        manifest.config["properties"]["note"] = json!({"type": "string"});
    });
    host.install_plugin(greedy).await.unwrap();
    let upgraded = host.upgrade_integration("wild", UpgradeIntegration::default()).await.unwrap();
    assert_eq!(Value::Object(upgraded.config), json!({"url": outside.url, "note": "migrated"}));

    // Two endpoints that had an address each cannot share one.
    let config = json!({"second-url": "http://127.0.0.1:9"}).as_object().cloned();
    let change = UpdateIntegration { config, ..UpdateIntegration::default() };
    host.update_integration("wild", change).await.unwrap();
    let sharing = version("unruly", "8.1.0", |manifest| {
        let mut second = manifest.endpoints[0].clone();
        second.name = "second".into();
        manifest.endpoints.push(second);
        manifest.config["properties"]["note"] = json!({"type": "string"});
    });
    host.install_plugin(sharing).await.unwrap();
    let error = host.upgrade_integration("wild", UpgradeIntegration::default()).await.unwrap_err();
    assert!(error.message.contains("different ones"), "{error}");
}

#[tokio::test]
async fn settings_that_a_new_version_needs_come_with_the_upgrade_in_one_switch() {
    let outside = Outside::start().await;
    let host = common::unruly(&outside.url).await;
    let needs_one = version("unruly", "0.2.0", |manifest| {
        manifest.config["properties"]["note"] = json!({"type": "string"});
        manifest.config.insert("required".into(), json!(["note"]));
    });
    host.install_plugin(needs_one).await.unwrap();
    let error = host.upgrade_integration("wild", UpgradeIntegration::default()).await.unwrap_err();
    assert!(error.message.contains("integration upgrade wild --set"), "{error}");
    let with = |config: Value| UpgradeIntegration { config: config.as_object().cloned(), ..Default::default() };
    let error = host.upgrade_integration("wild", with(json!({"note": 7}))).await.unwrap_err();
    assert_eq!((error.field.as_deref(), runs(&host, "wild").as_str()), (Some("/config/note"), "0.1.0"), "{error}");
    let revision = host.integration("wild").unwrap().revision;
    let upgraded = host.upgrade_integration("wild", with(json!({"note": "mine"}))).await.unwrap();
    assert!(upgraded.changed && upgraded.integration.revision > revision, "{upgraded:?}");
    assert_eq!(Value::Object(upgraded.config), json!({"url": outside.url, "note": "mine"}));

    let again = host.upgrade_integration("wild", with(json!({"note": "mine"}))).await.unwrap();
    assert!(!again.changed, "it is so already");
    let error = host.upgrade_integration("wild", with(json!({"note": "other"}))).await.unwrap_err();
    assert_eq!((error.kind, error.field.as_deref()), (ErrorKind::Conflict, Some("/config")), "{error}");
    assert!(error.message.contains("integration update"), "settings are not silently left: {error}");
    let back = host.roll_back_integration("wild", None).await.unwrap();
    assert_eq!(Value::Object(back.config), json!({"url": outside.url}));
}

#[tokio::test]
async fn a_version_that_makes_no_configuration_of_what_it_is_given_is_refused_with_its_words() {
    let outside = Outside::start().await;
    for (from, words) in
        [("6.6.6", "what it was given is {}"), ("8.8.8", "no object"), ("9.9.9", "nobody can read this")]
    {
        let host = builder().build().await.unwrap();
        host.install_plugin(plugin_at(from)).await.unwrap();
        add(&host, "wild", "unruly", json!({"url": outside.url})).await.unwrap();
        host.install_plugin(plugin_at("10.0.0")).await.unwrap();
        let error = host.upgrade_integration("wild", UpgradeIntegration::default()).await.unwrap_err();
        assert!(error.kind == ErrorKind::Conflict && error.message.contains(words), "{error}");
        assert_eq!(runs(&host, "wild"), from);
    }
}

fn plugin_at(wanted: &str) -> Vec<u8> {
    version("unruly", wanted, |_| {})
}

#[tokio::test]
async fn a_version_that_does_not_find_its_outside_system_well_is_not_switched_to() {
    let host = builder().health_interval(Duration::from_millis(100)).build().await.unwrap();
    host.install_plugin(plugin("prometheus")).await.unwrap();
    // Nobody listens there.
    add(&host, "prom", "prometheus", json!({"url": "http://127.0.0.1:9"})).await.unwrap();
    host.install_plugin(version("prometheus", "0.2.0", |_| {})).await.unwrap();
    let error = host.upgrade_integration("prom", UpgradeIntegration::default()).await.unwrap_err();
    assert!(error.message.contains("stays at 0.1.0") && error.message.contains("--unchecked"), "{error}");
    assert_eq!(runs(&host, "prom"), "0.1.0");
    let unchecked = UpgradeIntegration { unchecked: true, ..Default::default() };
    assert!(host.upgrade_integration("prom", unchecked).await.unwrap().changed);
    // That the outside system is down is not the new version's fault.
    while host.integration("prom").unwrap().health.state != HealthState::Unhealthy {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(runs(&host, "prom"), "0.2.0");
}

#[tokio::test]
async fn a_version_with_which_calls_fail_is_taken_back_by_itself() {
    let outside = Outside::start().await;
    let host = wild(&outside).await;
    let mut events = host.events();
    host.upgrade_integration("wild", UpgradeIntegration::default()).await.unwrap();
    assert!(host.integration("wild").unwrap().probation_until.is_some());
    for _ in 0..5 {
        call(&host, "wild", "unruly.crash", json!({"message": "0.2.0 has a fault"})).await.unwrap_err();
    }
    let message = taken_back(&mut events).await;
    assert!(message.contains("after 0.2.0: all 5 calls since have failed"), "{message}");
    assert_eq!(runs(&host, "wild"), "0.1.0");
    assert!(host.integration("wild").unwrap().probation_until.is_none());
}

/// Waits until an integration goes back by itself; why it did.
async fn taken_back(events: &mut tokio::sync::broadcast::Receiver<jackfield_core::Event>) -> String {
    let told = async {
        loop {
            let event = events.recv().await.unwrap();
            if event.kind == EventKind::IntegrationRolledBack {
                return event.message;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), told).await.unwrap()
}

#[tokio::test]
async fn a_version_with_which_the_outside_system_is_not_well_any_more_is_taken_back_by_itself() {
    let outside = Outside::start().await;
    let host = builder().health_interval(Duration::from_millis(100)).build().await.unwrap();
    host.install_plugin(plugin("alertmanager")).await.unwrap();
    add(&host, "alerts", "alertmanager", json!({"url": outside.url})).await.unwrap();
    host.install_plugin(version("alertmanager", "0.2.0", |_| {})).await.unwrap();
    let mut events = host.events();
    host.upgrade_integration("alerts", UpgradeIntegration::default()).await.unwrap();
    assert_eq!(host.integration("alerts").unwrap().health.state, HealthState::Healthy, "it was checked before it ran");
    let error = host.remove_plugin("alertmanager@0.1.0").await.unwrap_err();
    assert!(error.message.contains("may go back to it"), "{error}");
    outside.stop();
    let message = taken_back(&mut events).await;
    assert!(message.contains("after 0.2.0: its outside system was found not healthy"), "{message}");
    assert_eq!(runs(&host, "alerts"), "0.1.0");
}

#[tokio::test]
async fn a_version_that_is_only_tried_keeps_nothing() {
    let outside = Outside::start().await;
    let host = builder().build().await.unwrap();
    let keeping = |wanted: &str| {
        version("unruly", wanted, |manifest| manifest.config["properties"]["keeps"] = json!({"type": "boolean"}))
    };
    host.install_plugin(keeping("0.1.0")).await.unwrap();
    add(&host, "wild", "unruly", json!({"url": outside.url, "keeps": true})).await.unwrap();
    host.install_plugin(keeping("0.2.0")).await.unwrap();
    for dry_run in [true, false] {
        let wanted = UpgradeIntegration { dry_run, ..UpgradeIntegration::default() };
        let error = host.upgrade_integration("wild", wanted).await.unwrap_err();
        assert!(error.message.contains("nothing is kept while a version is tried out"), "{error}");
    }
    assert_eq!(runs(&host, "wild"), "0.1.0");
    assert_eq!(
        host.check_integration("wild").await.unwrap().state,
        HealthState::Healthy,
        "what runs can keep something"
    );
}

#[tokio::test]
async fn an_address_that_was_changed_since_an_upgrade_stays_changed_when_it_is_gone_back() {
    let (old, new) = (Outside::start().await, Outside::start().await);
    let host = wild(&old).await;
    host.upgrade_integration("wild", UpgradeIntegration::default()).await.unwrap();
    let moved = json!({"url": new.url}).as_object().cloned();
    host.update_integration("wild", UpdateIntegration { config: moved, ..UpdateIntegration::default() }).await.unwrap();
    assert!(host.integration("wild").unwrap().probation_until.is_none(), "it is the operator's now");
    let back = host.roll_back_integration("wild", None).await.unwrap();
    assert_eq!((back.plugin_version.to_string(), &back.config["url"]), ("0.1.0".to_owned(), &json!(new.url)));
}

#[tokio::test]
async fn what_is_set_for_an_endpoint_holds_for_a_later_version_that_has_it_again() {
    let outside = Outside::start().await;
    let host = builder().build().await.unwrap();
    let with_second = |wanted: &str| {
        version("unruly", wanted, |manifest| {
            let second = EndpointRule { name: "second".into(), ..manifest.endpoints[0].clone() };
            manifest.endpoints.push(second);
        })
    };
    host.install_plugin(with_second("0.1.0")).await.unwrap();
    let mut new = NewIntegration::new("wild", "unruly");
    new.config.insert("url".into(), outside.url.clone().into());
    new.endpoints.insert("second".into(), settings(&[], true));
    host.add_integration(new).await.unwrap();
    for file in [plugin_at("0.2.0"), plugin_at("0.3.0"), with_second("0.4.0")] {
        host.install_plugin(file).await.unwrap();
        host.upgrade_integration("wild", UpgradeIntegration::default()).await.unwrap();
    }
    let there = host.integration("wild").unwrap();
    assert_eq!((runs(&host, "wild").as_str(), &there.endpoints["second"]), ("0.4.0", &settings(&[], true)));
}

#[tokio::test]
async fn a_version_that_is_not_watched_or_does_well_stays() {
    let outside = Outside::start().await;
    let host = wild(&outside).await;
    let unwatched = UpgradeIntegration { watch_seconds: Some(0), ..to("0.2.0") };
    host.upgrade_integration("wild", unwatched).await.unwrap();
    for _ in 0..5 {
        call(&host, "wild", "unruly.crash", json!({"message": "x"})).await.unwrap_err();
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(runs(&host, "wild"), "0.2.0");
    host.roll_back_integration("wild", None).await.unwrap();
    host.upgrade_integration("wild", to("0.2.0")).await.unwrap();
    for _ in 0..30 {
        call(&host, "wild", "unruly.count", json!({})).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(runs(&host, "wild"), "0.2.0");
}

#[tokio::test]
async fn a_version_that_asks_for_one_more_endpoint_is_not_installed_until_exactly_that_is_accepted() {
    let host = builder().build().await.unwrap();
    let first = plugin("unruly");
    let with = |file: &[u8], accept| NewPlugin { accept, ..NewPlugin::embedded(file.to_vec()) };
    let error = host.install_plugin_with(with(&first, Accept::Nothing)).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::PermissionDenied, Some("acceptance-needed")));
    let plan = host.plan_install(&with(&first, Accept::Nothing)).await.unwrap();
    host.install_plugin_with(with(&first, Accept::Only(plan.accept.unwrap()))).await.unwrap();

    // No more than before: nothing is asked.
    host.install_plugin_with(with(&plugin_at("0.2.0"), Accept::Nothing)).await.unwrap();

    let more = version("unruly", "0.3.0", |manifest| {
        let mut telemetry = manifest.endpoints[0].clone();
        telemetry.name = "telemetry".into();
        telemetry.address = "telemetry-url".into();
        telemetry.methods = vec!["POST".into()];
        telemetry.paths = vec!["/push".into()];
        manifest.endpoints.push(telemetry);
        manifest.config["properties"]["telemetry-url"] = json!({"type": "string"});
    });
    let plan = host.plan_install(&with(&more, Accept::Nothing)).await.unwrap();
    assert_eq!(plan.new_rights.lines(), ["send to `telemetry` (the address in `telemetry-url`): POST /push"]);
    let error = host.install_plugin_with(with(&more, Accept::Nothing)).await.unwrap_err();
    assert!(error.message.contains("send to `telemetry`") && !error.message.contains("send to `api`"), "{error}");
    let other = Accept::Only("0".repeat(32));
    assert!(host.install_plugin_with(with(&more, other)).await.is_err());
    assert_eq!(host.plugins().len(), 2);
    host.install_plugin_with(with(&more, Accept::Only(plan.accept.unwrap()))).await.unwrap();
    assert_eq!(host.plugin("unruly").unwrap().version.to_string(), "0.3.0");
    assert_eq!(host.plugin("unruly@0.1.0").unwrap().version.to_string(), "0.1.0");
}

#[tokio::test]
async fn going_back_gives_back_the_settings_of_endpoints_and_no_right_that_was_taken_since() {
    let outside = Outside::start().await;
    let host = builder().build().await.unwrap();
    let two = version("unruly", "0.1.0", |manifest| {
        let second = EndpointRule { name: "second".into(), ..manifest.endpoints[0].clone() };
        manifest.endpoints.push(second);
    });
    host.install_plugin(two).await.unwrap();
    let mut new = NewIntegration::new("wild", "unruly");
    new.config.insert("url".into(), outside.url.clone().into());
    new.endpoints.insert("second".into(), settings(&["10.0.0.0/8"], false));
    host.add_integration(new).await.unwrap();
    host.install_plugin(plugin_at("0.2.0")).await.unwrap();

    let upgraded = host.upgrade_integration("wild", UpgradeIntegration::default()).await.unwrap();
    assert_eq!(upgraded.endpoints_dropped, ["second"]);
    let read_only = BTreeMap::from([("api".to_owned(), Some(settings(&[], true)))]);
    let change = UpdateIntegration { endpoints: Some(read_only), ..UpdateIntegration::default() };
    host.update_integration("wild", change).await.unwrap();

    let back = host.roll_back_integration("wild", None).await.unwrap();
    assert_eq!(back.endpoints["second"], settings(&["10.0.0.0/8"], false));
    assert_eq!(back.endpoints["api"], settings(&[], true), "what was taken away stays away");
    let forward = host.roll_back_integration("wild", None).await.unwrap();
    assert_eq!(forward.endpoints.keys().collect::<Vec<_>>(), ["api"]);
}

fn settings(allow_addresses: &[&str], read_only: bool) -> EndpointSettings {
    let grant = read_only.then(|| GrantSettings { read_only, ..GrantSettings::default() });
    let allow_addresses = allow_addresses.iter().map(|range| (*range).to_owned()).collect();
    EndpointSettings { allow_addresses, grant, ..EndpointSettings::default() }
}

#[tokio::test]
async fn an_integration_is_added_with_the_newest_release_or_the_version_that_is_named() {
    let host = playing().await;
    for wanted in ["0.2.0", "0.10.0", "0.11.0-rc.1"] {
        host.install_plugin(version("playground", wanted, |_| {})).await.unwrap();
    }
    let added = async |name: &str, plugin: &str| {
        host.add_integration(NewIntegration::new(name, plugin))
            .await
            .map(|info| (info.plugin, info.plugin_version.to_string()))
    };
    assert_eq!(added("a", "playground").await.unwrap(), ("playground".to_owned(), "0.10.0".to_owned()));
    assert_eq!(added("b", "playground@0.2.0").await.unwrap().1, "0.2.0");
    assert_eq!(added("c", "playground@0.11.0-rc.1").await.unwrap().1, "0.11.0-rc.1");
    let error = added("d", "playground@0.3.0").await.unwrap_err();
    assert!(error.kind == ErrorKind::NotFound && error.message.contains("0.2.0"), "{error}");
    assert_eq!(host.plugin("playground@0.2.0").unwrap().integrations, ["b"]);
}

#[tokio::test]
async fn versions_and_what_to_go_back_to_are_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let host = builder().data_dir(folder.path()).build().await.unwrap();
    host.install_plugin(plugin("playground")).await.unwrap();
    host.add_integration(NewIntegration::new("play", "playground")).await.unwrap();
    host.install_plugin(version("playground", "0.2.0", |_| {})).await.unwrap();
    host.upgrade_integration("play", UpgradeIntegration::default()).await.unwrap();
    host.shutdown().await;
    drop(host);
    let host = builder().data_dir(folder.path()).build().await.unwrap();
    assert_eq!(
        host.plugins().iter().map(|plugin| plugin.id.as_str()).collect::<Vec<_>>(),
        ["playground@0.1.0", "playground@0.2.0"]
    );
    assert_eq!(runs(&host, "play"), "0.2.0");
    assert!(host.integration("play").unwrap().probation_until.is_some(), "it is watched on");
    host.roll_back_integration("play", None).await.unwrap();
    put(&host, "k", "djE=").await;
    assert_eq!(runs(&host, "play"), "0.1.0");
    host.shutdown().await;
}
