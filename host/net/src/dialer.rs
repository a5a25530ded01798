//! What all senders of a host share: the resolver and the system's roots. Nothing that carries requests is shared.

use std::{fmt, sync::Arc, time::Duration};

use ipnet::IpNet;

use crate::{
    Address, AddressClass, AddressPolicy, ClientIdentity, ConnectError, Host, Proxy, Resolver, Sender, SystemResolver,
    TlsError, classify,
    connect::Route,
    tls::{SystemRoots, Tls, parse_roots},
};

/// How long each step to a connection may take. A request's own deadline holds besides.
#[derive(Clone, Copy, Debug)]
pub struct DialTimeouts {
    /// Resolving the name.
    pub resolve: Duration,
    /// Connecting, shared by the addresses of one name, of which each gets at least a second.
    pub connect: Duration,
    /// TLS.
    pub handshake: Duration,
}

impl Default for DialTimeouts {
    fn default() -> Self {
        let step = Duration::from_secs(5);
        Self { resolve: step, connect: step, handshake: step }
    }
}

/// How a sender is made.
#[derive(Clone, Debug)]
pub struct SenderOptions {
    /// Ranges that may be dialled besides public addresses.
    pub allow_addresses: Vec<IpNet>,
    /// PEM certificates to trust instead of the system's roots.
    pub ca_pem: Option<String>,
    /// The name that the server's certificate must be for, where that is another than the address's.
    pub server_name: Option<String>,
    /// Who this side is to a server that asks for a certificate.
    pub identity: Option<ClientIdentity>,
    /// The proxy that connections with TLS are opened through; others go directly.
    pub proxy: Option<Proxy>,
    /// Idle connections kept.
    pub max_idle: usize,
    /// How long an idle connection is kept. Servers commonly close theirs after a minute or more; going first avoids
    /// the race in which a request is written to a connection that is being closed.
    pub idle_timeout: Duration,
}

impl Default for SenderOptions {
    fn default() -> Self {
        Self {
            allow_addresses: Vec::new(),
            ca_pem: None,
            server_name: None,
            identity: None,
            proxy: None,
            max_idle: 16,
            idle_timeout: Duration::from_secs(30),
        }
    }
}

impl SenderOptions {
    /// For an address that the operator named and that the host itself asks: it may be wherever it is.
    pub fn of_the_operator(ca_pem: Option<String>) -> Self {
        let everywhere = ["0.0.0.0/0", "::/0"].iter().filter_map(|range| range.parse().ok()).collect();
        Self { ca_pem, allow_addresses: everywhere, ..Self::default() }
    }
}

/// Makes senders.
pub struct Dialer {
    resolver: Arc<dyn Resolver>,
    roots: SystemRoots,
    timeouts: DialTimeouts,
}

impl Default for Dialer {
    fn default() -> Self {
        Self::new()
    }
}

impl Dialer {
    /// With the system's resolver and the system's roots, which are read when the first endpoint needs them.
    pub fn new() -> Self {
        Self { resolver: Arc::new(SystemResolver), roots: SystemRoots::default(), timeouts: DialTimeouts::default() }
    }

    /// With another resolver.
    pub fn with_resolver(mut self, resolver: impl Resolver) -> Self {
        self.resolver = Arc::new(resolver);
        self
    }

    /// With these roots in place of the system's.
    pub fn with_roots(mut self, pem: &str) -> Result<Self, TlsError> {
        self.roots = SystemRoots::of(parse_roots(pem)?);
        Ok(self)
    }

    /// With other time limits.
    pub fn with_timeouts(mut self, timeouts: DialTimeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// A sender to one address, with a connection pool of its own. An IP address that could never be dialled is
    /// refused here already; a name is judged by what it resolves to, at each new connection.
    pub fn sender(&self, address: Address, options: &SenderOptions) -> Result<Sender, ConnectError> {
        Ok(Sender::new(self.route(address, options)?, options))
    }

    /// What kinds of address a host has just now, at least one. For deciding what its answers may lead to; what is dialled
    /// is judged anew.
    pub async fn classes(&self, address: Address) -> Result<Vec<AddressClass>, ConnectError> {
        let route = self.route(address, &SenderOptions::of_the_operator(None))?;
        Ok(route.addresses().await?.into_iter().map(|found| classify(found.ip()).class).collect())
    }

    pub(crate) fn route(&self, address: Address, options: &SenderOptions) -> Result<Route, ConnectError> {
        let policy = AddressPolicy::for_address(&address, options.allow_addresses.iter().copied());
        if let Some(Host::Ip(ip)) = address.host() {
            policy
                .judge(*ip)
                .map_err(|refusal| ConnectError::Refused { host: ip.to_string(), refusals: vec![refusal] })?;
        }
        let tls = match address.host() {
            Some(host) if address.is_tls() => {
                let SenderOptions { ca_pem, server_name, identity, .. } = options;
                Some(Tls::new(host, ca_pem.as_deref(), server_name.as_deref(), identity.as_ref(), &self.roots)?)
            }
            _ => None,
        };
        let proxy = options.proxy.clone().filter(|_| tls.is_some());
        let (resolver, timeouts) = (self.resolver.clone(), self.timeouts);
        Ok(Route { address, policy, tls, proxy, resolver, timeouts })
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("timeouts", &self.timeouts).finish_non_exhaustive()
    }
}
