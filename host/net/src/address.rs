//! Where an endpoint is. An address comes from an operator's configuration and is parsed once, into a form in which
//! every later part agrees on host, port and path. Whatever could mean two things is refused here: credentials,
//! queries, fragments, escapes, backslashes. An IP address may be spelled oddly (`0x7f.1`, full-width digits, a
//! trailing dot); it is then taken for what it is, but only a plain spelling counts as the operator's word for it.
//! Errors never repeat the text, since the commonest mistake is a password in it.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
};

use url::Url;

/// Longest address that is accepted, in bytes.
const MAX_ADDRESS: usize = 2048;

/// Longest path of a unix socket on the systems we know, without the closing zero.
const MAX_SOCKET_PATH: usize = 103;

/// An endpoint's address: `http://…`, `https://…` or `unix:///path`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address(Form);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Form {
    Http { tls: bool, host: Host, port: u16, base_path: String, own_grant: OwnGrant },
    Unix(PathBuf),
}

/// The host of an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An IP address.
    Ip(IpAddr),
    /// A name in lower case and ASCII (punycode), without a trailing dot.
    Name(String),
}

/// What an address allows by having been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum OwnGrant {
    None,
    Address(IpAddr),
    Localhost,
}

/// What is wrong with an address, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is longer than any address needs to be.
    #[error("the address is longer than {MAX_ADDRESS} bytes")]
    TooLong,
    /// It has no scheme, or one that is not spoken here.
    #[error("the address must start with http://, https:// or unix:///")]
    Scheme,
    /// It holds a user name or password.
    #[error(
        "the address holds a user name or password; credentials do not belong into addresses, remove everything up to the `@`"
    )]
    Userinfo,
    /// It has a query or a fragment.
    #[error("the address has a `?` or `#`; queries belong to requests, remove it and what follows")]
    QueryOrFragment,
    /// A space, a control character or a backslash.
    #[error("the address holds a space, a control character or a backslash")]
    Character,
    /// The host is not one.
    #[error("the address has no valid host: {0}")]
    Host(String),
    /// The port is not one.
    #[error("the address has no valid port; it is a number from 1 to 65535")]
    Port,
    /// The path could mean more than one thing.
    #[error(
        "the address's path must be plain: no escapes, no empty segments, no `.` or `..`, no characters beyond ASCII"
    )]
    Path,
    /// A unix address that is not an absolute path.
    #[error(
        "a unix address is unix:// and an absolute, plain path of at most {MAX_SOCKET_PATH} bytes, e.g. unix:///run/docker.sock"
    )]
    SocketPath,
}

impl Address {
    /// Parses an address.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_ADDRESS {
            return Err(AddressError::TooLong);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(AddressError::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "unix" => return unix(rest),
            "http" => false,
            "https" => true,
            _ => return Err(AddressError::Scheme),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(AddressError::Userinfo);
        }
        if path.contains(['?', '#']) {
            return Err(AddressError::QueryOrFragment);
        }
        http(tls, authority, path)
    }

    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        matches!(self.0, Form::Http { tls: true, .. })
    }

    /// Whether what is said there never leaves this machine, by what is written: a name other than `localhost` may resolve
    /// to anything.
    pub fn is_loopback(&self) -> bool {
        match &self.0 {
            Form::Http { host: Host::Ip(ip), .. } => ip.to_canonical().is_loopback(),
            Form::Http { host: Host::Name(name), .. } => name == "localhost",
            Form::Unix(_) => true,
        }
    }

    /// The host; none for a unix socket.
    pub fn host(&self) -> Option<&Host> {
        match &self.0 {
            Form::Http { host, .. } => Some(host),
            Form::Unix(_) => None,
        }
    }

    /// The port; none for a unix socket.
    pub fn port(&self) -> Option<u16> {
        match &self.0 {
            Form::Http { port, .. } => Some(*port),
            Form::Unix(_) => None,
        }
    }

    /// The socket's path; none for anything else.
    pub fn socket(&self) -> Option<&Path> {
        match &self.0 {
            Form::Http { .. } => None,
            Form::Unix(path) => Some(path),
        }
    }

    /// The path every request's path is put behind: empty, or starting but not ending with `/`.
    pub fn base_path(&self) -> &str {
        match &self.0 {
            Form::Http { base_path, .. } => base_path,
            Form::Unix(_) => "",
        }
    }

    /// Host and port as the `host` header has them. A unix socket is called `localhost`.
    pub fn authority(&self) -> String {
        match &self.0 {
            Form::Http { tls, host, port, .. } if *port == default_port(*tls) => host.to_string(),
            Form::Http { host, port, .. } => format!("{host}:{port}"),
            Form::Unix(_) => "localhost".to_owned(),
        }
    }

    pub(crate) fn own_grant(&self) -> OwnGrant {
        match &self.0 {
            Form::Http { own_grant, .. } => *own_grant,
            Form::Unix(_) => OwnGrant::None,
        }
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

fn unix(path: &str) -> Result<Address, AddressError> {
    let plain = path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|s| !matches!(s, "" | "." | "..")));
    if !plain || path.len() > MAX_SOCKET_PATH || path.contains(['?', '#']) {
        return Err(AddressError::SocketPath);
    }
    Ok(Address(Form::Unix(PathBuf::from(path))))
}

fn http(tls: bool, authority: &str, path: &str) -> Result<Address, AddressError> {
    let invalid = |reason: &str| AddressError::Host(reason.to_owned());
    if authority.contains('%') {
        return Err(invalid("it holds an escape (`%`)"));
    }
    // The URL standard's parser knows all spellings of an IPv4 address and the mapping of international names.
    let url = Url::parse(&format!("http://{authority}/")).map_err(|error| match error {
        url::ParseError::InvalidPort => AddressError::Port,
        other => invalid(&other.to_string()),
    })?;
    let (raw_host, raw_port) = split_port(authority);
    let port = match raw_port {
        None => default_port(tls),
        Some(digits) => digits.parse().ok().filter(|port| *port != 0).ok_or(AddressError::Port)?,
    };
    let (host, own_grant) = match url.host() {
        Some(url::Host::Ipv4(v4)) => {
            let plain = raw_host.parse::<Ipv4Addr>() == Ok(v4);
            (Host::Ip(v4.into()), if plain { OwnGrant::Address(v4.into()) } else { OwnGrant::None })
        }
        Some(url::Host::Ipv6(v6)) => {
            let plain = crate::classify(v6.into()).judged == IpAddr::V6(v6);
            (Host::Ip(v6.into()), if plain { OwnGrant::Address(v6.into()) } else { OwnGrant::None })
        }
        Some(url::Host::Domain(domain)) => {
            let name = name(domain)?;
            let localhost = raw_host.eq_ignore_ascii_case("localhost");
            (Host::Name(name), if localhost { OwnGrant::Localhost } else { OwnGrant::None })
        }
        None => return Err(invalid("it is empty")),
    };
    let address = Address(Form::Http { tls, host, port, base_path: base_path(path)?, own_grant });
    // Some spellings are shorter than what they are written out as, which must be readable, too.
    if address.to_string().len() > MAX_ADDRESS { Err(AddressError::TooLong) } else { Ok(address) }
}

/// Host and port as they were written; an IPv6 address keeps its brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let after_host = authority.rfind(']').map_or(0, |at| at + 1);
    match authority[after_host..].find(':') {
        Some(colon) => (&authority[..after_host + colon], Some(&authority[after_host + colon + 1..])),
        None => (authority, None),
    }
}

/// A name that DNS and a certificate can both mean. One trailing dot says the same as none.
fn name(domain: &str) -> Result<String, AddressError> {
    let name = domain.strip_suffix('.').unwrap_or(domain);
    let label_is_fine = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
    };
    if name.len() > 253 || !name.split('.').all(label_is_fine) {
        return Err(AddressError::Host(
            "a name is labels of 1 to 63 letters, digits, `-` and `_`, joined by dots".into(),
        ));
    }
    Ok(name.to_owned())
}

fn base_path(path: &str) -> Result<String, AddressError> {
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&b);
    let segment_is_plain = |segment: &str| {
        !segment.is_empty() && !matches!(segment.split(';').next(), Some("." | "..")) && segment.bytes().all(is_plain)
    };
    match trimmed.strip_prefix('/') {
        None => Ok(String::new()),
        Some(segments) if segments.split('/').all(segment_is_plain) => Ok(trimmed.to_owned()),
        Some(_) => Err(AddressError::Path),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V4(v4)) => v4.fmt(f),
            Self::Ip(IpAddr::V6(v6)) => write!(f, "[{}]", Ipv6Addr::from(v6.octets())),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Http { tls, base_path, .. } => {
                write!(f, "{}://{}{base_path}", if *tls { "https" } else { "http" }, self.authority())
            }
            Form::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Address {
        Address::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn an_address_is_written_out_in_one_form() {
        for (text, canonical) in [
            ("http://prom:9090", "http://prom:9090"),
            ("HTTP://Prom.Example:80/", "http://prom.example"),
            ("https://prom.example.:443/base/path/", "https://prom.example/base/path"),
            ("https://[2606:4700:0::1111]:8443", "https://[2606:4700::1111]:8443"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("http://еxample.com", "http://xn--xample-2of.com"),
            ("http://ｌｏｃａｌｈｏｓｔ:1", "http://localhost:1"),
            ("http://0x7f.1:81", "http://127.0.0.1:81"),
            ("http://my_service:81", "http://my_service:81"),
            ("unix:///run/docker.sock", "unix:///run/docker.sock"),
        ] {
            assert_eq!(parse(text).to_string(), canonical, "{text}");
            assert_eq!(parse(canonical).to_string(), canonical);
        }
    }

    #[test]
    fn only_localhost_written_plainly_grants_loopback() {
        assert_eq!(parse("http://localhost").own_grant(), OwnGrant::Localhost);
        for odd in ["http://ｌｏｃａｌｈｏｓｔ", "http://localhost.", "http://a.localhost", "http://localhost.example"]
        {
            assert_eq!(parse(odd).own_grant(), OwnGrant::None, "{odd}");
        }
    }

    #[test]
    fn what_could_mean_two_things_is_refused_with_its_reason() {
        use AddressError::*;
        for (text, expected) in [
            ("", Scheme),
            ("prom:9090", Scheme),
            ("//prom", Scheme),
            ("http:/prom", Scheme),
            ("ftp://prom", Scheme),
            ("file:///etc/passwd", Scheme),
            ("http://user@prom", Userinfo),
            ("http://user:secret@prom", Userinfo),
            ("http://public.example@127.0.0.1/", Userinfo),
            ("http://prom?x=1", QueryOrFragment),
            ("http://prom/#@evil", QueryOrFragment),
            ("http://prom#@evil", QueryOrFragment),
            ("http://prom\\@evil", Character),
            ("http://prom\t.example", Character),
            ("http://prom\r\nhost: evil", Character),
            (" http://prom", Character),
            ("http://prom:0", Port),
            ("http://prom:65536", Port),
            ("http://prom:", Port),
            ("http://prom/a//b", Path),
            ("http://prom/a/../b", Path),
            ("http://prom/a/..;x/b", Path),
            ("http://prom/%2e%2e", Path),
            ("http://prom/ä", Path),
            ("unix://run/x.sock", SocketPath),
            ("unix:///run/../x.sock", SocketPath),
            ("unix:///", SocketPath),
            ("unix:///x?y", SocketPath),
        ] {
            assert_eq!(Address::parse(text), Err(expected), "{text:?}");
        }
        for text in [
            "http://",
            "http:///path",
            "http://%31%32%37.0.0.1",
            "http://a..b",
            "http://.a",
            "http://a..",
            "http://1.2.3.4.5",
            "http://256.1.1.1",
            "http://[::1",
            "http://[fe80::1%eth0]",
            "http://a,b",
            "http://*.example",
        ] {
            assert!(matches!(Address::parse(text), Err(Host(_))), "{text:?}: {:?}", Address::parse(text));
        }
        assert_eq!(Address::parse(&format!("http://{}", "a".repeat(3000))), Err(TooLong));
        assert_eq!(Address::parse(&format!("http://0x7f.1/{}", "a".repeat(2032))), Err(TooLong), "127.0.0.1 is longer");
        assert!(Address::parse(&format!("http://0x7f.1/{}", "a".repeat(2030))).is_ok());
        assert_eq!(Address::parse(&format!("unix:///{}", "a".repeat(200))), Err(SocketPath));
    }

    #[test]
    fn an_error_never_repeats_what_was_written() {
        for text in
            ["http://user:hunter2@prom", "hunter2", "http://prom?hunter2", "http://[hunter2]", "http://hunter2..x"]
        {
            assert!(!Address::parse(text).unwrap_err().to_string().contains("hunter2"));
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_accepted_reads_back_as_itself(text in "(http|https|unix)://[a-z0-9.:/@%\\[\\]é-]{0,24}") {
            if let Ok(address) = Address::parse(&text) {
                let again = Address::parse(&address.to_string()).unwrap();
                assert_eq!((again.host(), again.port(), again.base_path()), (address.host(), address.port(), address.base_path()));
            }
        }
    }
}
