//! Servers on loopback for tests of the sender and the gateway: real HTTP/1.1 and HTTP/2, TLS with certificates made
//! on the spot, unix sockets, and scripted peers that misbehave byte by byte. Both crates' tests include this file, and
//! each uses a part of it.
#![allow(dead_code)]

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jackfield_net::Resolver;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

pub(crate) mod certificates;

/// A request as a server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: Arc<http::request::Parts>,
    pub(crate) body: Bytes,
    /// The certificate that the client showed, DER.
    pub(crate) client: Option<Bytes>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
    connections: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) type Answer = Response<Full<Bytes>>;

pub(crate) fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Response::builder().status(status).body(Full::new(body.into())).unwrap()
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

impl Server {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Requests received so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Plain HTTP/1.1.
    pub(crate) async fn http<F, R>(handler: F) -> Self
    where
        F: Fn(Seen) -> R + Send + Sync + 'static,
        R: Future<Output = Answer> + Send + 'static,
    {
        Self::start(None, handler).await
    }

    /// HTTP over TLS.
    pub(crate) async fn tls<F, R>(config: Arc<rustls::ServerConfig>, handler: F) -> Self
    where
        F: Fn(Seen) -> R + Send + Sync + 'static,
        R: Future<Output = Answer> + Send + 'static,
    {
        Self::start(Some(config.into()), handler).await
    }

    async fn start<F, R>(tls: Option<TlsAcceptor>, handler: F) -> Self
    where
        F: Fn(Seen) -> R + Send + Sync + 'static,
        R: Future<Output = Answer> + Send + 'static,
    {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (handler, log) = (Arc::new(handler), seen.clone());
        let mut server = Self::scripted(move |stream, _| {
            let (tls, handler, log) = (tls.clone(), handler.clone(), log.clone());
            async move {
                let Some(tls) = tls else { return serve(stream, Version::Http1, None, handler, log).await };
                let stream = match tls.accept(stream).into_fallible().await {
                    Ok(stream) => stream,
                    // Whoever is refused is told so: closing at once would reset the connection before he has read why.
                    Err((_, mut stream)) => {
                        let _ = stream.shutdown().await;
                        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                        return;
                    }
                };
                let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                let client = shown.map(|certificate| Bytes::copy_from_slice(certificate));
                let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                serve(stream, if h2 { Version::Http2 } else { Version::Http1 }, client, handler, log).await;
            }
        })
        .await;
        server.seen = seen;
        server
    }

    /// Runs `script` on each connection, which it gets with its number, from 0.
    pub(crate) async fn scripted<F, R>(script: F) -> Self
    where
        F: Fn(TcpStream, usize) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        let task = tokio::spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                running.spawn(script(stream, counter.fetch_add(1, Ordering::SeqCst)));
            }
        });
        Self { address, task, connections, seen: Arc::default() }
    }

    /// HTTP/1.1 on a unix socket.
    pub(crate) fn unix<F, R>(path: &Path, handler: F) -> Self
    where
        F: Fn(Seen) -> R + Send + Sync + 'static,
        R: Future<Output = Answer> + Send + 'static,
    {
        let listener = UnixListener::bind(path).unwrap();
        let (handler, seen) = (Arc::new(handler), Arc::<Mutex<Vec<Seen>>>::default());
        let log = seen.clone();
        let task = tokio::spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                running.spawn(serve(stream, Version::Http1, None, handler.clone(), log.clone()));
            }
        });
        Self { address: ([0, 0, 0, 0], 0).into(), task, connections: Arc::default(), seen }
    }
}

async fn serve<S, F, R>(stream: S, version: Version, client: Option<Bytes>, handler: Arc<F>, log: Arc<Mutex<Vec<Seen>>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Seen) -> R + Send + Sync + 'static,
    R: Future<Output = Answer> + Send + 'static,
{
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let (handler, log, client) = (handler.clone(), log.clone(), client.clone());
        async move {
            let (head, body) = request.into_parts();
            let seen = Seen { head: Arc::new(head), body: body.collect().await?.to_bytes(), client };
            log.lock().unwrap().push(seen.clone());
            Ok::<_, hyper::Error>(handler(seen).await)
        }
    });
    let io = TokioIo::new(stream);
    // How a connection ends is the client's business.
    let _ = match version {
        Version::Http1 => hyper::server::conn::http1::Builder::new().serve_connection(io, service).await,
        Version::Http2 => {
            hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
        }
    };
}

/// Reads one HTTP/1.1 request without a body and returns its head; empty when the connection was closed.
pub(crate) async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return String::new(),
        }
    }
    String::from_utf8(head).unwrap()
}

/// Closes a connection with a reset instead of an orderly end.
pub(crate) fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}

/// A resolver with a list of answers for each name: one after another, the last one for ever.
#[derive(Clone, Default)]
pub(crate) struct Names(Arc<Mutex<HashMap<String, Answers>>>);

struct Answers {
    asked: usize,
    answers: Vec<Vec<IpAddr>>,
}

impl Names {
    pub(crate) fn with(self, name: &str, answers: &[&[&str]]) -> Self {
        let answers = answers.iter().map(|ips| ips.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
        self.0.lock().unwrap().insert(name.to_owned(), Answers { asked: 0, answers });
        self
    }

    /// How often a name was asked for.
    pub(crate) fn lookups(&self, name: &str) -> usize {
        self.0.lock().unwrap()[name].asked
    }
}

#[async_trait::async_trait]
impl Resolver for Names {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut names = self.0.lock().unwrap();
        let Some(name) = names.get_mut(name) else {
            return Err(io::Error::other("Name or service not known"));
        };
        name.asked += 1;
        Ok(name.answers[name.asked.min(name.answers.len()) - 1].clone())
    }
}
