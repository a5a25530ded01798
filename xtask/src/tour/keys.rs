//! Keys and values: put, get, compare-and-set, and a watch that sees a change as it happens.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use jackfield_peers::http;
use serde_json::{Value, json};

use super::Tour;

const KEY: &str = "jackfield-tour/colour";

/// Base64 of "green", "blue" and "red".
const GREEN: &str = "Z3JlZW4=";
const BLUE: &str = "Ymx1ZQ==";
const RED: &str = "cmVk";

/// `etcd`: the address of the etcd behind the integration, if that is what it is.
pub(super) fn show(tour: &mut Tour<'_>, integration: &str, etcd: Option<&str>) -> Result<()> {
    let holds = |value: &str| match etcd {
        Some(address) => holds_in_etcd(address, value),
        None => Ok(()),
    };
    let put = json!({"key": KEY, "value": GREEN});
    tour.write("Put a key (values are base64)", integration, "key-value.put", put, |answer| {
        ensure!(answer["value"] == GREEN, "another value came back");
        holds(GREEN)
    })?;
    tour.read_twice("Get it", integration, "key-value.get", json!({"key": KEY}), |answer| {
        ensure!(answer["value"] == GREEN && answer["key"] == KEY, "another value came back");
        Ok(())
    })?;
    let swap = json!({"key": KEY, "expected": GREEN, "value": BLUE});
    tour.write("Change it only if it is still green", integration, "key-value.compare-and-set", swap, |answer| {
        ensure!(answer["value"] == BLUE, "another value came back");
        holds(BLUE)
    })?;
    watch(tour, integration)?;
    tour.write("Remove it", integration, "key-value.delete", json!({"key": KEY}), |answer| {
        ensure!(answer["deleted"] == 1 || answer["deleted"] == "1", "it removed another number of keys");
        Ok(())
    })?;
    Ok(())
}

/// Follows the prefix, changes a key, and waits for the change to come by.
fn watch(tour: &mut Tour<'_>, integration: &str) -> Result<()> {
    tour.head("Watch a change happen");
    let query = format!("prefix={}", http::encode("jackfield-tour/"));
    println!("    jackfield watch {integration} key-value prefix=jackfield-tour/");
    let path = format!("/v1/integrations/{integration}/key-value/poll-changes?{query}");
    println!("    curl -N -H 'accept: text/event-stream' '{}{path}'", tour.server.url());

    let mut latency = 0.0;
    let seen = (|| -> Result<Value> {
        // A cursor first: from there on nothing is missed, however long it takes to connect.
        let begin = json!({"prefix": "jackfield-tour/", "wait-ms": 0});
        let begin = tour.server.ok(integration, "key-value.poll-changes", &begin)?;
        let mut feed = tour.server.follow(integration, "key-value.poll-changes", &query, begin["next"].as_str())?;
        // The wait begins when the feed stands, so that what is measured is a change on its way.
        std::thread::sleep(std::time::Duration::from_millis(200));
        let put = json!({"key": KEY, "value": RED});
        let begun = Instant::now();
        tour.server.ok(integration, "key-value.put", &put)?;
        let change = feed.change()?;
        latency = begun.elapsed().as_secs_f64() * 1e3;
        println!("    → {change}");
        ensure!(change["put"]["key"] == KEY && change["put"]["value"] == RED, "it saw another change: {change}");
        Ok(change)
    })();
    tour.note(&format!("{integration} watch key-value"), latency, seen);
    Ok(())
}

fn holds_in_etcd(address: &str, value: &str) -> Result<()> {
    // Base64 of the key, as etcd's gateway wants it.
    let range = json!({"key": "amFja2ZpZWxkLXRvdXIvY29sb3Vy"});
    let stored = http::post_json(address, "/v3/kv/range", &range).context("asking etcd itself")?.json()?;
    ensure!(stored["kvs"][0]["value"] == value, "etcd itself says {stored}");
    Ok(())
}
