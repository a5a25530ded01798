//! Opening one connection. The connector is bound to one endpoint and does not look at the URI it is asked for, so
//! nothing in a request, and no redirect or proxy variable, can lead it elsewhere. Each step has its own time limit
//! beside the request's deadline, because hyper may finish a connection in the background after its request is gone.

use std::{
    net::SocketAddr,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use crate::{
    Address, AddressPolicy, Attempt, ConnectError, DialTimeouts, Host, Proxy, Resolver, SenderOptions, TlsError,
    error::plain_words,
    resolve::judged_addresses,
    stream::Stream,
    tls::{self, Tls},
};

/// An address does not get less time than this, however many share the limit.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// Everything needed to connect to one endpoint.
pub(crate) struct Route {
    pub(crate) address: Address,
    pub(crate) policy: AddressPolicy,
    pub(crate) tls: Option<Tls>,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) timeouts: DialTimeouts,
}

impl Route {
    pub(crate) async fn connect(&self) -> Result<Stream, ConnectError> {
        if let Some(path) = self.address.socket() {
            return connect_unix(path, self.timeouts.connect).await;
        }
        let tcp = match &self.proxy {
            None => connect_tcp(&self.addresses().await?, self.timeouts.connect).await?,
            Some(proxy) => self.connect_through(proxy).await?,
        };
        match (&self.tls, self.address.host()) {
            (Some(tls), Some(host)) => self.handshake(tls, host, tcp).await,
            _ => Ok(Stream::Tcp(tcp)),
        }
    }

    /// A connection by way of the operator's proxy, which may be anywhere.
    async fn connect_through(&self, proxy: &Proxy) -> Result<TcpStream, ConnectError> {
        let everywhere = AddressPolicy::new(SenderOptions::of_the_operator(None).allow_addresses);
        let addresses = self.judged(proxy.address(), &everywhere).await?;
        let tcp = connect_tcp(&addresses, self.timeouts.connect).await?;
        proxy.lead_on(tcp, &self.address, self.timeouts.connect).await
    }

    /// The addresses that may be dialled, in order; never empty.
    pub(crate) async fn addresses(&self) -> Result<Vec<SocketAddr>, ConnectError> {
        self.judged(&self.address, &self.policy).await
    }

    async fn judged(&self, address: &Address, policy: &AddressPolicy) -> Result<Vec<SocketAddr>, ConnectError> {
        let (Some(host), Some(port)) = (address.host(), address.port()) else {
            return Err(ConnectError::Dns { name: String::new(), reason: "the address has no host".into() });
        };
        judged_addresses(host, port, policy, self.resolver.as_ref(), self.timeouts.resolve).await
    }

    async fn handshake(&self, tls: &Tls, host: &Host, tcp: TcpStream) -> Result<Stream, ConnectError> {
        if !tls.has_roots {
            return Err(TlsError::NoRoots.into());
        }
        let connecting = TlsConnector::from(tls.config.clone()).connect(tls.server_name.clone(), tcp);
        match timeout(self.timeouts.handshake, connecting).await {
            Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream))),
            Ok(Err(error)) => Err(tls::explain(&error, &tls.verified).into()),
            Err(_) => Err(TlsError::Handshake { host: host.to_string(), reason: "no answer in time".into() }.into()),
        }
    }
}

/// Tries the addresses in order; one that swallows packets must not use up the time of all.
async fn connect_tcp(addresses: &[SocketAddr], patience: Duration) -> Result<TcpStream, ConnectError> {
    let share = patience / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let patience = patience.min(share.max(LEAST_PATIENCE));
    let mut attempts = Vec::new();
    for address in addresses {
        let reason = match timeout(patience, TcpStream::connect(*address)).await {
            Ok(Ok(stream)) => {
                // Requests are written whole; waiting to fill a packet only costs time.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%address, %error, "TCP_NODELAY cannot be set");
                }
                return Ok(stream);
            }
            Ok(Err(error)) => plain_words(&error),
            Err(_) => "no answer in time".to_owned(),
        };
        attempts.push(Attempt { place: address.to_string(), reason });
    }
    Err(ConnectError::Unreachable { attempts })
}

#[cfg(unix)]
async fn connect_unix(path: &Path, patience: Duration) -> Result<Stream, ConnectError> {
    let reason = match timeout(patience, tokio::net::UnixStream::connect(path)).await {
        Ok(Ok(stream)) => return Ok(Stream::Unix(stream)),
        Ok(Err(error)) => plain_words(&error),
        Err(_) => "no answer in time".to_owned(),
    };
    Err(ConnectError::Unreachable { attempts: vec![Attempt { place: path.display().to_string(), reason }] })
}

#[cfg(not(unix))]
async fn connect_unix(path: &Path, _patience: Duration) -> Result<Stream, ConnectError> {
    let reason = "this system has no unix sockets".to_owned();
    Err(ConnectError::Unreachable { attempts: vec![Attempt { place: path.display().to_string(), reason }] })
}

/// The way hyper asks for connections.
#[derive(Clone)]
pub(crate) struct Connector(pub(crate) Arc<Route>);

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let route = self.0.clone();
        Box::pin(async move { route.connect().await.map(TokioIo::new) })
    }
}
