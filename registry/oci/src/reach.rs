//! Where a registry may lead. The operator named the registry, so it may be anywhere; a place that only the registry
//! named may not. Otherwise a public registry could send this host to the machine's own network, or to the service that
//! hands out the machine's credentials. So a redirect, an upload's location and a token's realm on another host must be
//! at public addresses, unless the registry itself is in a private network, whose storage commonly is there, too. And
//! nothing that began with TLS goes on without. This module decides; it does no I/O.

use std::net::{IpAddr, Ipv4Addr};

use jackfield_net::{Address, AddressClass, AddressPolicy, Host, IpNet, Refusal};
use url::{Position, Url};

use crate::error::shown;

/// The longest URL that is followed, in bytes; signed ones of storage services have about 2,000.
const MAX_URL: usize = 8 << 10;
/// RFC 1918 and RFC 4193. Shared and link-local ranges are left out: clouds serve their credentials there.
const PRIVATE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1/128"];

/// A place that is not gone to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotFollowed {
    /// Scheme and host, or what it is instead.
    pub(crate) to: String,
    /// Why not.
    pub(crate) reason: String,
}

/// Where a `location` leads from a URL.
pub(crate) fn follow(from: &Url, location: &str) -> Result<Url, NotFollowed> {
    let fail = |to: &str, reason: &str| NotFollowed { to: to.to_owned(), reason: reason.to_owned() };
    if location.len() > MAX_URL {
        return Err(fail("a URL", "it is too long"));
    }
    let mut url = from.join(location).map_err(|_| fail("what is no URL", "the registry is set up wrongly"))?;
    url.set_fragment(None);
    check(&url, from.scheme() == "http")?;
    Ok(url)
}

/// Whether a URL is one that requests are sent to at all.
pub(crate) fn check(url: &Url, plain_is_fine: bool) -> Result<(), NotFollowed> {
    let fail = |reason: &str| NotFollowed { to: origin(url), reason: reason.to_owned() };
    match url.scheme() {
        "https" => {}
        "http" if plain_is_fine => {}
        "http" => {
            return Err(fail(
                "it would leave TLS; set up the registry to answer with https:// (behind a proxy: X-Forwarded-Proto, \
                 or relative URLs)",
            ));
        }
        _ => return Err(fail("only https:// is followed")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fail("it holds a user name or password"));
    }
    Ok(())
}

/// Scheme and host, for people.
pub(crate) fn origin(url: &Url) -> String {
    shown(&format!("{}://{}", url.scheme(), &url[Position::BeforeHost..Position::AfterPort]))
}

/// The address that a URL is asked at.
pub(crate) fn address(url: &Url) -> Result<Address, NotFollowed> {
    let text = format!("{}://{}", url.scheme(), &url[Position::BeforeHost..Position::AfterPort]);
    Address::parse(&text).map_err(|error| NotFollowed { to: origin(url), reason: error.to_string() })
}

/// The ranges that a registry with addresses of these kinds may lead to, besides public ones.
pub(crate) fn grants(registry: &[AddressClass]) -> Vec<IpNet> {
    use AddressClass::{Loopback, Private};
    // One public address among them, and a stranger may have a say in what is at the name.
    let is_local = !registry.is_empty() && registry.iter().all(|class| matches!(class, Private | Loopback));
    let is_loopback = is_local && registry.iter().all(|class| *class == Loopback);
    let private = PRIVATE.iter().filter(|_| is_local);
    private.chain(LOOPBACK.iter().filter(|_| is_loopback)).filter_map(|range| range.parse().ok()).collect()
}

/// Judges a host that is an address, or `localhost`. To a sender, such an address grants itself by having been written,
/// since an operator wrote it; here a registry did.
pub(crate) fn judge(address: &Address, granted: &[IpNet]) -> Result<(), Refusal> {
    let found = match address.host() {
        Some(Host::Ip(ip)) => *ip,
        Some(Host::Name(name)) if name == "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        // By what it resolves to, when it is dialled.
        Some(Host::Name(_)) | None => return Ok(()),
    };
    AddressPolicy::new(granted.iter().copied()).judge(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_location_may_be_relative_or_elsewhere() {
        let from = url("https://a.b/v2/c/blobs/d?e");
        for (location, expected) in [
            ("/v2/x?y=z#f", "https://a.b/v2/x?y=z"),
            ("x", "https://a.b/v2/c/blobs/x"),
            ("//c.d/x", "https://c.d/x"),
            ("https://c.d:444/x?sig=%2F", "https://c.d:444/x?sig=%2F"),
        ] {
            assert_eq!(follow(&from, location).unwrap().as_str(), expected);
        }
        assert!(follow(&url("http://a.b/"), "http://c.d/").is_ok(), "there is no TLS to leave");
        assert!(follow(&url("http://a.b/"), "https://c.d/").is_ok());
    }

    #[test]
    fn what_leaves_tls_or_holds_credentials_is_not_followed() {
        let from = url("https://a.b/v2/");
        for location in
            ["http://a.b/", "http://c.d/", "ftp://c.d/", "file:///etc/passwd", "https://u:p@c.d/", "https://"]
        {
            let refused = follow(&from, location).unwrap_err();
            assert!(!refused.to.contains("u:p"), "{refused:?}");
        }
        assert!(follow(&from, &"x".repeat(9000)).is_err());
    }

    #[test]
    fn only_a_registry_in_a_private_network_leads_into_one() {
        use AddressClass::*;
        let private = |ip: &str| Address::parse(&format!("https://{ip}")).unwrap();
        for (own, to, fine) in [
            (&[Public][..], "1.1.1.1", true),
            (&[Public], "10.0.0.1", false),
            (&[Public], "127.0.0.1", false),
            (&[Public], "localhost", false),
            (&[Public], "[::ffff:10.0.0.1]", false),
            (&[Public], "169.254.169.254", false),
            (&[], "10.0.0.1", false),
            (&[Private, Public], "10.0.0.1", false),
            (&[Private], "10.0.0.1", true),
            (&[Private], "[fd00::1]", true),
            (&[Private], "127.0.0.1", false),
            (&[Private], "169.254.169.254", false),
            (&[Private], "100.100.100.200", false),
            (&[LinkLocal], "169.254.169.254", false),
            (&[Loopback], "127.0.0.1", true),
            (&[Loopback, Loopback], "localhost", true),
            (&[Loopback], "10.0.0.1", true),
            (&[Loopback], "169.254.169.254", false),
        ] {
            assert_eq!(judge(&private(to), &grants(own)).is_ok(), fine, "{own:?} to {to}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_followed_stays_on_tls_and_has_an_address_without_credentials(location in "(https?:)?[a-z:/@.?#\\[\\]0-9%\\\\ ]{0,30}") {
            if let Ok(url) = follow(&url("https://a.b/v2/"), &location) {
                assert_eq!((url.scheme(), url.username(), url.password(), url.fragment()), ("https", "", None, None));
                if let Ok(address) = address(&url) {
                    assert!(address.is_tls());
                }
            }
        }
    }
}
