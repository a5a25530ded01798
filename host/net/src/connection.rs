//! Connections for what is not HTTP: a stream of bytes, or datagrams. They are opened as a sender's are: the name is
//! resolved once, each of its addresses is judged, exactly a judged one is dialled, and every step has its time limit.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UdpSocket,
};

use crate::{Address, Attempt, ConnectError, Dialer, SenderOptions, error::plain_words, stream::Stream};

/// A stream of bytes to one address: TCP, TLS over it, or a unix socket.
pub struct Connection(Stream);

/// Datagrams to one address: UDP, or a unix socket.
pub struct Datagrams(Socket);

enum Socket {
    Udp(UdpSocket),
    #[cfg(unix)]
    Unix(tokio::net::UnixDatagram),
}

impl Dialer {
    /// Opens a stream to an address, with TLS where it is an `https` one. No protocol is agreed on in the handshake.
    pub async fn connect(&self, address: Address, options: &SenderOptions) -> Result<Connection, ConnectError> {
        let mut route = self.route(address, options)?;
        if let Some(tls) = &mut route.tls {
            let mut config = (*tls.config).clone();
            config.alpn_protocols.clear();
            tls.config = Arc::new(config);
        }
        route.connect().await.map(Connection)
    }

    /// Makes a socket that sends datagrams to an address. Of UDP nothing is known of the other side.
    pub async fn datagrams(&self, address: Address, options: &SenderOptions) -> Result<Datagrams, ConnectError> {
        let route = self.route(address, options)?;
        let unreachable = |place: String, error: &io::Error| ConnectError::Unreachable {
            attempts: vec![Attempt { place, reason: plain_words(error) }],
        };
        #[cfg(unix)]
        if let Some(path) = route.address.socket() {
            let connected = tokio::net::UnixDatagram::unbound().and_then(|socket| {
                socket.connect(path)?;
                Ok(socket)
            });
            let socket = connected.map_err(|error| unreachable(path.display().to_string(), &error))?;
            return Ok(Datagrams(Socket::Unix(socket)));
        }
        let addresses = route.addresses().await?;
        let mut attempts = Vec::new();
        for address in addresses {
            match udp(address).await {
                Ok(socket) => return Ok(Datagrams(Socket::Udp(socket))),
                Err(error) => attempts.push(Attempt { place: address.to_string(), reason: plain_words(&error) }),
            }
        }
        Err(ConnectError::Unreachable { attempts })
    }
}

async fn udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    Ok(socket)
}

impl Datagrams {
    /// Sends one datagram. An error may be about an earlier one: that the other side's port is closed is told late.
    pub async fn send(&self, datagram: &[u8]) -> Result<(), String> {
        let sent = match &self.0 {
            Socket::Udp(socket) => socket.send(datagram).await,
            #[cfg(unix)]
            Socket::Unix(socket) => socket.send(datagram).await,
        };
        match sent {
            Ok(length) if length == datagram.len() => Ok(()),
            Ok(_) => Err("a datagram was sent in part".into()),
            Err(error) => Err(plain_words(&error)),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl std::fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Datagrams")
    }
}
