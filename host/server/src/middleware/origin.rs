//! Where a request comes from. Without authentication the loopback address is the only wall, and a browser on this
//! machine stands inside it: any web page may send requests to 127.0.0.1. Two layers close that door.
//! *DNS rebinding*: a page of `evil.example`, whose name now resolves to 127.0.0.1, would be of our own origin to the
//! browser; but its requests name `evil.example` as their host, so only loopback names are taken.
//! *Cross-site requests*: a page may send a form, or a `fetch` whose answer it cannot read, to another site; browsers
//! name the page's origin then, so a request that could change something and comes from another origin is refused.
//! A program that is no browser may leave both headers out; neither attack can.

use http::{HeaderMap, HeaderValue, Method, Uri, header, uri::Authority};

use crate::problem::Problem;

/// Whether a request may come from where it comes from.
pub(crate) fn judge(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().map(authority).transpose()?;
    if hosts.next().is_some() {
        return Err(Problem::forbidden("the request names more than one host"));
    }
    for named in [host.as_ref(), uri.authority()].into_iter().flatten() {
        if !is_loopback(named) {
            return Err(Problem::forbidden(format!(
                "the request is for the host `{named}`, and without authentication Jackfield answers only to `localhost` \
                 and loopback addresses, so that no web page can reach it under a name of its own; \
                 use http://127.0.0.1 or http://localhost"
            )));
        }
    }
    // Browsers say of every request whether another site's page made it, also of those without an `Origin`: a read
    // changes nothing, but it has a cost, and it is the plugin's word that it only reads.
    if headers.get_all("sec-fetch-site").iter().any(|site| site == "cross-site") {
        return Err(Problem::forbidden(
            "the request comes from the web page of another site, which may not use Jackfield; send it from a program, or \
             from a page that Jackfield serves",
        ));
    }
    if method.is_safe() {
        return Ok(());
    }
    let ours = host.as_ref().or(uri.authority());
    for origin in headers.get_all(header::ORIGIN) {
        if !is_same(origin, ours) {
            return Err(Problem::forbidden(format!(
                "the request comes from the web page of another site (`Origin: {}`), which may not change anything here; \
                 send it from a program, or from a page that Jackfield serves",
                String::from_utf8_lossy(origin.as_bytes())
            )));
        }
    }
    Ok(())
}

fn authority(value: &HeaderValue) -> Result<Authority, Problem> {
    Authority::try_from(value.as_bytes())
        .ok()
        .filter(|authority| !authority.as_str().contains('@'))
        .ok_or_else(|| Problem::invalid("the header `Host` is not a host name with an optional port"))
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

fn is_same(origin: &HeaderValue, ours: Option<&Authority>) -> bool {
    let Ok(origin) = Uri::try_from(origin.as_bytes()) else { return false };
    match (origin.scheme_str(), origin.authority(), ours) {
        // Jackfield speaks plain HTTP, so a page of its own has no other scheme; and what has none is no origin.
        (Some("http"), Some(theirs), Some(ours)) => {
            let port = |authority: &Authority| authority.port_u16().unwrap_or(80);
            theirs.host().eq_ignore_ascii_case(ours.host()) && port(theirs) == port(ours)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(method: Method, uri: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
        judge(&method, &uri.parse().unwrap(), &headers).is_ok()
    }

    #[test]
    fn loopback_names_and_addresses_are_answered() {
        for host in ["localhost", "LOCALHOST:7575", "127.0.0.1:7575", "127.8.9.1", "[::1]:7575", "[::ffff:127.0.0.1]"] {
            assert!(allowed(Method::GET, "/", &[("host", host)]), "{host}");
        }
    }

    #[test]
    fn any_other_host_is_refused_however_it_is_spelt() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.168.1.5:7575",
            "[::]",
            "0.0.0.0",
            "evil@127.0.0.1",
            "127.0.0.1@evil",
            "localhost.",
            "2130706433",
            "0x7f.1",
            "",
            "a b",
        ] {
            assert!(!allowed(Method::GET, "/", &[("host", host)]), "{host}");
        }
        assert!(!allowed(Method::GET, "http://evil.example/", &[("host", "localhost")]));
    }

    #[test]
    fn a_request_that_names_two_hosts_is_refused() {
        let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("localhost"))]);
        headers.append(header::HOST, HeaderValue::from_static("localhost"));
        assert!(judge(&Method::GET, &Uri::from_static("/"), &headers).is_err());
    }

    #[test]
    fn a_request_of_a_program_without_host_or_origin_is_answered() {
        assert!(allowed(Method::POST, "/", &[]));
        assert!(allowed(Method::DELETE, "/", &[("host", "localhost:7575")]));
    }

    #[test]
    fn a_page_of_another_origin_may_not_change_anything() {
        let at = |origin| allowed(Method::POST, "/", &[("host", "localhost:7575"), ("origin", origin)]);
        for origin in
            ["https://evil.example", "null", "http://localhost:3000", "http://127.0.0.1:7575", "localhost:7575", ""]
        {
            assert!(!at(origin), "{origin}");
        }
        assert!(at("http://localhost:7575"));
        assert!(!allowed(Method::DELETE, "/", &[("origin", "http://localhost")]));
    }

    #[test]
    fn a_page_that_a_browser_calls_cross_site_may_not_even_ask() {
        let from = |site| allowed(Method::GET, "/", &[("host", "localhost:7575"), ("sec-fetch-site", site)]);
        assert!(!from("cross-site"));
        assert!(from("none") && from("same-origin"));
    }

    #[test]
    fn a_page_of_another_origin_may_ask_since_it_cannot_read_the_answer() {
        assert!(allowed(Method::GET, "/", &[("host", "localhost:7575"), ("origin", "https://evil.example")]));
    }
}
