//! The API on a socket. What a socket adds to a router is strangers' time: connections that say nothing, headers that
//! trickle in, answers that nobody reads. Each has a bound here. Only HTTP/1.1 is spoken: without TLS no browser speaks
//! HTTP/2, and every program that does speaks HTTP/1.1 too.
//!
//! Binding comes first and tells the address, since port 0 lets the system choose and the host wants to announce it.

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use jackfield_core::Host;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use crate::{Drain, ServerOptions, router, stall::Stall};

/// How long a connection may be silent before or within a request's head, also between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may leave an answer unread.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// A request's head may be this large, and so may what is buffered of its body.
const MAX_BUFFER: usize = 64 << 10;
/// The pause after the system could not give a connection (it is out of file handles, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the API could not be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address can be reached from elsewhere.
    #[error(
        "will not listen on {0}: Jackfield has no authentication yet, so everyone who reaches the address could use every \
         integration; listen on a loopback address, for example `--listen 127.0.0.1:{port}`, and put a proxy that \
         authenticates before it if others need it",
        port = .0.port()
    )]
    NotLoopback(SocketAddr),
    /// Another program listens there.
    #[error("{0} is in use by another program (perhaps another `jackfield serve`); stop it, or choose another port with `--listen {ip}:PORT`",
        ip = AddressOf(.0))]
    InUse(SocketAddr),
    /// The system does not allow it.
    #[error("cannot listen on {address}: {source}; choose another address with `--listen ADDRESS:PORT`")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// The address without its port, as a URL or `--listen` spells it.
struct AddressOf<'a>(&'a SocketAddr);

impl std::fmt::Display for AddressOf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            SocketAddr::V4(address) => write!(f, "{}", address.ip()),
            SocketAddr::V6(address) => write!(f, "[{}]", address.ip()),
        }
    }
}

/// An address that is taken, and not served yet: clients that connect wait.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// Takes an address. Port 0 lets the system choose one.
pub async fn bind(listen: SocketAddr) -> Result<Bound, ServeError> {
    if !listen.ip().to_canonical().is_loopback() {
        return Err(ServeError::NotLoopback(listen));
    }
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => ServeError::InUse(listen),
        _ => ServeError::Bind { address: listen, source },
    };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound { listener, address })
}

/// Serves a host's API on an address until `shutdown` is done; see [`Bound::serve`].
pub async fn serve(host: Host, listen: SocketAddr, shutdown: impl Future) -> Result<(), ServeError> {
    bind(listen).await?.serve(host, ServerOptions::default(), shutdown).await;
    Ok(())
}

impl Bound {
    /// The address, with the port the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves a host's API until `shutdown` is done: then it takes no more connections, ends streams, lets calls finish
    /// within [`ServerOptions::grace`] and returns. The host goes on; it is the caller's to shut down.
    pub async fn serve(self, host: Host, options: ServerOptions, shutdown: impl Future) {
        let (drain, grace) = (options.drain.clone(), options.grace);
        let places = Arc::new(Semaphore::new(options.max_connections));
        let router = router(host, options);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                _ = &mut shutdown => break,
                stream = accept(&self.listener, &places) => {
                    let (stream, place) = stream;
                    let connection = connection(stream, router.clone(), drain.clone());
                    connections.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
        drop(self.listener);
        drain.start();
        let finished = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, finished).await.is_err() {
            tracing::warn!(open = connections.len(), "calls did not finish in time and are cut off");
            connections.shutdown().await;
        }
    }
}

/// Waits for a place, then for a connection. May be dropped at any time: a place that was got is given back.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, Option<tokio::sync::OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let place = places.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, drain: Drain) {
    // Small answers go out at once instead of waiting for more.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Stall::new(stream, WRITE_TIMEOUT));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_BUFFER);
    let mut connection = pin!(builder.serve_connection(io, TowerToHyperService::new(router)));
    let result = tokio::select! {
        biased;
        result = connection.as_mut() => result,
        () = drain.started() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        // A client that goes away or sends no HTTP is its own affair.
        tracing::debug!(%error, "a connection ended early");
    }
}
