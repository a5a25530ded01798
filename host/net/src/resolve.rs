//! From a name to the addresses that may be dialled. A name is asked for once per new connection and every answer is
//! judged; the connection then goes to one of exactly these addresses. Asking twice, once to check and once to
//! connect, is what DNS rebinding lives on.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::timeout;

use crate::{AddressPolicy, ConnectError, Host, error::plain_words};

/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;

/// Finds the addresses of a name. What it returns is not trusted: the caller judges every address.
#[async_trait]
pub trait Resolver: Send + Sync + 'static {
    /// All addresses of a name in the order they should be tried.
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

#[async_trait]
impl Resolver for std::sync::Arc<dyn Resolver> {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        (**self).lookup(name).await
    }
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect())
    }
}

/// The addresses to try, in order; never empty.
pub(crate) async fn judged_addresses(
    host: &Host,
    port: u16,
    policy: &AddressPolicy,
    resolver: &dyn Resolver,
    patience: Duration,
) -> Result<Vec<SocketAddr>, ConnectError> {
    let found = match host {
        Host::Ip(ip) => vec![*ip],
        // RFC 6761: localhost is this machine, whatever a resolver says.
        Host::Name(name) if name == "localhost" => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        Host::Name(name) => {
            let dns = |reason: String| ConnectError::Dns { name: name.clone(), reason };
            match timeout(patience, resolver.lookup(name)).await {
                Err(_) => return Err(dns(format!("no answer within {} s", patience.as_secs_f32()))),
                Ok(Err(error)) => return Err(dns(plain_words(&error))),
                Ok(Ok(found)) if found.is_empty() => return Err(dns("it has no addresses".into())),
                Ok(Ok(found)) => found,
            }
        }
    };
    let (mut addresses, mut refusals) = (Vec::new(), Vec::new());
    for ip in found {
        match policy.judge(ip) {
            Ok(()) => {
                let address = SocketAddr::new(ip, port);
                if !addresses.contains(&address) && addresses.len() < MAX_ADDRESSES {
                    addresses.push(address);
                }
            }
            Err(refusal) if !refusals.contains(&refusal) => refusals.push(refusal),
            Err(_) => {}
        }
    }
    if addresses.is_empty() {
        return Err(ConnectError::Refused { host: host.to_string(), refusals });
    }
    Ok(addresses)
}
