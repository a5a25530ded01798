//! The host's own API on an empty host: lists, problems, and everything that must be refused.

mod common;

use std::time::Duration;

use axum::body::Body;
use common::Api;
use futures_util::stream;
use http::{Method, Request};
use jackfield_server::ServerOptions;
use serde_json::json;

#[tokio::test]
async fn an_empty_host_lists_nothing() {
    let api = Api::empty().await;
    for path in ["/v1/plugins", "/v1/integrations", "/v1/capabilities"] {
        assert_eq!(api.get(path).await.value(), json!({"items": [], "next": null}), "{path}");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_a_problem_that_names_it() {
    let api = Api::empty().await;
    for path in ["/v1/plugins/nope", "/v1/integrations/nope", "/v1/capabilities/nope", "/v1/integrations/nope/x/y"] {
        assert!(api.get(path).await.detail(404, "not-found").contains("nope"), "{path}");
    }
    api.delete("/v1/plugins/nope").await.problem(404, "not-found");
    api.delete("/v1/integrations/nope").await.problem(404, "not-found");
    api.post("/v1/integrations/nope/check", json!({})).await.problem(404, "not-found");
    api.post("/v1/integrations/nope/x/y", json!({})).await.problem(404, "not-found");
    api.json(Method::PATCH, "/v1/integrations/nope", &[], json!({})).await.problem(404, "not-found");
}

#[tokio::test]
async fn an_unknown_route_points_to_the_list_of_all_routes() {
    let api = Api::empty().await;
    for path in ["/", "/v1", "/v2/plugins", "/v1/plugins/", "/v1/integrations/a/b/c/d"] {
        assert!(api.get(path).await.detail(404, "not-found").contains("/openapi.json"), "{path}");
    }
}

#[tokio::test]
async fn a_method_that_is_not_done_is_answered_with_those_that_are() {
    let api = Api::empty().await;
    for (method, path, allow) in [
        ("PUT", "/v1/plugins", "GET,HEAD,POST"),
        ("POST", "/v1/capabilities", "GET,HEAD"),
        ("DELETE", "/openapi.json", "GET,HEAD"),
        ("GET", "/v1/integrations/x/check", "POST"),
        ("TRACE", "/v1/integrations/x", "GET,HEAD,PATCH,DELETE"),
    ] {
        let answer = api.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await;
        answer.problem(405, "unsupported");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn a_path_that_is_not_utf8_is_refused() {
    let api = Api::empty().await;
    api.get("/v1/plugins/%ff").await.problem(400, "invalid");
    api.get("/v1/integrations/%ff/x/y").await.problem(400, "invalid");
}

#[tokio::test]
async fn broken_json_is_told_with_its_position() {
    let api = Api::empty().await;
    let request = Request::post("/v1/integrations").header("content-type", "application/json");
    let answer = api.send(request.body(Body::from("{\"name\": \"a\",\n oops}")).unwrap()).await;
    assert!(answer.detail(400, "invalid").contains("line 2 column 2"), "{}", answer.text());
}

#[tokio::test]
async fn a_wrong_member_is_told_with_its_place() {
    let api = Api::empty().await;
    for (body, field, says) in [
        (json!({"name": "a", "plugin": "p", "labels": {"x/y": 5}}), "/labels/x~1y", "expected a string"),
        (
            json!({"name": "a", "plugin": "p", "endpoints": {"api": {"allow": []}}}),
            "/endpoints/api/allow",
            "unknown field",
        ),
        (json!({"name": "a", "plugin": "p", "extra": 1}), "/extra", "unknown field `extra`"),
    ] {
        let answer = api.post("/v1/integrations", body).await;
        let problem = answer.problem(400, "invalid");
        assert_eq!(problem["field"], field, "{problem}");
        assert!(answer.text().contains(says), "{problem}");
    }
    let answer = api.post("/v1/integrations", json!({"name": "a"})).await;
    assert!(answer.detail(400, "invalid").contains("missing field `plugin`"));
}

#[tokio::test]
async fn a_body_of_another_content_type_is_refused() {
    let api = Api::empty().await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "nonsense"] {
        let request = Request::post("/v1/integrations").header("content-type", content_type);
        let answer = api.send(request.body(Body::from("{}")).unwrap()).await;
        assert!(answer.detail(415, "invalid").contains("application/json"), "{content_type}");
    }
    let answer = api.send(Request::post("/v1/integrations").body(Body::from("{}")).unwrap()).await;
    assert!(answer.detail(415, "invalid").contains("no content type"));
    let request = Request::post("/v1/plugins").header("content-type", "text/plain");
    let answer = api.send(request.body(Body::from("{}")).unwrap()).await;
    assert!(answer.detail(415, "invalid").contains("application/wasm"));
    // Where a plugin is may be said as well.
    let answer = api.post("/v1/plugins", json!({})).await;
    assert!(answer.detail(400, "invalid").contains("`from`"));
    let request = Request::post("/v1/integrations").header("content-type", "Application/JSON; charset=utf-8");
    api.send(request.body(Body::from("{}")).unwrap()).await.problem(400, "invalid");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whether_it_says_so_or_not() {
    let api = Api::with(ServerOptions { body_bytes: 1 << 20, ..ServerOptions::default() }).await;
    let announced = Request::post("/v1/integrations").header("content-length", (1u64 << 40).to_string());
    let announced = announced.header("content-type", "application/json").body(Body::empty()).unwrap();
    assert!(api.send(announced).await.detail(413, "invalid").contains("1 MiB"));
    let pieces = stream::iter((0..20).map(|_| Ok::<_, std::convert::Infallible>(vec![b' '; 100_000])));
    let streamed = Request::post("/v1/integrations/a/b/c").header("content-type", "application/json");
    api.send(streamed.body(Body::from_stream(pieces)).unwrap()).await.problem(413, "invalid");
}

#[tokio::test]
async fn a_client_that_never_finishes_its_body_is_let_go() {
    let api = Api::with(ServerOptions { body_timeout: Duration::from_millis(50), ..ServerOptions::default() }).await;
    let never = Body::from_stream(stream::pending::<Result<Vec<u8>, std::convert::Infallible>>());
    let request = Request::post("/v1/integrations").header("content-type", "application/json");
    api.send(request.body(never).unwrap()).await.problem(408, "deadline-exceeded");
}

#[tokio::test]
async fn unknown_query_parameters_are_refused_with_the_nearest_known_one() {
    let api = Api::empty().await;
    let answer = api.get("/v1/integrations?lable=a=b").await;
    assert_eq!(answer.problem(400, "invalid")["field"], "/lable");
    assert!(answer.text().contains("Did you mean `label`?"), "{}", answer.text());
    for path in [
        "/v1/plugins?limit=0",
        "/v1/plugins?cursor=%21",
        "/v1/integrations?label=x",
        "/v1/plugins/a?b=c",
        "/v1/events?x=1",
    ] {
        api.get(path).await.problem(400, "invalid");
    }
}

#[tokio::test]
async fn a_file_that_is_no_plugin_is_refused() {
    let api = Api::empty().await;
    for file in [b"".as_slice(), b"hello", b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0"] {
        api.upload(file.to_vec()).await.problem(400, "invalid");
    }
    assert_eq!(api.get("/v1/plugins").await.value()["items"], json!([]));
}

#[tokio::test]
async fn an_integration_of_an_unknown_plugin_is_refused() {
    let api = Api::empty().await;
    let answer = api.post("/v1/integrations", json!({"name": "a", "plugin": "nope"})).await;
    assert!(answer.status.is_client_error() && answer.text().contains("nope"), "{}", answer.text());
}

#[tokio::test]
async fn web_pages_of_other_sites_are_kept_out() {
    let api = Api::empty().await;
    let rebound = Request::get("/v1/plugins").header("host", "evil.example:7575").body(Body::empty()).unwrap();
    assert!(api.send(rebound).await.detail(403, "permission-denied").contains("localhost"));
    let forged = [("host", "localhost:7575"), ("origin", "https://evil.example")];
    let body = json!({"name": "a", "plugin": "p"});
    api.json(Method::POST, "/v1/integrations", &forged, body).await.problem(403, "permission-denied");
}

#[tokio::test]
async fn an_answer_carries_the_requests_id_or_one_of_its_own() {
    let api = Api::empty().await;
    let request = Request::get("/healthz").header("x-request-id", "abc-1").body(Body::empty()).unwrap();
    assert_eq!(api.send(request).await.header("x-request-id"), "abc-1");
    let request = Request::get("/nowhere").header("x-request-id", "not an id").body(Body::empty()).unwrap();
    let made = api.send(request).await.header("x-request-id").to_owned();
    assert!(!made.is_empty() && made != "not an id");
}

#[tokio::test]
async fn health_readiness_and_metrics_are_there() {
    let api = Api::empty().await;
    assert_eq!(api.get("/healthz").await.value(), json!({"status": "ok"}));
    assert_eq!(api.get("/readyz").await.value(), json!({"ready": true, "not-ready": []}));
    let metrics = api.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    let content_type = metrics.header("content-type");
    assert!(
        content_type.starts_with("text/plain; version=0.0.4")
            || content_type.starts_with("application/openmetrics-text")
    );
}

#[tokio::test]
async fn a_stopping_server_is_not_ready_but_lives() {
    let api = Api::empty().await;
    api.drain.start();
    let ready = api.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("the server is stopping"), "{}", ready.text());
    assert_eq!(api.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_silent_stream_says_that_it_is_alive_and_ends_when_the_server_stops() {
    let api = Api::with(ServerOptions { heartbeat: Duration::from_millis(20), ..ServerOptions::default() }).await;
    let mut events = api.stream("/v1/events", &[]).await;
    assert_eq!(events.block().await.unwrap(), "retry: 1000");
    assert_eq!(events.block().await.unwrap(), ": heartbeat");
    api.drain.start();
    while let Some(block) = events.block().await {
        assert!(block.starts_with(':'), "{block}");
    }
}

#[tokio::test]
async fn streams_are_bounded_and_a_closed_one_makes_room() {
    let api = Api::with(ServerOptions { max_streams: 1, ..ServerOptions::default() }).await;
    let open = api.stream("/v1/events", &[]).await;
    let refused = api.get("/v1/events").await;
    refused.problem(503, "unavailable");
    assert_eq!(refused.header("retry-after"), "1");
    drop(open);
    api.stream("/v1/events", &[]).await;
}
