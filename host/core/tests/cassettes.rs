//! A host that records, and one that replays: what is replayed is carried out nowhere and remembered as done by nobody.

mod common;

use std::path::Path;

use common::{builder, outside::Outside, plugin};
use jackfield_core::{CallRequest, CassetteUse, Host, HostBuilder, Match, NewIntegration};
use serde_json::json;

fn submit(key: &str) -> CallRequest {
    let params = json!({"path": "/x", "then-crash": false});
    let mut request = CallRequest::new("wild", "unruly", "submit", params.to_string());
    request.idempotency_key = Some(key.to_owned());
    request
}

/// A host on this folder, with the guest that misbehaves.
async fn stored(builder: HostBuilder, folder: &Path, url: &str) -> Host {
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
async fn a_write_that_is_replayed_is_not_carried_out_and_its_key_stays_free() {
    let outside = Outside::start().await;
    let (folder, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = files.path().join("c");
    let host = stored(builder().record("wild", &file), folder.path(), &outside.url).await;
    let cassette = host.integration("wild").unwrap().cassette.unwrap();
    assert_eq!((cassette.used, cassette.complete), (CassetteUse::Record, true));
    let recorded = host.call(submit("k")).await.unwrap();
    host.shutdown().await;
    assert_eq!(outside.requests(), 1);

    let host = stored(builder().replay("wild", &file, Match::Best), folder.path(), &outside.url).await;
    let cassette = host.integration("wild").unwrap().cassette.unwrap();
    assert_eq!((cassette.used, cassette.matching), (CassetteUse::Replay, Some(Match::Best)));
    let replayed = host.call(submit("l")).await.unwrap();
    assert_eq!((&replayed.json, &replayed.idempotency_key), (&recorded.json, &None));
    assert!(host.write("wild", "l").await.is_err(), "the journal knows nothing of it");
    host.shutdown().await;
    assert_eq!(outside.requests(), 1, "nothing was sent");

    let host = stored(builder(), folder.path(), &outside.url).await;
    assert!(host.integration("wild").unwrap().cassette.is_none());
    assert!(!host.call(submit("l")).await.unwrap().replayed);
    assert_eq!(outside.requests(), 2);
    host.shutdown().await;
}

#[tokio::test]
async fn a_cassette_that_cannot_be_used_stops_the_host_from_starting() {
    let outside = Outside::start().await;
    let (folder, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = files.path().join("c");
    stored(builder().record("wild", &file), folder.path(), &outside.url).await.shutdown().await;
    let starts =
        async |builder: HostBuilder| builder.data_dir(folder.path()).build().await.map(drop).unwrap_err().message;

    let missing = starts(builder().replay("wild", files.path().join("none"), Match::Strict)).await;
    assert!(missing.contains("cannot be used"), "{missing}");
    let taken = starts(builder().record("wild", files.path())).await;
    assert!(taken.contains("not a file"), "{taken}");
    let twice = starts(builder().record("wild", &file).replay("wild", &file, Match::Strict)).await;
    assert!(twice.contains("more than once"), "{twice}");
    let of_another = std::fs::read_to_string(&file).unwrap().replace("\"plugin\":\"unruly\"", "\"plugin\":\"other\"");
    std::fs::write(&file, of_another).unwrap();
    let other = starts(builder().replay("wild", &file, Match::Strict)).await;
    assert!(other.contains("`other`, not of `unruly`"), "{other}");
    let other = starts(builder().record("wild", &file)).await;
    assert!(other.contains("name another file"), "{other}");
}
