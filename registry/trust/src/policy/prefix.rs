//! The prefixes of rules: each in the one spelling in which places are compared with it. A prefix that no place can have is a rule
//! that never decides, and another one then does that was not meant to.

/// What is wrong with a prefix, and what to write instead.
pub(super) fn check(prefix: &str) -> Result<(), &'static str> {
    match prefix.split_once(':') {
        Some(("oci" | "https" | "http" | "file", "")) => Ok(()),
        Some(("file", "upload" | "folder" | "embedded")) => Ok(()),
        Some(("file", path)) if path.starts_with('/') => folder(path),
        Some(("file", _)) => Err(
            "files are uploaded, wherever they were, or lie in the plugin folder: write `file:`, `file:upload`, `file:folder` or `file:embedded`; of a registry in a folder where the host runs, `file:` and its absolute path",
        ),
        Some((scheme @ ("oci" | "https" | "http"), rest)) => {
            let rest = rest.strip_prefix("//").ok_or("behind the scheme stands `//` and a host")?;
            let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
            self::host(scheme, host)?;
            self::path(scheme, path.strip_suffix('/').unwrap_or(path))
        }
        _ => Err("it begins with `oci:`, `https:`, `http:` or `file:`, as in `oci://ghcr.io/acme/`"),
    }
}

/// A folder of a registry where the host runs, in the one spelling in which it is kept.
fn folder(path: &str) -> Result<(), &'static str> {
    let whole = path.strip_prefix('/').unwrap_or_default();
    let named = whole.strip_suffix('/').unwrap_or(whole).split('/');
    let fits = |name: &str| !name.is_empty() && !matches!(name, "." | "..") && !name.contains(char::is_control);
    match named.into_iter().all(fits) {
        true => Ok(()),
        false => Err("a folder's path has no `.`, no `..` and no empty parts"),
    }
}

fn host(scheme: &str, host: &str) -> Result<(), &'static str> {
    if host.is_empty() {
        return Err("there is no host behind the scheme");
    }
    if host.contains(|c: char| c.is_ascii_uppercase() || c.is_whitespace() || c == '@' || !c.is_ascii()) {
        return Err("a host is in lower case and in ASCII, without a user");
    }
    let plain = if scheme == "http" { ":80" } else { ":443" };
    if host.ends_with(plain) && !is_here(host) {
        return Err("the port that goes without saying is left out");
    }
    if ["registry-1.docker.io", "index.docker.io"].contains(&host) {
        return Err("Docker's registry is written `docker.io`");
    }
    Ok(())
}

/// Whether a host is this machine, whose registries are spoken to without TLS.
fn is_here(host: &str) -> bool {
    host.starts_with("localhost:") || host.starts_with("127.") || host.starts_with("[::1]:")
}

fn path(scheme: &str, path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Ok(());
    }
    let fits = |segment: &str| {
        let web = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(c);
        let repository = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        let dots = matches!(segment.split(';').next(), Some("." | ".."));
        !segment.is_empty()
            && !dots
            && if scheme == "oci" { segment.chars().all(repository) } else { segment.chars().all(web) }
    };
    match (path.split('/').all(fits), scheme) {
        (true, _) => Ok(()),
        (false, "oci") => {
            Err("behind the registry stands the beginning of a repository, in lower case, without a tag or a digest")
        }
        (false, _) => {
            Err("behind the host stands the beginning of a path without `.`, `..`, `%`, a query or empty parts")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_has_one_spelling() {
        for fine in [
            "oci:",
            "https:",
            "file:",
            "file:upload",
            "file:/srv/mirror",
            "file:/srv/mirror/",
            "file:folder",
            "oci://ghcr.io",
            "oci://ghcr.io/acme/",
            "oci://a.b:5000/c/d",
            "https://h/a/B",
            "http://127.0.0.1:8080/x",
            "oci://localhost:443/a",
        ] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        for wrong in [
            "",
            "ghcr.io/acme",
            "oci:ghcr.io",
            "oci://",
            "oci:///a",
            "oci://GHCR.io/acme",
            "oci://ghcr.io:443/acme",
            "oci://ghcr.io/acme/etcd:1.2.0",
            "oci://ghcr.io/acme@sha256:00",
            "oci://ghcr.io/Acme",
            "oci://ghcr.io//acme",
            "oci://registry-1.docker.io/a",
            "oci://u@h/a",
            "https://h/../a",
            "https://h/%61",
            "https://h/a?b",
            "https://h:443/a",
            "http://h:80",
            "file:srv/plugins",
            "file:/",
            "file:/srv//plugins",
            "file:/srv/../plugins",
            "ftp://h",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
