//! The API, wherever it is: a server reached over HTTP, or the same router driven in this process over a host that lives
//! as long as the command. Every command is written against [`Api`] and cannot tell the two apart, so that it prints the
//! same bytes either way. It decides who answers; what is asked is the commands' affair.

mod connect;
mod embedded;
mod follow;
mod path;
mod remote;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use serde::Serialize;

pub(crate) use connect::Connection;
pub(crate) use follow::{Follow, Update};
pub(crate) use path::{Query, segment};

use crate::failure::{Failure, Problem};

/// An answer's body, wherever it comes from.
pub(crate) type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// An answer with its body's own type forgotten.
fn boxed<B>(response: http::Response<B>) -> http::Response<Body>
where
    B: BodyExt<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}

/// An API that can be asked.
pub(crate) enum Api {
    /// A server.
    Remote(Box<remote::Remote>),
    /// A host in this process.
    Embedded(embedded::Embedded),
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Request {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// The same request with a header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The same request with a body of some type.
    pub(crate) fn body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = body.into();
        self
    }

    /// The same request with a JSON body.
    pub(crate) fn json(self, body: &impl Serialize) -> Result<Self, Failure> {
        let text =
            serde_json::to_vec(body).map_err(|e| Failure::Failed(format!("the request has no form in JSON: {e}")))?;
        Ok(self.body("application/json", text))
    }
}

/// What is answered, if it is no error.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Api {
    /// Asks, and reads the whole answer. An error status is an error.
    pub(crate) async fn request(&self, request: Request) -> Result<Response, Failure> {
        let response = self.send(request).await?;
        let (head, body) = response.into_parts();
        let status = head.status;
        let body = body.collect().await.map_err(|error| {
            Failure::Failed(format!(
                "the answer of {} broke off ({error}); if it was a write, look whether it happened",
                self.name()
            ))
        })?;
        let body = body.to_bytes();
        if status.is_success() {
            Ok(Response { status, headers: head.headers, body })
        } else {
            Err(self.refusal(status, body))
        }
    }

    /// Asks for a stream and gives it back unread.
    pub(crate) async fn stream(&self, request: Request) -> Result<Body, Failure> {
        let response = self.send(request.header(header::ACCEPT, HeaderValue::from_static("text/event-stream"))).await?;
        let status = response.status();
        if !status.is_success() {
            let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            return Err(self.refusal(status, body));
        }
        if response.headers().get(header::CONTENT_TYPE).is_none_or(|t| !t.as_bytes().starts_with(b"text/event-stream"))
        {
            return Err(Failure::Failed(format!(
                "{} does not answer with a stream of events; is it Jackfield?",
                self.name()
            )));
        }
        Ok(response.into_body())
    }

    /// Asks for something long and gives it back unread.
    pub(crate) async fn download(&self, request: Request) -> Result<Body, Failure> {
        let response = self.send(request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        Err(self.refusal(status, body))
    }

    async fn send(&self, request: Request) -> Result<http::Response<Body>, Failure> {
        match self {
            Self::Remote(remote) => remote.send(request).await,
            Self::Embedded(embedded) => embedded.send(request).await,
        }
    }

    fn refusal(&self, status: StatusCode, body: Bytes) -> Failure {
        match Problem::read(body) {
            Some(problem) => Failure::Api(problem),
            None => Failure::Failed(format!(
                "{} answers {status} without saying why; is it Jackfield, of this version?",
                self.name()
            )),
        }
    }

    /// Who answers, for messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Remote(remote) => format!("the server at {}", remote.url()),
            Self::Embedded(_) => "the host in this process".into(),
        }
    }

    /// Says goodbye: a host in this process writes what it has and lets go of its data folder.
    pub(crate) async fn close(self) {
        if let Self::Embedded(embedded) = self {
            embedded.close().await;
        }
    }
}
