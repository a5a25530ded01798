//! The API in this process, and answers that are easy to look at.

#![allow(dead_code, unreachable_pub, reason = "a module of several test programs, each of which uses a part")]

use std::{path::PathBuf, time::Duration};

use axum::{Router, body::Body};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use jackfield_core::Host;
use jackfield_server::{Drain, ServerOptions, router};
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub struct Api {
    pub host: Host,
    pub router: Router,
    pub drain: Drain,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Api {
    pub async fn empty() -> Self {
        Self::with(ServerOptions::default()).await
    }

    pub async fn with(options: ServerOptions) -> Self {
        let host = host().await;
        let drain = options.drain.clone();
        Self { router: router(host.clone(), options), host, drain }
    }

    /// With the playground installed and the integration `play`.
    pub async fn playing() -> Self {
        let api = Self::empty().await;
        api.install_playground().await;
        api
    }

    pub async fn install_playground(&self) {
        let answer = self.upload(playground()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let answer = self.post("/v1/integrations", json!({"name": "play", "plugin": "playground"})).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }

    /// Installs a plugin, and accepts whatever it asks for.
    pub async fn upload(&self, file: Vec<u8>) -> Answer {
        let plan = self.upload_with("?dry-run=true", file.clone()).await;
        if plan.status != 200 {
            return plan;
        }
        match plan.value()["accept"].as_str() {
            Some(accept) => self.upload_with(&format!("?allow-unsigned=true&accept={accept}"), file).await,
            None => self.upload_with("?allow-unsigned=true", file).await,
        }
    }

    pub async fn upload_with(&self, query: &str, file: Vec<u8>) -> Answer {
        let request = Request::post(format!("/v1/plugins{query}")).header("content-type", "application/wasm");
        self.send(request.body(Body::from(file)).unwrap()).await
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Request::delete(path).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.json(Method::POST, path, &[], body).await
    }

    pub async fn json(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Opens a stream.
    pub async fn stream(&self, path: &str, headers: &[(&str, &str)]) -> Events {
        let mut request = Request::get(path).header("accept", "text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { body: response.into_body().into_data_stream(), text: String::new() }
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body of a success.
    pub fn value(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The body of a problem with this status and kind.
    pub fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["kind"], kind, "{problem}");
        assert_eq!(problem["type"], format!("https://jackfield.dev/problems/{kind}"));
        assert!(problem["title"].is_string() && problem["source"].is_string(), "{problem}");
        problem
    }

    /// What a problem with this status and kind says.
    pub fn detail(&self, status: u16, kind: &str) -> String {
        self.problem(status, kind)["detail"].as_str().unwrap().to_owned()
    }
}

/// A stream of server-sent events.
pub struct Events {
    body: axum::body::BodyDataStream,
    text: String,
}

impl Events {
    /// The next block: an event, a comment or a field on its own. None when the stream has ended.
    pub async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block = self.text[..end].to_owned();
                self.text.drain(..end + 2);
                return Some(block);
            }
            let piece = tokio::time::timeout(Duration::from_secs(20), self.body.next()).await.expect("nothing came");
            self.text.push_str(std::str::from_utf8(&piece?.unwrap()).unwrap());
        }
    }

    /// The next event that tells something: its name, its id and its data.
    pub async fn event(&mut self) -> Option<(String, Option<String>, Value)> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
            };
            if let Some(data) = field("data") {
                return Some((field("event").unwrap_or_default(), field("id"), serde_json::from_str(&data).unwrap()));
            }
        }
    }
}

pub async fn host() -> Host {
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("aot-cache");
    Host::builder().in_memory().cache_dir(cache).build().await.unwrap()
}

/// The packed playground plugin.
pub fn playground() -> Vec<u8> {
    let folder = std::env::var_os("JACKFIELD_PLUGINS_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"), PathBuf::from);
    let file = folder.join("playground.wasm");
    std::fs::read(&file).unwrap_or_else(|error| {
        panic!(
            "the playground plugin is not at {} ({error}); run `cargo xtask test`, which builds and packs it first",
            file.display()
        )
    })
}
