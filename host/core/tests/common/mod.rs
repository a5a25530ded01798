//! A host in this process with real plugins, and an outside system that does as a test says.

#![allow(dead_code, unreachable_pub, reason = "a module of several test programs, each of which uses a part")]

pub mod outside;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use jackfield_core::{CallRequest, Error, Host, HostBuilder, IntegrationInfo, NewIntegration, Result};
use jackfield_registry::{Contents, Manifest, Package, pack, strip};
use serde_json::{Value, json};

/// A packed plugin of this repository.
pub fn plugin(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("JACKFIELD_PLUGINS_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"), PathBuf::from);
    let file = folder.join(format!("{name}.wasm"));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}; `cargo xtask guests` builds it", file.display()))
}

/// A plugin of this repository as another version, with changes to its manifest.
pub fn version(name: &str, version: &str, change: impl FnOnce(&mut Manifest)) -> Vec<u8> {
    let file = plugin(name);
    let mut manifest = Package::read(&file).unwrap().manifest;
    manifest.plugin.version = version.parse().unwrap();
    change(&mut manifest);
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/hostile/unruly/wit");
    let wit_dirs: &[&Path] = if name == "unruly" { &[&wit] } else { &[] };
    pack(&strip(&file).unwrap(), &manifest, &Contents { wit_dirs, ..Contents::default() }).unwrap()
}

/// How hosts are built here: compiled code is kept between test runs.
pub fn builder() -> HostBuilder {
    Host::builder().cache_dir(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("aot-cache"))
}

/// A host in memory with the playground installed and the integration `play`.
pub async fn playing() -> Host {
    let host = builder().build().await.unwrap();
    host.install_plugin(plugin("playground")).await.unwrap();
    host.add_integration(NewIntegration::new("play", "playground")).await.unwrap();
    host
}

/// A host in memory with the guest that misbehaves, which finds the outside system at `url`.
pub async fn unruly(url: &str) -> Host {
    let host = builder().build().await.unwrap();
    host.install_plugin(plugin("unruly")).await.unwrap();
    let mut new = NewIntegration::new("wild", "unruly");
    new.config.insert("url".into(), url.into());
    host.add_integration(new).await.unwrap();
    host
}

/// Calls an operation, `capability.operation`.
pub async fn call(host: &Host, integration: &str, operation: &str, params: Value) -> Result<Value> {
    let (capability, operation) = operation.split_once('.').unwrap();
    let request = CallRequest::new(integration, capability, operation, Bytes::from(params.to_string()));
    host.call(request).await.map(|answer| serde_json::from_slice(&answer).unwrap())
}

/// Writes a key of `play`.
pub async fn put(host: &Host, key: &str, value: &str) -> Value {
    call(host, "play", "key-value.put", json!({"key": key, "value": value})).await.unwrap()
}

/// An integration with a configuration.
pub async fn add(host: &Host, name: &str, plugin: &str, config: Value) -> Result<IntegrationInfo, Error> {
    let Value::Object(config) = config else { panic!("the configuration is an object") };
    host.add_integration(NewIntegration { config, ..NewIntegration::new(name, plugin) }).await
}
