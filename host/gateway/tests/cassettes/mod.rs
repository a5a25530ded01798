//! Gateways that record and that replay, and what is asked of both.
#![allow(dead_code, reason = "a module of several test programs, each of which uses a part")]

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use http::Response as Http;
use http_body_util::Full;
use jackfield_gateway::{
    Dialer, EndpointSpec, Gateway, GatewayError, GatewayLimits, Label, Match, Player, RecordLimits, Recorder,
    ReplayError, Request, Response,
};

use crate::{
    common::{get, soon},
    support::{Answer as Says, Seen},
};

pub(crate) fn label() -> Label {
    Label {
        integration: "prom".into(),
        plugin: "prometheus".into(),
        plugin_version: "0.1.0".into(),
        plugin_digest: "sha256:00".into(),
    }
}

pub(crate) fn spec(url: &str) -> EndpointSpec {
    EndpointSpec {
        name: "api".into(),
        addresses: vec![url.to_owned()],
        methods: vec!["GET".into(), "POST".into()],
        paths: vec!["/v1/*".into()],
        ..EndpointSpec::default()
    }
}

pub(crate) fn gateway(spec: EndpointSpec) -> Gateway {
    Gateway::new(vec![spec], GatewayLimits::default(), Arc::new(Dialer::new())).unwrap()
}

pub(crate) fn recorder_to(file: &Path, limits: RecordLimits) -> Arc<Recorder> {
    Arc::new(Recorder::open(file, label(), Arc::default(), limits).unwrap())
}

/// A gateway that records, and what it records with.
pub(crate) fn recording(url: &str, file: &Path) -> (Gateway, Arc<Recorder>) {
    let recorder = recorder_to(file, RecordLimits::default());
    (gateway(spec(url)).recorded_by(recorder.clone()), recorder)
}

/// A gateway that replays: its endpoint has no address, so that nothing can be sent.
pub(crate) fn replaying(file: &Path, matching: Match) -> Gateway {
    let spec = EndpointSpec { addresses: Vec::new(), ..spec("") };
    gateway(spec).replayed_by(Arc::new(Player::load(file, matching).unwrap()))
}

pub(crate) fn post(path: &str, body: &'static str) -> Request {
    Request { method: "POST".into(), body: Bytes::from(body), ..get(path) }
}

pub(crate) async fn bytes(mut response: Response) -> Result<Vec<u8>, GatewayError> {
    let mut all = Vec::new();
    while let Some(piece) = response.body.read(7).await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

/// Status, the header `x-way`, and the body; or the error's words.
pub(crate) async fn asked(gateway: &Gateway, request: Request) -> Result<(u16, String, Vec<u8>), String> {
    let response = gateway.send(request, soon()).await.map_err(|error| error.to_string())?;
    let way = response.headers.iter().find(|(name, _)| name == "x-way").map(|(_, value)| value.clone());
    let status = response.status;
    Ok((status, way.unwrap_or_default(), bytes(response).await.map_err(|error| error.to_string())?))
}

/// Says what it was asked, a number at the end.
pub(crate) async fn repeats(seen: Seen) -> Says {
    let text = format!("{} {} {}", seen.head.method, seen.head.uri, String::from_utf8_lossy(&seen.body));
    Http::builder().status(200).header("x-way", "repeats").body(Full::from(text)).unwrap()
}

pub(crate) fn replay_error(error: &GatewayError) -> &ReplayError {
    match error {
        GatewayError::Replay { reason, .. } => reason,
        other => panic!("{other}"),
    }
}
