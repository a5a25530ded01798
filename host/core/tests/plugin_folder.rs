//! A watched folder of plugins: what is put there is installed if it may be, once it is whole.

mod common;

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use common::{builder, plugin, version};
use jackfield_core::{Event, EventKind, Host, NewIntegration, NewPlugin, TrustPolicy};
use tokio::sync::broadcast::{Receiver, error::TryRecvError};

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(60);

const UNSIGNED: &str = r#"{"source": [{"prefix": "file:folder", "unsigned": "allow"}]}"#;

async fn watching(folder: &Path, policy: &str) -> Host {
    let host = builder().plugins_folder(folder).build().await.unwrap();
    host.set_trust_policy(TrustPolicy::from_json(policy.as_bytes()).unwrap()).await.unwrap();
    host
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn installed(host: &Host) -> Vec<String> {
    host.plugins().into_iter().map(|plugin| plugin.id).collect()
}

/// What was refused since this was asked the last time.
fn refusals(events: &mut Receiver<Event>) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        match events.try_recv() {
            Ok(event) if event.kind == EventKind::PluginRefused => told.push(event.message),
            Ok(_) | Err(TryRecvError::Lagged(_)) => {}
            Err(_) => return told,
        }
    }
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

/// As if it had been written a while ago, so that nobody waits for it to become quiet.
fn long_ago(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
}

#[tokio::test]
async fn nothing_is_accepted_that_nobody_accepted_and_each_refusal_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("playground.wasm");
    let host = watching(folder.path(), UNSIGNED).await;
    let mut events = host.events();
    write(&file, &plugin("playground"));
    long_ago(&file);
    let mut told = Vec::new();
    until("it is refused", || {
        told.extend(refusals(&mut events));
        !told.is_empty()
    })
    .await;
    let [refusal] = &told[..] else { panic!("{told:?}") };
    assert!(refusal.contains("playground.wasm.accept"), "{refusal}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(refusals(&mut events), Vec::<String>::new(), "not in a loop");
    assert!(host.plugins().is_empty());

    let digits = refusal.rsplit(' ').next().unwrap();
    write(&folder.path().join("playground.wasm.accept"), digits.as_bytes());
    until("it is installed", || installed(&host) == ["playground@0.1.0"]).await;
    let origin = host.plugin("playground").unwrap().provenance.origin.unwrap();
    assert_eq!(origin.as_str(), "file:folder");
}

#[tokio::test]
async fn a_file_that_goes_away_takes_its_plugin_with_it_unless_that_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a.wasm"), folder.path().join("b.wasm"));
    let host = watching(folder.path(), UNSIGNED).await;
    let mut events = host.events();
    put(&host, &first, plugin("playground")).await;
    put(&host, &second, version("playground", "0.2.0", |_| {})).await;
    until("both are installed", || installed(&host).len() == 2).await;
    host.add_integration(NewIntegration::new("play", "playground@0.1.0")).await.unwrap();

    // Another name is no end of it.
    std::fs::rename(&second, folder.path().join("c.wasm")).unwrap();
    std::fs::rename(format!("{}.accept", second.display()), folder.path().join("c.wasm.accept")).unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(installed(&host).len(), 2);
    std::fs::remove_file(folder.path().join("c.wasm")).unwrap();
    until("it is removed", || installed(&host) == ["playground@0.1.0"]).await;

    std::fs::remove_file(&first).unwrap();
    let mut told = Vec::new();
    until("that it stays is told", || {
        told.extend(refusals(&mut events));
        told.iter().any(|told| told.contains("stays installed") && told.contains("play"))
    })
    .await;
    assert_eq!(installed(&host), ["playground@0.1.0"]);
}

#[tokio::test]
async fn what_somebody_installed_as_well_and_what_vanishes_all_at_once_stays() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c"].map(|name| folder.path().join(format!("{name}.wasm")));
    let policy = r#"{"source": [{"prefix": "file:", "unsigned": "allow"}]}"#;
    let host = watching(folder.path(), policy).await;
    let mut events = host.events();
    put(&host, &names[0], plugin("playground")).await;
    put(&host, &names[1], version("playground", "0.2.0", |_| {})).await;
    put(&host, &names[2], version("playground", "0.3.0", |_| {})).await;
    until("all are installed", || installed(&host).len() == 3).await;
    host.install_plugin_with(NewPlugin::file(plugin("playground"), "upload")).await.unwrap();
    let origin = host.plugin("playground@0.1.0").unwrap().provenance.origin.unwrap();
    assert_eq!(origin.as_str(), "file:upload");
    std::fs::remove_file(&names[0]).unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(installed(&host).len(), 3, "it came another way too");

    for name in &names[1..] {
        std::fs::remove_file(name).unwrap();
    }
    let mut told = Vec::new();
    until("that they stay is told", || {
        told.extend(refusals(&mut events));
        told.iter().any(|told| told.contains("all of its files are gone at once"))
    })
    .await;
    assert_eq!(installed(&host).len(), 3);
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_no_file_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("playground.wasm");
    let host = watching(folder.path(), UNSIGNED).await;
    let mut events = host.events();
    for pipe in ["pipe.wasm", "playground.wasm.sigstore.json"] {
        assert!(std::process::Command::new("mkfifo").arg(folder.path().join(pipe)).status().unwrap().success());
    }
    put(&host, &file, plugin("playground")).await;
    until("it is installed", || installed(&host) == ["playground@0.1.0"]).await;
    assert!(refusals(&mut events).iter().any(|told| told.contains("pipe.wasm")));
}

/// Accepts all that a plugin asks for which is to be put there.
async fn accept(host: &Host, path: &Path, bytes: &[u8]) {
    let plan = host.plan_install(&NewPlugin::file(bytes.to_vec(), "folder")).await.unwrap();
    write(Path::new(&format!("{}.accept", path.display())), plan.accept.unwrap_or_default().as_bytes());
}

/// Puts a plugin into the folder, with what accepts all that it asks for.
async fn put(host: &Host, path: &Path, bytes: Vec<u8>) {
    accept(host, path, &bytes).await;
    write(path, &bytes);
    long_ago(path);
}

#[tokio::test]
async fn a_file_is_waited_for_until_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("echo.wasm");
    let whole = plugin("echo");
    let host = watching(folder.path(), UNSIGNED).await;
    let mut events = host.events();
    let half = whole.len() / 2;
    accept(&host, &file, &whole).await;
    write(&file, &whole[..half]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((installed(&host), refusals(&mut events)), (Vec::new(), Vec::new()), "it may still be on its way");
    write(&file, &whole);
    until("it is installed", || installed(&host) == ["echo@0.1.0"]).await;
    assert!(refusals(&mut events).is_empty());
    let broken = folder.path().join("broken.wasm");
    write(&broken, &whole[..half]);
    long_ago(&broken);
    let mut told = Vec::new();
    until("it is refused", || {
        told.extend(refusals(&mut events));
        told.iter().any(|told| told.contains("broken.wasm"))
    })
    .await;
}

#[tokio::test]
async fn the_policy_judges_the_folder_and_its_ceiling_can_accept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("playground.wasm");
    write(&file, &plugin("playground"));
    long_ago(&file);
    let host = builder().plugins_folder(folder.path()).build().await.unwrap();
    let mut events = host.events();
    let set =
        async |policy: &str| host.set_trust_policy(TrustPolicy::from_json(policy.as_bytes()).unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(host.plugins().is_empty(), "there is no rule for it");
    let _ = refusals(&mut events);
    let told = async |events: &mut Receiver<Event>| {
        let mut told = Vec::new();
        until("it is refused", || {
            told.extend(refusals(events));
            !told.is_empty()
        })
        .await;
        told.remove(0)
    };
    // A ceiling that says nothing of what it asks for accepts nothing; one that forbids it, forbids it.
    set(r#"{"source": [{"prefix": "file:folder", "unsigned": "allow", "ceiling": {"methods": ["GET"]}}]}"#).await;
    assert!(told(&mut events).await.contains("playground.wasm.accept"));
    set(r#"{"source": [{"prefix": "file:folder", "unsigned": "allow", "ceiling": {"send-again": false, "limits": {"call-timeout-ms": 60000, "state-kib": 8192}}}]}"#).await;
    let refused = told(&mut events).await;
    assert!(!refused.contains("playground.wasm.accept"), "{refused}");
    set(r#"{"source": [{"prefix": "file:folder", "unsigned": "allow", "ceiling": {"send-again": true, "limits": {"call-timeout-ms": 60000, "state-kib": 8192}}}]}"#).await;
    until("it is installed", || installed(&host) == ["playground@0.1.0"]).await;
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let error = builder().plugins_folder(folder.path().join("none")).build().await.err().unwrap();
    assert!(error.message.contains("is no folder"), "{error}");
}
