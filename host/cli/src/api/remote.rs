//! A server over HTTP/1.1, plain or with TLS (the system's roots; SSL_CERT_FILE names others). Proxies in the environment
//! are not used: the API is on this machine or behind an address that was given.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, header};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::{Body, Request, boxed};
use crate::{args::ServerUrl, failure::Failure};

/// The longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server.
pub(crate) struct Remote {
    url: ServerUrl,
    client: Http,
    /// The data folder whose lock file named it; none where its address was given.
    found_in: Option<PathBuf>,
}

enum Http {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Remote {
    pub(super) fn new(url: ServerUrl, found_in: Option<PathBuf>) -> Result<Box<Self>, Failure> {
        let client = Http::new(url.is_tls())?;
        Ok(Box::new(Self { url, client, found_in }))
    }

    pub(super) fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// The data folder whose lock file named it.
    pub(super) fn found_in(&self) -> Option<&PathBuf> {
        self.found_in.as_ref()
    }

    /// Goes on with the same server at another address.
    pub(super) fn moved_to(&mut self, url: ServerUrl) {
        if url.is_tls() == self.url.is_tls() {
            self.url = url;
        }
    }

    pub(super) async fn send(&self, request: Request) -> Result<http::Response<Body>, Failure> {
        let Request { method, path, headers, body } = request;
        let mut built = http::Request::builder()
            .method(method)
            .uri(self.url.join(&path))
            .body(Full::new(body))
            .map_err(|error| Failure::Usage(format!("this cannot be asked for: {error}")))?;
        *built.headers_mut() = headers;
        built.headers_mut().entry(header::ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        let user_agent = concat!("jackfield/", env!("CARGO_PKG_VERSION"));
        built.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(user_agent));
        let answer = match &self.client {
            Http::Plain(client) => client.request(built).await,
            Http::Tls(client) => client.request(built).await,
        };
        answer.map(boxed).map_err(|error| self.lost(&error))
    }

    fn lost(&self, error: &hyper_util::client::legacy::Error) -> Failure {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let url = &self.url;
        if !error.is_connect() {
            return Failure::Failed(format!(
                "the connection to {url} was lost before it answered ({cause}); if it was a write, look whether it happened"
            ));
        }
        Failure::Unreachable(match &self.found_in {
            Some(data) => format!(
                "the server at {url}, which runs on the data folder {}, cannot be reached: {cause}; is it hanging?",
                data.display()
            ),
            None => format!(
                "the server at {url} cannot be reached: {cause}; start it with `jackfield serve`, or correct --server or JACKFIELD_SERVER"
            ),
        })
    }
}

impl Http {
    fn new(tls: bool) -> Result<Self, Failure> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        connector.enforce_http(!tls);
        let builder = Client::builder(TokioExecutor::new());
        if !tls {
            return Ok(Self::Plain(builder.build(connector)));
        }
        let https = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(Arc::new(rustls::crypto::ring::default_provider()))
            .map_err(|error| {
                Failure::Unreachable(format!(
                    "no certificates to trust were found on this system ({error}); install ca-certificates, or name a file in SSL_CERT_FILE"
                ))
            })?
            .https_only()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self::Tls(builder.build(https)))
    }
}
