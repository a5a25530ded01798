//! A named outside address of an integration, and the addresses behind it that are tried in turn.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use jackfield_net::{Address, ConnectError, Dialer, IpNet, Sender, SenderOptions};
use jackfield_vault::{Lease, Stamp};

use crate::{Allowance, Authority, GatewayError, Grant, authority::Connection};

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
    /// Those at which a `POST` changes nothing, says the plugin.
    pub safe_posts: Vec<String>,
    /// What the operator allows of that.
    pub allowance: Allowance,
    /// Ranges that may be dialled besides public addresses and those written in `addresses`.
    pub allow_addresses: Vec<IpNet>,
    /// PEM certificates to trust instead of the system's roots, unless the credential names others.
    pub ca_pem: Option<String>,
    /// How its requests are authenticated; not at all where there is none.
    pub authority: Option<Authority>,
}

pub(crate) struct Endpoint {
    pub(crate) name: String,
    pub(crate) grant: Grant,
    pub(crate) authority: Option<Authority>,
    addresses: Vec<Address>,
    options: SenderOptions,
    dialer: Arc<Dialer>,
    /// With the version of the credential that their connections were made with, where that makes a difference.
    senders: Mutex<(Option<Stamp>, Arc<[Sender]>)>,
    /// The address that answered last: asked first next time.
    good: AtomicUsize,
}

impl Endpoint {
    pub(crate) fn new(spec: EndpointSpec, dialer: &Arc<Dialer>) -> Result<Self, GatewayError> {
        let options =
            SenderOptions { allow_addresses: spec.allow_addresses, ca_pem: spec.ca_pem, ..SenderOptions::default() };
        let parse = |address: &String| {
            Address::parse(address).map_err(|reason| GatewayError::Address { endpoint: spec.name.clone(), reason })
        };
        let addresses: Vec<Address> = spec.addresses.iter().map(parse).collect::<Result<_, _>>()?;
        if let Some(authority) = &spec.authority {
            authority.judge(&spec.name, &addresses)?;
        }
        let EndpointSpec { methods, paths, safe_posts, allowance, .. } = spec;
        let grant = Grant { methods, paths, safe_posts, allowance };
        let senders = senders(&addresses, &options, dialer)
            .map_err(|reason| GatewayError::Connect { endpoint: spec.name.clone(), reason })?;
        Ok(Self {
            name: spec.name,
            grant,
            authority: spec.authority,
            addresses,
            options,
            dialer: dialer.clone(),
            senders: Mutex::new((None, senders)),
            good: AtomicUsize::new(0),
        })
    }

    /// Sees that what is bound to it can be used here, as far as that can be told now.
    pub(crate) fn fits(&self) -> Result<(), GatewayError> {
        self.authority.as_ref().map_or(Ok(()), |authority| authority.fits(&self.name, &self.addresses))
    }

    /// The senders for a credential. Where its version says who this side is or whom to trust they are its own: a connection
    /// belongs to whom it was opened for.
    pub(crate) fn senders(&self, lease: Option<&Lease>) -> Result<Arc<[Sender]>, GatewayError> {
        let (made_for, made) = self.senders.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (Some(authority), Some(lease)) = (&self.authority, lease) else { return Ok(made) };
        if made_for == Some(lease.stamp()) {
            return Ok(made);
        }
        let Some(Connection { identity, ca_pem, server_name }) =
            authority.connection(&self.name, lease, &self.addresses)?
        else {
            return Ok(made);
        };
        let mut options = SenderOptions { identity, server_name, ..self.options.clone() };
        options.ca_pem = ca_pem.or(options.ca_pem);
        let made = senders(&self.addresses, &options, &self.dialer)
            .map_err(|reason| GatewayError::Connect { endpoint: self.name.clone(), reason })?;
        *self.senders.lock().unwrap_or_else(PoisonError::into_inner) = (Some(lease.stamp()), made.clone());
        Ok(made)
    }

    /// What makes senders to other places.
    pub(crate) fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// In which turn so many senders are asked: the one that answered last first.
    pub(crate) fn turns(&self, senders: usize) -> impl Iterator<Item = usize> + use<> {
        let first = self.good.load(Ordering::Relaxed);
        (0..senders).map(move |i| (first + i) % senders)
    }

    pub(crate) fn remember(&self, place: usize) {
        self.good.store(place, Ordering::Relaxed);
    }
}

fn senders(addresses: &[Address], options: &SenderOptions, dialer: &Dialer) -> Result<Arc<[Sender]>, ConnectError> {
    addresses.iter().map(|address| dialer.sender(address.clone(), options)).collect()
}
