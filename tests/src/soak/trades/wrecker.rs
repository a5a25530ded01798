//! Guests that crash and exceed every limit there is, and are asked again.

use jackfield_peers::http;
use serde_json::json;

use super::Action;
use crate::{
    soak::{
        random::Random,
        site::{Site, WILD},
    },
    unruly::{Way, told, ways},
};

pub(super) const ACTIONS: &[Action] = &[("misbehave", misbehave)];

/// What else may come of any of them: the operation is not run for a while, or the machine was too slow for it to come so far.
const ALWAYS: [&str; 3] = ["breaker-open", "deadline-exceeded", "cpu-limit"];
/// And of those that send: what they may send is used up, or the outside system went away.
const WHEN_SENDING: [&str; 2] = ["requests-limit", "unavailable"];

fn misbehave(site: &Site, random: &mut Random) -> Result<(), String> {
    let (ways, name) = (ways(), random.one_of(&WILD));
    let Way { operation, params, told: expected } = random.one_of(&ways);
    // Those that only wait need not wait for long.
    let timeout = if *expected == "deadline-exceeded" { random.within(200..1500) } else { 10_000 }.to_string();
    let headers = [("content-type", "application/json"), ("jackfield-timeout-ms", &timeout)];
    let path = format!("/v1/integrations/{name}/unruly/{operation}");
    let body = params.to_string();
    let response = http::request(site.server().address(), "POST", &path, &headers, body.as_bytes());
    let response = response.map_err(|error| format!("{operation}: {error}"))?;
    let problem = response.json().map_err(|error| format!("{operation}: {error}"))?;
    let sends = matches!(*operation, "fetch" | "hammer" | "hoard");
    let mut right = ALWAYS.iter().chain(WHEN_SENDING.iter().filter(|_| sends)).chain([expected]);
    if !right.any(|right| told(&problem) == *right) {
        return Err(format!("{name}: {operation} {params}: {} {problem}", response.status));
    }
    // And it is of use again.
    site.ok(name, "unruly.count", &json!({})).map(drop)
}
