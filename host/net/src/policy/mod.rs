//! Which addresses may be dialled. A plugin must not become a way into the machine's own network, and the name in a
//! configuration proves nothing about where it leads: so the decision is made on the address that is about to be
//! dialled, after DNS, in whatever spelling it arrives. Public addresses may be dialled; any other only where the
//! operator allowed its range, or wrote exactly that address into the endpoint. This module decides; it does no I/O.

mod class;
#[cfg(test)]
mod tests;

use std::{fmt, net::IpAddr};

use ipnet::{IpNet, Ipv4Net};

use crate::{Address, address::OwnGrant};
pub use class::{AddressClass, Classified, classify};

/// What one endpoint may dial.
#[derive(Clone, Debug)]
pub struct AddressPolicy {
    allowed: Vec<IpNet>,
    own: OwnGrant,
}

/// Why an address may not be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The address as it was found.
    pub found: IpAddr,
    /// The address it was judged as: the IPv4 address inside an IPv6 spelling of one.
    pub judged: IpAddr,
    /// What kind of address that is.
    pub class: AddressClass,
}

impl AddressPolicy {
    /// Public addresses and these ranges.
    pub fn new(allowed: impl IntoIterator<Item = IpNet>) -> Self {
        Self { allowed: allowed.into_iter().map(plain).collect(), own: OwnGrant::None }
    }

    /// Public addresses, these ranges, and what the endpoint's own address grants: an IP address written plainly, or
    /// `localhost`. A link-local address, where instance metadata is served, is never its own grant.
    pub fn for_address(address: &Address, allowed: impl IntoIterator<Item = IpNet>) -> Self {
        Self { own: address.own_grant(), ..Self::new(allowed) }
    }

    /// Judges one address.
    pub fn judge(&self, found: IpAddr) -> Result<(), Refusal> {
        let Classified { judged, class } = classify(found);
        let own = match self.own {
            OwnGrant::None => false,
            OwnGrant::Address(own) => own == found && class.may_be_its_own_grant(),
            OwnGrant::Localhost => class == AddressClass::Loopback,
        };
        if class == AddressClass::Public || own || self.allowed.iter().any(|net| net.contains(&judged)) {
            return Ok(());
        }
        Err(Refusal { found, judged, class })
    }
}

impl Refusal {
    /// The narrowest range that would allow it, e.g. `10.0.0.7/32`.
    pub fn narrowest_range(&self) -> IpNet {
        IpNet::from(self.judged)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.found)?;
        if self.judged != self.found {
            write!(f, " (that is {})", self.judged)?;
        }
        write!(f, " is {}", self.class)
    }
}

/// A range of IPv4-mapped addresses means the IPv4 range, because that is what such addresses are judged as.
fn plain(net: IpNet) -> IpNet {
    match net {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.addr().to_ipv4_mapped() {
            Some(v4) => Ipv4Net::new(v4, v6.prefix_len() - 96).map_or(net, IpNet::V4),
            None => net,
        },
        _ => net,
    }
}
