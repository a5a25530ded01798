//! Clients that go away: before they have asked, while they wait, while they are answered. And an outside system that does
//! the same.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::Duration,
};

use jackfield_peers::http;
use serde_json::{Value, json};

use super::{Action, user};
use crate::{
    base64,
    soak::{
        random::Random,
        site::{PLAY, Site, WILD},
    },
};

pub(super) const ACTIONS: &[Action] = &[
    ("leave-call", leave_call),
    ("leave-call", leave_call),
    ("leave-request", leave_request),
    ("leave-answer", leave_answer),
    ("leave-stream", leave_stream),
    ("cut-outside", cut_outside),
];

fn connect(site: &Site) -> Result<TcpStream, String> {
    TcpStream::connect(site.server().address()).map_err(|error| format!("no connection: {error}"))
}

/// What a request is on the wire, its body as far as `sent`.
fn request(path: &str, body: &str, sent: usize) -> String {
    let head = "HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json";
    format!("POST {path} {head}\r\ncontent-length: {}\r\n\r\n{}", body.len(), &body[..sent])
}

/// Goes away while a call runs, or has just ended.
fn leave_call(site: &Site, random: &mut Random) -> Result<(), String> {
    let put = json!({"key": user::key(random), "value": base64("x")});
    let calls = [
        (*random.one_of(&WILD), "unruly/sleep", json!({"ms": 600_000})),
        (*random.one_of(&WILD), "unruly/spin", json!({})),
        (*random.one_of(&WILD), "unruly/fetch", json!({"path": "/never"})),
        (*random.one_of(&WILD), "unruly/hammer", json!({"path": "/x"})),
        (PLAY, "key-value/poll-changes", json!({"prefix": "none-", "cursor": null, "wait-ms": 20_000})),
        (PLAY, "key-value/put", put),
    ];
    let (name, operation, params) = random.one_of(&calls);
    let (path, body) = (format!("/v1/integrations/{name}/{operation}"), params.to_string());
    let mut client = connect(site)?;
    // The server may have had enough of it already.
    let _ = client.write_all(request(&path, &body, body.len()).as_bytes());
    thread::sleep(random.millis(0..250));
    Ok(())
}

/// Goes away within its request.
fn leave_request(site: &Site, random: &mut Random) -> Result<(), String> {
    let body = json!({"key": "k", "value": base64(vec![b'x'; 30_000])}).to_string();
    let whole = request("/v1/integrations/play/key-value/put", &body, body.len());
    let mut client = connect(site)?;
    let _ = client.write_all(&whole.as_bytes()[..random.within(0..whole.len() as u64) as usize]);
    thread::sleep(random.millis(0..100));
    Ok(())
}

/// Goes away within the answer, with more of them to come.
fn leave_answer(site: &Site, random: &mut Random) -> Result<(), String> {
    let mut client = connect(site)?;
    let path = random.one_of(&["/openapi.json", "/metrics", "/v1/capabilities"]);
    let _ = client.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").repeat(3).as_bytes());
    let _ = client.set_read_timeout(Some(Duration::from_secs(10)));
    let mut buffer = vec![0; random.within(1..4000) as usize];
    client.read(&mut buffer).map(drop).map_err(|error| format!("{path}: {error}"))
}

/// Follows a feed or the events, and goes away.
fn leave_stream(site: &Site, random: &mut Random) -> Result<(), String> {
    let feed = format!("/v1/integrations/{PLAY}/key-value/poll-changes?prefix={}", user::key(random));
    let path = *random.one_of(&["/v1/events", &feed]);
    let headers = [("accept", "text/event-stream")];
    let open = http::open(site.server().address(), "GET", path, &headers, b"", Duration::from_secs(30));
    let mut stream = open.map_err(|error| format!("{path}: {error}"))?;
    if stream.status != 200 {
        return Err(format!("{path}: {}", stream.status));
    }
    if random.within(0..2) == 0 {
        stream.line().map_err(|error| format!("{path}: {error}"))?;
    }
    thread::sleep(random.millis(0..400));
    Ok(())
}

/// Takes the outside system's connections away, and has the integrations' health looked at, which must not mind.
fn cut_outside(site: &Site, random: &mut Random) -> Result<(), String> {
    site.outside.cut();
    let path = format!("/v1/integrations/{}/check", random.one_of(&WILD));
    site.send("POST", &path, &Value::Null, 200).map(drop)
}
