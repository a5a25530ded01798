//! Addresses of endpoints. What is accepted means one thing only: written out it reads back as itself, the URL standard
//! and HTTP see the same host, port and path in it, and nothing in it could end a header or leave the base path.

use jackfield_gateway::net::{Address, Host};
use url::Url;

/// Checks an address.
pub fn check(input: &[u8]) {
    let Some(text) = crate::text(input) else { return };
    let address = match Address::parse(text) {
        Ok(address) => address,
        // Whatever is wrong, the commonest mistake is a password, so the words are ours alone.
        Err(error) => return assert!(error.to_string().len() < 300, "an error as long as a text of the operator's"),
    };
    let written = address.to_string();
    let again = Address::parse(&written).expect("what is written out can be read");
    assert_eq!(again.to_string(), written);
    assert_eq!((again.host(), again.port(), again.socket()), (address.host(), address.port(), address.socket()));
    assert!(!written.contains(|c: char| c.is_whitespace() || c.is_control()), "{written:?}");
    let Some(host) = address.host() else { return };

    let url = Url::parse(&written).expect("it is a URL");
    let same = match (url.host(), host) {
        (Some(url::Host::Ipv4(theirs)), Host::Ip(ours)) => *ours == theirs,
        (Some(url::Host::Ipv6(theirs)), Host::Ip(ours)) => *ours == theirs,
        (Some(url::Host::Domain(theirs)), Host::Name(ours)) => theirs == ours,
        _ => false,
    };
    assert!(same, "{written}: another host for the URL standard");
    assert_eq!(url.port_or_known_default(), address.port(), "{written}");
    assert_eq!(url.path().trim_end_matches('/'), address.base_path(), "{written}");
    assert!(url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none());

    let uri: http::Uri = written.parse().expect("it is a URI of HTTP");
    assert_eq!(uri.authority().map(|a| a.as_str().to_owned()), Some(address.authority()), "{written}");
}
