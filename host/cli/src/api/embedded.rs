//! The host in this process, for as long as the command runs. The very router that `jackfield serve` puts on a socket is
//! driven without one, so there is no second path to keep alike.

use std::{path::Path, time::Duration};

use axum::{Router, body::Body};
use http::{HeaderValue, header};
use jackfield_core::Host;
use jackfield_server::{Drain, ServerOptions, router};
use tower::ServiceExt as _;

use super::Request;
use crate::failure::Failure;

/// A command is over long before a schedule comes round; `integration check` checks by itself.
const NO_SCHEDULE: Duration = Duration::from_secs(24 * 60 * 60);

/// A host and its API.
pub(crate) struct Embedded {
    router: Router,
    host: Host,
    drain: Drain,
}

impl Embedded {
    pub(super) async fn open(data: &Path, cache: Option<&Path>) -> jackfield_core::Result<Self> {
        let mut builder = Host::builder().data_dir(data).health_interval(NO_SCHEDULE);
        if let Some(cache) = cache {
            builder = builder.cache_dir(cache);
        }
        let host = builder.build().await?;
        let options = ServerOptions::default();
        let drain = options.drain.clone();
        Ok(Self { router: router(host.clone(), options), host, drain })
    }

    pub(super) async fn send(&self, request: Request) -> Result<http::Response<Body>, Failure> {
        let Request { method, path, headers, body } = request;
        let mut built = http::Request::builder()
            .method(method)
            .uri(path)
            .body(Body::from(body))
            .map_err(|error| Failure::Usage(format!("this cannot be asked for: {error}")))?;
        *built.headers_mut() = headers;
        built.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
        match self.router.clone().oneshot(built).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }

    pub(super) async fn close(self) {
        self.drain.start();
        self.host.shutdown().await;
    }
}
