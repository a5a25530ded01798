//! People and programs that use what is there, as it is meant to be used.

use std::time::Duration;

use jackfield_peers::http;
use serde_json::{Value, json};

use super::Action;
use crate::{
    base64,
    soak::{
        random::Random,
        site::{PLAY, Site, WILD},
    },
};

pub(super) const ACTIONS: &[Action] = &[
    ("read", read),
    ("read", read),
    ("read", read),
    ("write", write),
    ("write", write),
    ("list", list),
    ("lock", lock),
    ("follow", follow),
    ("fetch", fetch),
    ("mistake", mistake),
    ("look", look),
];

/// A key of few.
pub(super) fn key(random: &mut Random) -> String {
    format!("key-{}", random.within(0..60))
}

fn read(site: &Site, random: &mut Random) -> Result<(), String> {
    site.ok(PLAY, "key-value.get", &json!({"key": key(random)})).map(drop)
}

fn write(site: &Site, random: &mut Random) -> Result<(), String> {
    let key = key(random);
    if random.within(0..8) == 0 {
        return site.ok(PLAY, "key-value.delete", &json!({"key": key})).map(drop);
    }
    let value = base64(vec![b'x'; random.within(1..2000) as usize]);
    let mut params = json!({"key": key, "value": value});
    if random.within(0..2) == 0 {
        params["options"] = json!({"idempotency-key": format!("once-{}", random.within(0..1 << 40))});
    }
    let written = site.ok(PLAY, "key-value.put", &params)?;
    match written["value"] == value {
        true => Ok(()),
        false => Err(format!("{params} was answered with {written}")),
    }
}

fn list(site: &Site, random: &mut Random) -> Result<(), String> {
    let params = json!({"prefix": "key-", "page": {"limit": random.within(1..100)}});
    site.ok(PLAY, "key-value.list", &params).map(drop)
}

fn lock(site: &Site, random: &mut Random) -> Result<(), String> {
    // A name of its own: that a lock keeps others out is for other tests to say.
    let name = format!("lock-{}", random.within(0..1 << 40));
    let held = site.ok(PLAY, "key-value.lock", &json!({"name": name, "ttl-ms": 60_000, "wait-ms": 0}))?;
    site.ok(PLAY, "key-value.unlock", &json!({"name": name, "token": held["token"]})).map(drop)
}

/// Follows a change feed until it tells of a write made meanwhile.
fn follow(site: &Site, random: &mut Random) -> Result<(), String> {
    let key = format!("followed-{:02}", random.within(0..20));
    let now = site.ok(PLAY, "key-value.poll-changes", &json!({"prefix": key, "cursor": null, "wait-ms": 0}))?;
    let cursor = now["next"].as_str().ok_or("a batch without a cursor")?;
    let failed = |error: jackfield_peers::PeerError| error.to_string();
    let query = format!("prefix={key}&cursor={}", http::encode(cursor));
    let mut feed = site.server().follow(PLAY, "key-value.poll-changes", &query, None).map_err(failed)?;
    site.ok(PLAY, "key-value.put", &json!({"key": key, "value": base64("news")}))?;
    let change = feed.change().map_err(failed)?;
    match change["put"]["key"] == key {
        true => Ok(()),
        false => Err(format!("{key} was written, and the feed told {change}")),
    }
}

/// Asks the outside system through a guest. Others cut its connections and use up what the integration may send, so three
/// answers are right.
fn fetch(site: &Site, random: &mut Random) -> Result<(), String> {
    let name = random.one_of(&WILD);
    let (status, answer) =
        site.server().call(name, "unruly.fetch", &json!({"path": "/x"})).map_err(|error| error.to_string())?;
    match status {
        200 if answer == base64("hello") => Ok(()),
        429 | 502 | 503 => Ok(()),
        _ => Err(format!("{name}: {status} {answer}")),
    }
}

/// Asks for what is not there or makes no sense.
fn mistake(site: &Site, random: &mut Random) -> Result<(), String> {
    let call = format!("/v1/integrations/{PLAY}/key-value/get");
    let mistakes = [
        ("GET", "/v1/integrations/nobody".to_owned(), Value::Null, 404),
        ("GET", format!("/nowhere/{}", random.within(0..1 << 40)), Value::Null, 404),
        ("POST", call.clone(), json!({"kye": "a"}), 400),
        ("POST", call, json!([]), 400),
        ("POST", format!("/v1/integrations/{PLAY}/key-value/gte"), json!({}), 404),
        ("POST", "/v1/integrations".to_owned(), json!({"name": "A!", "plugin": "playground"}), 400),
        ("POST", "/v1/integrations".to_owned(), json!({"name": PLAY, "plugin": "playground"}), 409),
        ("DELETE", "/v1/plugins/unruly".to_owned(), Value::Null, 409),
    ];
    let (method, path, body, expected) = random.one_of(&mistakes);
    site.send(method, path, body, *expected).map(drop)
}

/// Looks at what the server tells of itself.
fn look(site: &Site, random: &mut Random) -> Result<(), String> {
    let paths =
        ["/metrics", "/openapi.json", "/healthz", "/readyz", "/v1/integrations", "/v1/plugins", "/v1/capabilities"];
    let path = random.one_of(&paths);
    let begun = std::time::Instant::now();
    let answer = http::get(site.server().address(), path).map_err(|error| format!("{path}: {error}"))?;
    match (answer.status, begun.elapsed()) {
        (200, took) if took < Duration::from_secs(10) => Ok(()),
        (status, took) => Err(format!("{path}: {status} after {took:.1?}")),
    }
}
