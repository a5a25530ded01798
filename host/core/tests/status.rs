//! What a host tells of itself at a glance.

mod common;

use common::{add, builder, call, outside::Outside, plugin};
use jackfield_core::{ConcernLevel, ErrorSource, NewSource, Secret, VaultState};
use serde_json::json;

#[tokio::test]
async fn a_host_that_is_well_has_nothing_to_tell_and_one_that_is_not_says_what_and_whose_fault_it_is() {
    let outside = Outside::start().await;
    let host = common::unruly(&outside.url).await;
    host.check_integration("wild").await.unwrap();
    let status = host.status().await.unwrap();
    assert!(status.readiness.ready && status.concerns.is_empty(), "{status:?}");
    assert_eq!((status.plugins, status.integrations["healthy"], status.vault), (1, 1, VaultState::Absent));

    host.install_plugin(plugin("prometheus")).await.unwrap();
    // Nobody listens there.
    add(&host, "prom", "prometheus", json!({"url": "http://127.0.0.1:9"})).await.unwrap();
    host.check_integration("prom").await.unwrap();
    for _ in 0..5 {
        call(&host, "wild", "unruly.crash", json!({"message": "x"})).await.unwrap_err();
    }
    host.init_vault(NewSource::Passphrase(Secret::from(&b"a passphrase for a test"[..]))).await.unwrap();
    host.seal_vault().await.unwrap();
    let status = host.status().await.unwrap();
    assert_eq!((status.integrations["healthy"], status.integrations["unhealthy"]), (1, 1));
    let told: Vec<_> = status.concerns.iter().map(|c| (c.level, c.about, c.name.as_deref(), c.source)).collect();
    assert_eq!(
        told,
        [
            (ConcernLevel::Failing, "integration", Some("prom"), Some(ErrorSource::Downstream)),
            (ConcernLevel::Failing, "vault", None, None),
            (ConcernLevel::Warning, "integration", Some("wild"), Some(ErrorSource::Plugin)),
        ],
        "{:?}",
        status.concerns
    );
    assert_eq!(host.integration("wild").unwrap().not_run, ["unruly.crash"]);
}

#[tokio::test]
async fn an_outside_system_that_the_plugin_was_not_tested_with_is_told() {
    // Tells version 9.9.
    let outside = Outside::start().await;
    let host = builder().build().await.unwrap();
    host.install_plugin(plugin("alertmanager")).await.unwrap();
    add(&host, "alerts", "alertmanager", json!({"url": outside.url})).await.unwrap();
    host.check_integration("alerts").await.unwrap();
    let untested = host.integration("alerts").unwrap().untested.unwrap();
    assert!(untested.contains("9.9.0") && untested.contains("alertmanager 0.25, 0.33"), "{untested}");
    let status = host.status().await.unwrap();
    assert!(status.concerns.iter().any(|concern| concern.message == untested), "{:?}", status.concerns);
}
