//! What kind of address an address is, from the special-purpose registries of IANA (RFC 6890 and its successors).
//! Unknown means refused: of IPv6 only 2000::/3 is global unicast, whatever else a registry may hold one day.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// The kinds of address that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// Globally reachable unicast: the only kind that needs no grant.
    Public,
    /// This machine: 127.0.0.0/8, ::1.
    Loopback,
    /// A private network: RFC 1918, fc00::/7, fec0::/10.
    Private,
    /// The carrier's shared space, 100.64.0.0/10, which clouds use inside.
    Shared,
    /// Link-local: 169.254.0.0/16, fe80::/10. Instance metadata lives here.
    LinkLocal,
    /// A known instance-metadata service outside of the link-local ranges.
    Metadata,
    /// No address at all: 0.0.0.0, ::. Most systems take it for loopback.
    Unspecified,
    /// "This network", 0.0.0.0/8.
    ThisNetwork,
    /// Multicast: 224.0.0.0/4, ff00::/8.
    Multicast,
    /// 255.255.255.255.
    Broadcast,
    /// For examples in documents.
    Documentation,
    /// For benchmarks of network devices: 198.18.0.0/15, 2001:2::/48.
    Benchmarking,
    /// An IPv6 address that leads through a translator or tunnel to a place the address does not tell: 6to4,
    /// Teredo, ISATAP, and NAT64 with a prefix of local use.
    Tunnel,
    /// Reserved, or not known to be global.
    Reserved,
}

/// An address as it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classified {
    /// The address that counts: the embedded IPv4 address, where there is one, else the address itself.
    pub judged: IpAddr,
    /// Its kind.
    pub class: AddressClass,
}

impl AddressClass {
    /// Whether writing such an address plainly into an endpoint is grant enough. Not where the address cannot be one
    /// server's, and not where a cloud hands out the machine's credentials to whoever asks.
    pub(crate) fn may_be_its_own_grant(self) -> bool {
        use AddressClass::*;
        matches!(self, Public | Loopback | Private | Shared | Documentation | Benchmarking)
    }
}

/// Tells what kind of address it is. An IPv6 spelling of an IPv4 address is judged as the IPv4 address.
pub fn classify(found: IpAddr) -> Classified {
    match found {
        IpAddr::V4(v4) => Classified { judged: found, class: classify_v4(v4) },
        IpAddr::V6(v6) => classify_v6(v6),
    }
}

fn classify_v4(ip: Ipv4Addr) -> AddressClass {
    use AddressClass::*;
    match ip.octets() {
        [0, 0, 0, 0] => Unspecified,
        [0, ..] => ThisNetwork,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Private,
        // Alibaba, Oracle and Azure serve instance metadata outside of 169.254.0.0/16; the last one looks public.
        [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => Metadata,
        [100, 64..=127, ..] => Shared,
        [127, ..] => Loopback,
        [169, 254, ..] => LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Documentation,
        // Protocol assignments, and the anycast relays of 6to4.
        [192, 0, 0, _] | [192, 88, 99, _] => Reserved,
        [198, 18..=19, ..] => Benchmarking,
        [224..=239, ..] => Multicast,
        [255, 255, 255, 255] => Broadcast,
        [240..=255, ..] => Reserved,
        _ => Public,
    }
}

fn classify_v6(ip: Ipv6Addr) -> Classified {
    use AddressClass::*;
    let as_itself = |class| Classified { judged: IpAddr::V6(ip), class };
    let segments = ip.segments();
    let last_32 = Ipv4Addr::from_bits(ip.to_bits() as u32);
    let as_v4 = || Classified { judged: last_32.into(), class: classify_v4(last_32) };
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => as_itself(Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => as_itself(Loopback),
        // IPv4-mapped; and NAT64's well-known prefix, which is how an IPv6-only network reaches IPv4 at all.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => as_v4(),
        // IPv4-compatible and IPv4-translated: given up long ago, so even a public one is nothing to dial.
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => match as_v4() {
            Classified { judged, class: Public } => Classified { judged, class: Reserved },
            other => other,
        },
        // Where the IPv4 address sits is the network's own choice, so it cannot be judged.
        [0x64, 0xff9b, 1, ..] => as_itself(Tunnel),
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254 | 0x23] | [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254] => as_itself(Metadata),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => as_itself(Private),
        [0xfe80..=0xfebf, ..] => as_itself(LinkLocal),
        [0xff00..=0xffff, ..] => as_itself(Multicast),
        [0x2002, ..] | [0x2001, 0, ..] => as_itself(Tunnel),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => as_itself(Documentation),
        [0x2001, 2, 0, ..] => as_itself(Benchmarking),
        [0x2001, 0..=0x1ff, ..] => as_itself(Reserved),
        // ISATAP: any prefix, then 0000:5efe or 0200:5efe, then the IPv4 address.
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => as_itself(Tunnel),
        [0x2000..=0x3fff, ..] => as_itself(Public),
        _ => as_itself(Reserved),
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "a public address",
            Self::Loopback => "a loopback address, that is this machine",
            Self::Private => "a private address",
            Self::Shared => "an address of the carrier's shared space (100.64.0.0/10)",
            Self::LinkLocal => "a link-local address, where instance metadata is served",
            Self::Metadata => "the address of an instance-metadata service",
            Self::Unspecified => "the unspecified address",
            Self::ThisNetwork => "an address of \"this network\" (0.0.0.0/8)",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Documentation => "an address for documentation",
            Self::Benchmarking => "an address for benchmarks",
            Self::Tunnel => "an address of a tunnel or translator (6to4, Teredo, ISATAP, local NAT64)",
            Self::Reserved => "a reserved address",
        })
    }
}
