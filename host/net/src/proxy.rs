//! A proxy that connections with TLS are opened through: it is asked for a connection (`CONNECT`), and from then on only
//! carries bytes that it cannot read. It is the operator's, so it may be anywhere; and it, not this side, resolves the
//! name that it is asked for, so what an address policy says of names is then the proxy's to say. That is why a plugin's
//! endpoint has none.

use std::{fmt, time::Duration};

use http::HeaderValue;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use zeroize::Zeroizing;

use crate::{Address, Attempt, ConnectError, error::plain_words};

/// The longest head of a proxy's answer, in bytes.
const MAX_HEAD: usize = 8 << 10;

/// A proxy that connections with TLS are opened through.
#[derive(Clone)]
pub struct Proxy {
    address: Address,
    authorization: Option<HeaderValue>,
}

/// An address that is not a proxy's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a proxy's address is http://, a host and a port; what goes through it has its own TLS")]
pub struct ProxyError;

impl Proxy {
    /// A proxy at an address, with what it is told in the header `proxy-authorization`.
    pub fn new(address: Address, mut authorization: Option<HeaderValue>) -> Result<Self, ProxyError> {
        if address.is_tls() || address.host().is_none() || !address.base_path().is_empty() {
            return Err(ProxyError);
        }
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        Ok(Self { address, authorization })
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Has a connection to the proxy lead on to an address.
    pub(crate) async fn lead_on(
        &self,
        mut tcp: TcpStream,
        to: &Address,
        patience: Duration,
    ) -> Result<TcpStream, ConnectError> {
        let failed = |reason: String| {
            let reason = format!("as a proxy for {to}: {reason}");
            ConnectError::Unreachable { attempts: vec![Attempt { place: self.address.to_string(), reason }] }
        };
        let asked = self.asked(to).ok_or_else(|| failed("there is no host to ask for".into()))?;
        let leading = async {
            tcp.write_all(&asked).await.map_err(|error| plain_words(&error))?;
            judged(&head(&mut tcp).await?)
        };
        match timeout(patience, leading).await {
            Ok(Ok(())) => Ok(tcp),
            Ok(Err(reason)) => Err(failed(reason)),
            Err(_) => Err(failed("no answer in time".into())),
        }
    }

    fn asked(&self, to: &Address) -> Option<Zeroizing<Vec<u8>>> {
        let place = format!("{}:{}", to.host()?, to.port()?);
        let mut asked = Zeroizing::new(format!("CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n").into_bytes());
        if let Some(authorization) = &self.authorization {
            asked.extend_from_slice(b"proxy-authorization: ");
            asked.extend_from_slice(authorization.as_bytes());
            asked.extend_from_slice(b"\r\n");
        }
        asked.extend_from_slice(b"\r\n");
        Some(asked)
    }
}

/// The head of the answer, and no byte of what follows it.
async fn head(tcp: &mut TcpStream) -> Result<Vec<u8>, String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MAX_HEAD {
            return Err("its answer is too long".into());
        }
        head.push(tcp.read_u8().await.map_err(|error| plain_words(&error))?);
    }
    Ok(head)
}

fn judged(head: &[u8]) -> Result<(), String> {
    let line =
        head.split(|byte| *byte == b'\r').next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    let status =
        line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)).and_then(|code| code.parse().ok());
    match status {
        Some(200..=299) => Ok(()),
        Some(407) => Err("it wants credentials, or others; put them into its address".into()),
        Some(code @ 100..=599) => Err(format!("it answers {code}; ask whoever runs it, or except the host from it")),
        Some(_) | None => Err("its answer is not HTTP".into()),
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_opens_a_way() {
        assert_eq!(judged(b"HTTP/1.1 200 Connection established\r\n\r\n"), Ok(()));
        assert_eq!(judged(b"HTTP/1.0 200\r\n\r\n"), Ok(()));
        for (head, expected) in [
            ("HTTP/1.1 407 x\r\n\r\n", "credentials"),
            ("HTTP/1.1 403 Forbidden\r\n\r\n", "403"),
            ("HTTP/1.1 99999 x\r\n\r\n", "not HTTP"),
            ("SSH-2.0-x\r\n\r\n", "not HTTP"),
            ("\r\n\r\n", "not HTTP"),
        ] {
            assert!(judged(head.as_bytes()).unwrap_err().contains(expected), "{head:?}");
        }
    }

    #[test]
    fn what_leads_on_is_a_host_without_tls() {
        for (address, fine) in [
            ("http://proxy:3128", true),
            ("http://proxy:3128/", true),
            ("https://proxy:3128", false),
            ("http://proxy:3128/x", false),
            ("unix:///run/proxy.sock", false),
        ] {
            assert_eq!(Proxy::new(Address::parse(address).unwrap(), None).is_ok(), fine, "{address}");
        }
    }
}
