//! The way out of a site that has only one: a proxy, and the hosts that are asked directly all the same. Both are written
//! as the usual environment variables have them; whether those count is for the program to say, and no library reads
//! them. Registries without TLS are always asked directly.

use std::net::IpAddr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;
use jackfield_net::{Address, Host, IpNet};
use url::{Position, Url};
use zeroize::Zeroizing;

use crate::OciError;

/// A proxy for registries with TLS, and the hosts that are asked without it.
#[derive(Clone, Debug)]
pub struct Proxy {
    through: jackfield_net::Proxy,
    except: Vec<Except>,
}

#[derive(Clone, Debug)]
enum Except {
    Everything,
    Network(IpNet),
    /// A name and those below it, with a port if one was written.
    Name(String, Option<u16>),
}

impl Proxy {
    /// A proxy as `http://[user:password@]host:port`, and hosts that are asked without it, separated by commas:
    /// `registry.example`, `.internal`, `10.0.0.0/8`, `*`. A name means those below it, too.
    pub fn new(url: &str, except: &str) -> Result<Self, OciError> {
        // What was written may hold a password, so it is not repeated.
        let fail = |reason: String| OciError::Options { option: "proxy", reason };
        let text =
            if url.contains("://") { Zeroizing::new(url.to_owned()) } else { Zeroizing::new(format!("http://{url}")) };
        let url = Url::parse(&text).map_err(|_| fail("it is no URL; write http://host:port".into()))?;
        let address = format!("{}://{}", url.scheme(), &url[Position::BeforeHost..Position::AfterPort]);
        let address = Address::parse(&address).map_err(|error| fail(error.to_string()))?;
        let authorization = authorization(&url).ok_or_else(|| fail("its user name or password is not text".into()))?;
        let through = jackfield_net::Proxy::new(address, authorization).map_err(|error| fail(error.to_string()))?;
        Ok(Self { through, except: except.split(',').filter_map(Except::parse).collect() })
    }

    /// The proxy, if it is for an address.
    pub fn to(&self, address: &Address) -> Option<&jackfield_net::Proxy> {
        let excepted = !address.is_tls() || self.except.iter().any(|except| except.covers(address));
        (!excepted).then_some(&self.through)
    }
}

/// What a proxy is told, where its URL has a user; none where that cannot be said.
fn authorization(url: &Url) -> Option<Option<HeaderValue>> {
    if url.username().is_empty() && url.password().is_none() {
        return Some(None);
    }
    let user = unescaped(url.username())?;
    let password = unescaped(url.password().unwrap_or_default())?;
    let plain = Zeroizing::new([user.as_slice(), b":", password.as_slice()].concat());
    let encoded = Zeroizing::new(STANDARD.encode(&plain));
    HeaderValue::from_str(&Zeroizing::new(format!("Basic {}", encoded.as_str()))).ok().map(Some)
}

fn unescaped(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes().iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => *other,
        });
    }
    Some(bytes)
}

impl Except {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if text.is_empty() {
            return None;
        }
        if text == "*" {
            return Some(Self::Everything);
        }
        let ip = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        if let Some(network) = text.parse().ok().or(ip.map(IpNet::from)) {
            return Some(Self::Network(network));
        }
        let (name, port) = match text.rsplit_once(':').map(|(name, port)| (name, port.parse())) {
            Some((name, Ok(port))) => (name, Some(port)),
            _ => (text.as_str(), None),
        };
        let name = name.strip_prefix('*').unwrap_or(name);
        Some(Self::Name(name.trim_matches('.').to_owned(), port))
    }

    fn covers(&self, address: &Address) -> bool {
        match (self, address.host()) {
            (Self::Everything, _) | (_, None) => true,
            (Self::Network(network), Some(Host::Ip(ip))) => network.contains(&ip.to_canonical()),
            (Self::Name(name, port), Some(host)) => {
                let host = host.to_string();
                let below = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                below && port.is_none_or(|port| Some(port) == address.port())
            }
            (Self::Network(_), Some(Host::Name(_))) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_excepted_by_name_network_and_port() {
        let proxy = Proxy::new("http://proxy:3128", "a.b, .c.d,*.e.f,10.0.0.0/8 ,1.2.3.4,[::1],g.h:5000,,").unwrap();
        for (address, proxied) in [
            ("https://a.b", false),
            ("https://x.a.b:444", false),
            ("https://xa.b", true),
            ("https://c.d", false),
            ("https://x.e.f", false),
            ("https://10.1.2.3", false),
            ("https://11.1.2.3", true),
            ("https://1.2.3.4", false),
            ("https://[::1]", false),
            ("https://g.h:5000", false),
            ("https://g.h", true),
            ("http://elsewhere", false),
            ("https://elsewhere", true),
        ] {
            assert_eq!(proxy.to(&Address::parse(address).unwrap()).is_some(), proxied, "{address}");
        }
        let none = Proxy::new("proxy:3128", "*").unwrap();
        assert!(none.to(&Address::parse("https://elsewhere").unwrap()).is_none());
    }

    #[test]
    fn a_proxys_password_is_unescaped_and_never_shown() {
        let url = Url::parse("http://us%40er:hun%3Ater2@proxy:3128").unwrap();
        // us@er:hun:ter2
        assert_eq!(authorization(&url).unwrap().unwrap(), "Basic dXNAZXI6aHVuOnRlcjI=");
        let proxy = Proxy::new(url.as_str(), "").unwrap();
        assert!(!format!("{proxy:?}").contains("hun"), "{proxy:?}");
        for text in [
            "https://u:hunter2@proxy",
            "socks5://u:hunter2@proxy",
            "http://u:hunter2@",
            "http://u:hunter2@a b",
            "u:hunter2%zz@p",
            "",
        ] {
            let error = Proxy::new(text, "").unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(url in "\\PC{0,30}", except in "[a-z0-9.:*/,\\[\\] -]{0,30}") {
            if let Ok(proxy) = Proxy::new(&url, &except) {
                proxy.to(&Address::parse("https://a.b").unwrap());
            }
            let _ = Proxy::new("http://p:1", &except).unwrap().to(&Address::parse("https://1.2.3.4").unwrap());
        }
    }
}
