//! Where compiled code comes from: the cache, a process of its own, or this one.

mod support;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use jackfield_engine::{Compiler, Engine, EngineConfig, EngineError, Limits};
use support::{Stand, component};

#[tokio::test]
async fn compiled_code_is_kept_and_an_entry_that_was_touched_is_compiled_anew() {
    let dir = tempfile::tempdir().unwrap();
    let config =
        || EngineConfig { cache_dir: Some(dir.path().to_owned()), max_instances: 10, ..EngineConfig::default() };
    let stats = |stand: &Stand| (stand.engine.stats().compiled, stand.engine.stats().from_cache);
    assert_eq!(stats(&Stand::with(config(), Limits::default()).await), (1, 0));
    let stand = Stand::with(config(), Limits::default()).await;
    assert_eq!(stats(&stand), (0, 1));
    assert_eq!(stand.call("count", "{}").await.unwrap(), "1");

    let is_entry = |path: &PathBuf| path.extension().is_some_and(|e| e == "cwasm");
    let entry = std::fs::read_dir(dir.path()).unwrap().flatten().map(|e| e.path()).find(is_entry).unwrap();
    let mut bytes = std::fs::read(&entry).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&entry, &bytes).unwrap();
    assert_eq!(stats(&Stand::with(config(), Limits::default()).await), (1, 0), "a flipped bit");
    std::fs::write(&entry, &std::fs::read(&entry).unwrap()[..100]).unwrap();
    assert_eq!(stats(&Stand::with(config(), Limits::default()).await), (1, 0), "a truncated file");
    std::fs::write(dir.path().join("mac.key"), [7; 32]).unwrap();
    assert_eq!(stats(&Stand::with(config(), Limits::default()).await), (1, 0), "another host's key");
}

fn with_compiler(program: &str, args: &[&str]) -> EngineConfig {
    let compiler = Compiler { program: program.into(), args: args.iter().map(Into::into).collect() };
    EngineConfig { compiler: Some(compiler), max_instances: 10, ..EngineConfig::default() }
}

async fn refusal(config: EngineConfig) -> String {
    match Engine::new(config).unwrap().load(component()).await {
        Err(EngineError::Compile(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_compiler_that_is_missing_fails_or_is_killed_is_an_error_that_says_so() {
    let reason = refusal(with_compiler("/nonexistent/compiler", &[])).await;
    assert!(reason.contains("/nonexistent/compiler does not start"), "{reason}");
    let reason = refusal(with_compiler("/bin/sh", &["-c", "echo too hard >&2; exit 65"])).await;
    assert_eq!(reason, "too hard");
    let reason = refusal(with_compiler("/bin/sh", &["-c", "exit 3"])).await;
    assert!(reason.contains("status 3"), "{reason}");
    let reason = refusal(with_compiler("/bin/sh", &["-c", "kill -9 $$"])).await;
    assert!(reason.contains("of memory it may take"), "{reason}");
}

#[cfg(unix)]
#[tokio::test]
async fn what_a_compiler_writes_is_not_run_unless_it_is_code_for_this_engine() {
    let reason = refusal(with_compiler("/bin/sh", &["-c", "echo garbage"])).await;
    assert!(!reason.is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn a_compilation_holds_up_neither_what_is_loaded_nor_what_is_in_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let cached = EngineConfig { cache_dir: Some(folder.path().into()), max_instances: 10, ..EngineConfig::default() };
    let stand = Stand::with(cached.clone(), Limits::default()).await;
    drop(stand);
    let config = EngineConfig { cache_dir: cached.cache_dir, ..with_compiler("/bin/sleep", &["60"]) };
    let engine = Engine::new(config).unwrap();
    let slow = tokio::spawn({
        let engine = engine.clone();
        // Not in the cache, so it is compiled, which takes a minute.
        async move { engine.load(bytes::Bytes::from_static(b"\0asm")).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let start = Instant::now();
    engine.load(component()).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
    slow.abort();
}
