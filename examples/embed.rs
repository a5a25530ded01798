//! Another tool that hosts a plugin: a write with JSON, a read with types.
//!
//! ```sh
//! cargo xtask guests
//! cargo run --release -p jackfield-core --example embed -- target/plugins/playground.wasm
//! ```
#![allow(missing_docs, clippy::print_stdout, reason = "a program; and what `bindgen!` makes has no docs")]

use jackfield_core::{CallRequest, Guest, Host, NewIntegration};

wasmtime::component::bindgen!({
    path: ["../../wit/types", "../../wit/key-value"],
    inline: "package example:embed; world client { export jackfield:key-value/key-value@0.1.0; }",
    exports: { default: async },
});

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).ok_or("usage: embed PLUGIN.wasm")?;
    let host = Host::builder().in_memory().build().await?;
    host.install_plugin(std::fs::read(file)?).await?;
    host.add_integration(NewIntegration::new("kv", "playground")).await?;

    // JSON in, JSON out: works for any capability, also for one this tool has never heard of.
    let params = br#"{"key": "greeting", "value": "aGVsbG8="}"#;
    let answer = host.call(CallRequest::new("kv", "key-value", "put", &params[..])).await?;
    println!("put: {}", String::from_utf8_lossy(&answer));

    // Types from the same WIT: no JSON in between.
    let entry = host
        .typed("kv", async |guest: &mut Guest| {
            let (store, client) = guest.bindings(|store, instance| Client::new(store, instance))?;
            client.jackfield_key_value_key_value().call_get(store, "greeting").await
        })
        .await??;
    println!("get: {:?}", entry.map(|entry| String::from_utf8_lossy(&entry.value).into_owned()));

    host.shutdown().await;
    Ok(())
}
