//! A named outside address of an integration, and the addresses behind it that are tried in turn.

use std::sync::atomic::{AtomicUsize, Ordering};

use jackfield_net::{Address, Dialer, IpNet, Sender, SenderOptions};

use crate::{GatewayError, Grant};

/// An endpoint as the manifest and the operator describe it.
#[derive(Clone, Debug, Default)]
pub struct EndpointSpec {
    /// The name by which the plugin knows it.
    pub name: String,
    /// Where it is: `http://…`, `https://…` or `unix:///…`, tried in turn.
    pub addresses: Vec<String>,
    /// The methods the plugin may use.
    pub methods: Vec<String>,
    /// The paths the plugin may ask for, relative to the address; see [`Grant::paths`].
    pub paths: Vec<String>,
    /// Ranges that may be dialled besides public addresses and those written in `addresses`.
    pub allow_addresses: Vec<IpNet>,
    /// PEM certificates to trust instead of the system's roots.
    pub ca_pem: Option<String>,
}

pub(crate) struct Endpoint {
    pub(crate) name: String,
    pub(crate) grant: Grant,
    senders: Vec<Sender>,
    /// The address that answered last: asked first next time.
    good: AtomicUsize,
}

impl Endpoint {
    pub(crate) fn new(spec: EndpointSpec, dialer: &Dialer) -> Result<Self, GatewayError> {
        let options =
            SenderOptions { allow_addresses: spec.allow_addresses, ca_pem: spec.ca_pem, ..SenderOptions::default() };
        let senders = spec
            .addresses
            .iter()
            .map(|address| {
                let address = Address::parse(address)
                    .map_err(|reason| GatewayError::Address { endpoint: spec.name.clone(), reason })?;
                dialer
                    .sender(address, &options)
                    .map_err(|reason| GatewayError::Connect { endpoint: spec.name.clone(), reason })
            })
            .collect::<Result<_, _>>()?;
        let grant = Grant { methods: spec.methods, paths: spec.paths };
        Ok(Self { name: spec.name, grant, senders, good: AtomicUsize::new(0) })
    }

    /// The senders, beginning with the one that answered last, each with its place.
    pub(crate) fn in_turn(&self) -> impl Iterator<Item = (usize, &Sender)> {
        let n = self.senders.len();
        let first = self.good.load(Ordering::Relaxed);
        (0..n).map(move |i| (first + i) % n.max(1)).filter_map(|i| Some((i, self.senders.get(i)?)))
    }

    pub(crate) fn remember(&self, place: usize) {
        self.good.store(place, Ordering::Relaxed);
    }
}
