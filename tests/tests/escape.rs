//! A plugin that tries to reach what it was not granted, or to have what it was granted mean something else, in every way
//! that a request can be written in. Whatever it tries: the system next to the granted one gets neither a connection nor a
//! byte, the granted one gets whole requests of the granted form only, the credential goes there and nowhere else, and each
//! attempt is in the trail.

use std::time::Instant;

use jackfield_tests::{
    Stand, base64, text,
    witness::{Seen, Witness},
};
use serde_json::{Value, json};

const TOKEN: &str = "t0ken-of-the-operator";

struct World {
    stand: Stand,
    granted: Witness,
    forbidden: Witness,
    /// One more, on another address of this machine.
    beside: Witness,
}

/// A plugin with one endpoint, behind a path of its own, and a credential for it.
fn world() -> World {
    let forbidden = Witness::start("127.0.0.1", "http://nowhere.invalid/");
    let beside = Witness::start("127.0.0.2", "http://nowhere.invalid/");
    let granted = Witness::start("127.0.0.1", &format!("{}/taken", forbidden.url()));
    let stand = Stand::start();
    stand.install("unruly");
    stand.init_vault();
    let credential = json!({"type": "bearer", "fields": {"token": TOKEN}});
    assert_eq!(stand.server().send("PUT", "/v1/credentials/c", &credential).unwrap().0, 200);
    let new = json!({
        "name": "wild", "plugin": "unruly", "config": {"url": format!("{}/granted", granted.url())},
        "endpoints": {"api": {"credential": {"name": "c", "allow-plain-http": true}}},
    });
    let (status, answer) = stand.server().send("POST", "/v1/integrations", &new).unwrap();
    assert_eq!(status, 201, "{answer}");
    World { stand, granted, forbidden, beside }
}

fn attempt(endpoint: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Value {
    json!({"request": {
        "endpoint": endpoint, "method": method, "path": path, "headers": headers, "body": base64(body),
    }})
}

impl World {
    /// Has the plugin try; what it is told, and what has reached the granted system.
    fn tries(&self, attempt: &Value) -> (Result<String, Value>, Seen) {
        self.tries_by("unruly.attempt", attempt)
    }

    fn tries_by(&self, operation: &str, attempt: &Value) -> (Result<String, Value>, Seen) {
        let (status, answer) = self.stand.server().call("wild", operation, attempt).unwrap();
        let told = if status == 200 { Ok(text(&answer)) } else { Err(answer) };
        for (name, other) in [("forbidden", &self.forbidden), ("beside", &self.beside)] {
            assert_eq!(other.take(), Seen::default(), "{attempt} has reached the {name} system");
        }
        (told, self.granted.take())
    }

    /// It is refused, nothing is sent, and the trail says that it was tried.
    fn is_refused(&self, attempt: &Value) {
        let (told, seen) = self.tries(attempt);
        let told = told.expect_err(&attempt.to_string());
        assert_eq!(seen.requests, [""; 0], "{attempt}: {told}");
        let request = self.recorded();
        assert!(request["refused"].is_string() && request["host"].is_null(), "{attempt}: {request}");
    }

    /// It is one request of the granted form, to the granted system, with the operator's credential.
    fn is_harmless(&self, attempt: &Value) -> String {
        let (told, seen) = self.tries(attempt);
        assert!(told.is_ok(), "{attempt}: {told:?}");
        let [request] = &seen.requests[..] else { panic!("{attempt}: {seen:?}") };
        let target = request.split(' ').nth(1).unwrap();
        assert!(target.starts_with("/granted/"), "{attempt}: {request}");
        let head = request.split("\r\n\r\n").next().unwrap().to_ascii_lowercase();
        let host = format!("host: {}", self.granted.address());
        for (line, times) in [("host:", 1), ("authorization:", 1), ("transfer-encoding:", 0)] {
            assert_eq!(head.matches(&format!("\r\n{line}")).count(), times, "{attempt}: {request}");
        }
        assert!(head.contains(&host) && request.contains(&format!("Bearer {TOKEN}")), "{attempt}: {request}");
        let recorded = self.recorded();
        assert_eq!(recorded["host"], json!(self.granted.address().to_string()), "{attempt}: {recorded}");
        request.clone()
    }

    /// The one request of the last call, as the trail has it.
    fn recorded(&self) -> Value {
        let page = self.stand.server().get("/v1/audit?limit=1").unwrap();
        let record = &page["items"][0];
        assert_eq!(record["action"], "unruly.attempt", "{record}");
        assert_eq!(record["requests"].as_array().map(Vec::len), Some(1), "{record}");
        record["requests"][0].clone()
    }
}

#[test]
fn no_endpoint_is_reached_but_the_one_that_was_declared_however_it_is_named() {
    let world = world();
    let forbidden = world.forbidden.address();
    for endpoint in [
        String::new(),
        "other".into(),
        "API".into(),
        " api".into(),
        "api\n".into(),
        "api\0".into(),
        "\u{430}pi".into(),
        world.forbidden.url(),
        forbidden.to_string(),
        format!("api@{forbidden}"),
        "x".repeat(100_000),
    ] {
        world.is_refused(&attempt(&endpoint, "GET", "/x", &[], ""));
    }
}

#[test]
fn a_path_leads_nowhere_else_however_it_is_spelled() {
    let world = world();
    let (forbidden, url) = (world.forbidden.address(), world.forbidden.url());
    let port = forbidden.port();
    for path in [
        String::new(),
        "x".into(),
        "*".into(),
        url.clone(),
        format!("{url}/x"),
        format!("//{forbidden}/x"),
        format!("/\\{forbidden}/x"),
        format!("\\\\{forbidden}\\x"),
        format!("@{forbidden}/x"),
        format!(":{port}/x"),
        format!(".{forbidden}/x"),
        format!("?@{forbidden}/"),
        "/../x".into(),
        "/..".into(),
        "/a/../../x".into(),
        "/./../x".into(),
        "/%2e%2e/x".into(),
        "/.%2E/x".into(),
        "/a/%2e%2e%2fx".into(),
        "/%252e%252e/x".into(),
        "/..;/x".into(),
        "/..\\x".into(),
        "/%5c..%5cx".into(),
        "/x\r\nHost: evil".into(),
        "/x HTTP/1.1\r\nHost: evil\r\n\r\nGET /y".into(),
        "/x\ty".into(),
        "/x y".into(),
        "/x\0".into(),
        "/x%00".into(),
        "/x%0d%0aHost:%20evil".into(),
        "/x#y".into(),
        "/a//b".into(),
        "/%".into(),
        "/%zz".into(),
        "/\u{ff0e}\u{ff0e}/x".into(),
        format!("/{}", "x".repeat(100_000)),
    ] {
        world.is_refused(&attempt("api", "GET", &path, &[], ""));
    }
    // What only looks like a way out is a path like any other.
    for path in ["/x", "/...", "/x?y=http://127.0.0.1:1/", "/@127.0.0.1:1/", "/x?a=../..", "/a%20b", "/x?"] {
        let request = world.is_harmless(&attempt("api", "GET", path, &[], ""));
        assert!(request.starts_with(&format!("GET /granted{path}")), "{path}: {request}");
    }
}

#[test]
fn no_method_is_sent_but_a_granted_one() {
    let world = world();
    for method in [
        "",
        "get",
        "DELETE",
        "PUT",
        "PATCH",
        "OPTIONS",
        "TRACE",
        "CONNECT",
        "HEAD",
        "PRI",
        "GET ",
        "GET\r\n",
        "GET /y",
        "GET /y HTTP/1.1\r\nX: y\r\n\r\nGET",
    ] {
        world.is_refused(&attempt("api", method, "/x", &[], ""));
    }
    world.is_refused(&attempt("api", "CONNECT", &world.forbidden.address().to_string(), &[], ""));
    world.is_harmless(&attempt("api", "POST", "/x", &[], "a body"));
}

#[test]
fn no_header_makes_a_request_another_ones_or_another_request() {
    let world = world();
    let forbidden = world.forbidden.address().to_string();
    for (name, value) in [
        ("Host", forbidden.as_str()),
        ("host", "evil"),
        ("Authorization", "Bearer mine"),
        ("authorization", ""),
        ("Cookie", "a=b"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("Proxy-Connection", "keep-alive"),
        ("Connection", "x-secret"),
        ("Connection", "upgrade"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
        ("Content-Length", "0"),
        ("Content-Length", "9999"),
        ("Transfer-Encoding", "chunked"),
        ("Transfer-Encoding", "identity, chunked"),
        ("TE", "trailers"),
        ("Trailer", "Authorization"),
        ("Keep-Alive", "timeout=1000"),
        ("Expect", "100-continue"),
        ("Range", "bytes=0-0"),
        ("Accept-Encoding", "gzip"),
        ("X-Forwarded-Host", "evil"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("Forwarded", "for=10.0.0.1"),
        ("X-Original-URL", "/admin"),
        ("X-Rewrite-URL", "/admin"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("Impersonate-User", "system:admin"),
        ("", "x"),
        ("a b", "x"),
        ("a:b", "x"),
        ("Host ", "evil"),
        ("x\r\nHost", "evil"),
        ("x\0", "y"),
        ("ho\u{17f}t", "evil"),
        ("x", "y\r\nHost: evil"),
        ("x", "y\nAuthorization: mine"),
        ("x", "y\r\n\r\nGET /admin HTTP/1.1\r\nHost: evil\r\n\r\n"),
        ("x", "y\0"),
        ("x", "\u{e4}"),
    ] {
        world.is_refused(&attempt("api", "GET", "/x", &[(name, value)], ""));
    }
    let many: Vec<(String, String)> = (0..1000).map(|n| (format!("x-{n}"), "y".into())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (&**name, &**value)).collect();
    world.is_refused(&attempt("api", "GET", "/x", &many, ""));
    world.is_refused(&attempt("api", "GET", "/x", &[("x", &"y".repeat(100_000))], ""));
    world.is_harmless(&attempt("api", "GET", "/x", &[("x-scope-orgid", "team"), ("x-scope-orgid", "other")], ""));
}

#[test]
fn a_request_within_a_body_stays_a_body_and_a_redirect_is_not_followed() {
    let world = world();
    let within = format!("GET /admin HTTP/1.1\r\nHost: {}\r\n\r\n", world.forbidden.address());
    for body in [
        within.clone(),
        format!("0\r\n\r\n{within}"),
        format!("\r\n\r\n{within}"),
        format!("{}{within}", "\0".repeat(70_000)),
    ] {
        let request = world.is_harmless(&attempt("api", "POST", "/x", &[], &body));
        let (head, sent) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(sent.len(), body.len());
        assert!(head.to_ascii_lowercase().contains(&format!("content-length: {}", body.len())), "{head}");
    }
    // A body where there should be none is framed like any other.
    world.is_harmless(&attempt("api", "GET", "/x", &[], &within));
    // The base path is part of the address: what is redirected is `/granted/…`, so it is asked for as such.
    let (told, _) = world.tries(&attempt("api", "GET", "/x?then=/redirect", &[], ""));
    assert!(told.unwrap().starts_with("200\n"));
}

#[test]
fn a_redirect_is_an_answer_like_any_other() {
    let forbidden = Witness::start("127.0.0.1", "http://nowhere.invalid/");
    let granted = Witness::start("127.0.0.1", &format!("{}/taken", forbidden.url()));
    let stand = Stand::start();
    stand.install("unruly");
    let new = json!({"name": "wild", "plugin": "unruly", "config": {"url": granted.url()}});
    assert_eq!(stand.server().send("POST", "/v1/integrations", &new).unwrap().0, 201);
    for method in ["GET", "POST"] {
        let told = stand.server().ok("wild", "unruly.attempt", &attempt("api", method, "/redirect", &[], "x")).unwrap();
        assert!(text(&told).starts_with("307\n") && text(&told).contains("/taken"), "{told}");
    }
    assert_eq!(forbidden.take(), Seen::default());
    assert_eq!(granted.take().requests.len(), 2);
}

/// What a plugin cannot write into a request it may try to tell by how many there are, and when.
#[test]
fn a_flood_is_held_to_the_pace_that_was_granted_goes_nowhere_else_and_is_counted() {
    const PACE: u64 = 20;
    let world = world();
    let paced = json!({"limits": {"requests-per-second": PACE, "call-timeout-ms": 3000}});
    let (status, answer) = world.stand.server().send("PATCH", "/v1/integrations/wild", &paced).unwrap();
    assert_eq!(status, 200, "{answer}");
    let began = Instant::now();
    let (told, seen) = world.tries_by("unruly.hammer", &json!({"path": "/x"}));
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(told.unwrap_err()["kind"], "deadline-exceeded");
    // Two seconds' worth at once, and as many more as there was time for.
    let most = 2.0 * PACE as f64 + seconds * PACE as f64 + 1.0;
    let sent = seen.requests.len();
    assert!(sent as f64 <= most && sent as u64 >= 2 * PACE, "{sent} requests in {seconds} s");
    let page = world.stand.server().get("/v1/audit?limit=1").unwrap();
    let record = &page["items"][0];
    let told = record["requests"].as_array().unwrap().len() as u64 + record["more-requests"].as_u64().unwrap();
    assert!(told > 2 * sent as u64, "those that were refused are attempts, too: {told}, and {sent} were sent");
}
