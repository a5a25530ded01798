//! Imports point down only: design.md's table, held against what cargo says the crates really depend on.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use jackfield_tests::workspace;
use serde_json::Value;

/// What each crate of ours may import of ours. A crate that is not here may not exist.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    // Packing, publishing and signing plugins needs no host: that is what lies below it.
    (
        "jackfield-cli",
        &[
            "jackfield-server",
            "jackfield-core",
            "jackfield-fetch",
            "jackfield-index",
            "jackfield-registry",
            "jackfield-trust",
        ],
    ),
    ("jackfield-server", &["jackfield-core", "jackfield-reflect"]),
    (
        "jackfield-core",
        &[
            "jackfield-engine",
            "jackfield-gateway",
            "jackfield-audit",
            "jackfield-sinks",
            "jackfield-vault",
            "jackfield-store",
            "jackfield-registry",
            "jackfield-fetch",
            "jackfield-index",
            "jackfield-oci",
            "jackfield-trust",
            "jackfield-reflect",
        ],
    ),
    ("jackfield-sinks", &["jackfield-audit", "jackfield-net", "jackfield-vault"]),
    ("jackfield-gateway", &["jackfield-net", "jackfield-sigv4", "jackfield-vault"]),
    ("jackfield-vault", &["jackfield-net", "jackfield-sigv4", "jackfield-store"]),
    ("jackfield-engine", &["jackfield-reflect"]),
    // Fetches and publishes packages; what a package says is not its business.
    ("jackfield-oci", &["jackfield-net", "jackfield-registry"]),
    ("jackfield-registry", &["jackfield-reflect"]),
    ("jackfield-trust", &["jackfield-registry"]),
    ("jackfield-fetch", &["jackfield-net", "jackfield-oci", "jackfield-registry", "jackfield-trust"]),
    // Reads bytes and decides; who fetches them is above it.
    ("jackfield-index", &["jackfield-registry", "jackfield-trust"]),
    ("jackfield-audit", &[]),
    ("jackfield-reflect", &[]),
    ("jackfield-net", &[]),
    ("jackfield-sigv4", &[]),
    ("jackfield-store", &[]),
    // The SDK reads a plugin's manifest while it is compiled: with the manifest's own parser, not a second one.
    ("jackfield-sdk", &["jackfield-sdk-macros"]),
    ("jackfield-sdk-macros", &["jackfield-registry"]),
    ("guest-echo", &["jackfield-sdk"]),
    ("guest-unruly", &["jackfield-sdk"]),
    ("plugin-alertmanager", &["jackfield-sdk"]),
    ("plugin-etcd", &["jackfield-sdk"]),
    ("plugin-openbao", &["jackfield-sdk"]),
    ("plugin-playground", &["jackfield-sdk"]),
    ("plugin-prometheus", &["jackfield-sdk"]),
    // What tests the product from outside links nothing of it.
    ("jackfield-peers", &[]),
    ("jackfield-crafted", &[]),
    // The package format makes other versions of plugins.
    ("jackfield-tests", &["jackfield-peers", "jackfield-crafted", "jackfield-registry"]),
    // Measures every layer by itself.
    (
        "jackfield-benches",
        &[
            "jackfield-server",
            "jackfield-core",
            "jackfield-audit",
            "jackfield-engine",
            "jackfield-gateway",
            "jackfield-reflect",
            "jackfield-registry",
            "jackfield-peers",
            "jackfield-crafted",
        ],
    ),
    // Feeds a stranger's bytes to everything that reads them, at the lowest place where they are read.
    (
        "jackfield-fuzz",
        &[
            "jackfield-server",
            "jackfield-core",
            "jackfield-audit",
            "jackfield-engine",
            "jackfield-gateway",
            "jackfield-registry",
            "jackfield-oci",
            "jackfield-reflect",
            "jackfield-sdk",
            "jackfield-trust",
            "jackfield-vault",
            "jackfield-index",
        ],
    ),
    ("xtask", &["jackfield-peers"]),
];

/// Libraries that belong to certain crates: whoever else wants them has taken a way around these.
const OWNED: &[(&str, &[&str])] = &[
    // One chokepoint between plugins and the network. The program has a client of its own, for its server.
    ("hyper-rustls", &["jackfield-net", "jackfield-cli"]),
    ("tokio-rustls", &["jackfield-net"]),
    // Secrets are sealed in one place.
    ("chacha20poly1305", &["jackfield-vault"]),
    ("argon2", &["jackfield-vault"]),
    // One owner of the database. Everyone else sees the Store trait.
    ("rusqlite", &["jackfield-store"]),
    // Nothing below the server knows a web framework, nothing below the program a terminal.
    ("axum", &["jackfield-server", "jackfield-cli", "jackfield-benches"]),
    ("clap", &["jackfield-cli"]),
];

/// The normal dependencies of every crate of the workspace, by crate.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let all = package["dependencies"].as_array().unwrap();
            let normal = all.iter().filter(|dependency| dependency["kind"].is_null());
            (text(&package["name"]), normal.map(|dependency| text(&dependency["name"])).collect())
        })
        .collect()
}

#[test]
fn crates_import_only_what_is_below_them() {
    let table: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let all = dependencies();
    let mut wrong = Vec::new();
    for (name, imports) in &all {
        let Some(allowed) = table.get(name.as_str()) else {
            wrong.push(format!("{name} has no row in the table of imports"));
            continue;
        };
        for import in imports.iter().filter(|import| all.contains_key(*import)) {
            if !allowed.contains(&import.as_str()) {
                wrong.push(format!("{name} imports {import}; it may import {allowed:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn libraries_with_an_owner_are_used_by_it_alone() {
    let owned: BTreeMap<&str, &[&str]> = OWNED.iter().copied().collect();
    let mut wrong = Vec::new();
    for (name, imports) in dependencies() {
        for import in imports {
            if owned.get(import.as_str()).is_some_and(|owners| !owners.contains(&name.as_str())) {
                wrong.push(format!("{name} uses {import}, which belongs to {:?}", owned[import.as_str()]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What opens a connection, or names the machine's proxies.
const WAYS_OUT: [&str; 8] =
    ["TcpStream", "TcpSocket", "UdpSocket", "UnixStream", "lookup_host", "ToSocketAddrs", "HTTP_PROXY", "HTTPS_PROXY"];

/// The rooms a plugin's request passes, and all others that could open a connection on a plugin's behalf. The server's
/// connections come from outside, the program's client asks a server of its own.
const BELOW_THE_SERVER: [&str; 10] =
    ["audit", "core", "engine", "gateway", "reflect", "sinks", "store", "vault", "../registry", "../registry/oci"];

#[test]
fn there_is_one_way_out() {
    let mut wrong = Vec::new();
    for room in BELOW_THE_SERVER {
        for path in rust_files(&workspace().join("host").join(room).join("src")) {
            let text = std::fs::read_to_string(&path).unwrap();
            let found = WAYS_OUT.iter().filter(|way| text.contains(**way));
            wrong.extend(found.map(|way| format!("{} names {way}, which belongs to jackfield-net", path.display())));
        }
    }
    // The sender itself takes no notice of a proxy that somebody put into the environment.
    for path in rust_files(&workspace().join("host/net/src")) {
        let text = std::fs::read_to_string(&path).unwrap().to_ascii_lowercase();
        if text.contains("env::var") || text.contains("_proxy") {
            wrong.push(format!("{} reads the environment", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_too_long_to_read() {
    let long: Vec<String> = rust_files(&workspace())
        .into_iter()
        .filter_map(|path| {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            (lines > 500).then(|| format!("{}: {lines} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// The Rust files of the checkout, those that cargo made excepted.
fn rust_files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files.extend(rust_files(&path));
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    files
}
