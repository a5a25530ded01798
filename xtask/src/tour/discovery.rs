//! A service registers, is found, and leaves.

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Tour, items};

pub(super) fn show(tour: &mut Tour<'_>, integration: &str) -> Result<()> {
    let registration = json!({"service": "jackfield-tour", "id": "one", "address": "127.0.0.1", "port": 7575,
        "labels": [{"name": "zone", "value": "a"}]});
    let register = json!({"registration": registration});
    tour.write("Register a service", integration, "service-discovery.register", register, |answer| {
        ensure!(answer["service"] == "jackfield-tour" && answer["port"] == 7575, "another instance came back");
        Ok(())
    })?;
    let resolve = json!({"service": "jackfield-tour", "passing-only": true});
    tour.read_twice("Who serves it?", integration, "service-discovery.resolve", resolve, |answer| {
        let found = items(answer)?;
        ensure!(found.len() == 1 && found[0]["id"] == "one", "it found {} instances", found.len());
        ensure!(found[0]["address"] == "127.0.0.1" && found[0]["health"] == "passing", "the instance is another");
        Ok(())
    })?;
    let deregister = json!({"service": "jackfield-tour", "id": "one"});
    tour.write("Leave", integration, "service-discovery.deregister", deregister, |_| Ok(()))?;
    Ok(())
}
