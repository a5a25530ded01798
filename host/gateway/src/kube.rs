//! Kubeconfigs at endpoints: the connection that one asks for, and what goes with each request. One is bound where its cluster
//! is and nowhere else: it says itself whom it is for, and what another server was sent would open this cluster. Read once a
//! version, and let go of with the next.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use jackfield_net::Address;
use jackfield_vault::{
    Lease, Stamp,
    kubeconfig::{Impersonation, KubeLogin, Kubeconfig, KubeconfigError},
};
use zeroize::Zeroizing;

use crate::authority::{Connection, basic};

/// The one that was read last, and for which lease.
#[derive(Debug, Default)]
pub(crate) struct Kept(ArcSwapOption<(Stamp, Arc<Kubeconfig>)>);

impl Kept {
    /// The one that a lease holds.
    pub(crate) fn get(&self, lease: &Lease) -> Result<Arc<Kubeconfig>, KubeconfigError> {
        if let Some((stamp, read)) = self.0.load().as_deref()
            && *stamp == lease.stamp()
        {
            return Ok(read.clone());
        }
        let read = Arc::new(Kubeconfig::of(&lease.material)?);
        self.0.store(Some(Arc::new((lease.stamp(), read.clone()))));
        Ok(read)
    }
}

/// Whether one may be used at these addresses; if not, why.
pub(crate) fn fits(kubeconfig: &Kubeconfig, addresses: &[Address]) -> Result<(), String> {
    match addresses.iter().find(|address| !kubeconfig.covers(address)) {
        None => Ok(()),
        Some(other) => Err(format!(
            "it is for {server}, and the endpoint's address is {other}; set the address to {server}, or bind a credential for \
             that place",
            server = kubeconfig.server
        )),
    }
}

/// What connections are made with.
pub(crate) fn connection(kubeconfig: &Kubeconfig) -> Connection {
    Connection {
        identity: kubeconfig.identity(),
        ca_pem: kubeconfig.ca_pem.clone(),
        server_name: kubeconfig.tls_server_name.clone(),
    }
}

/// Puts in a request what one authenticates it with; false where a header cannot carry it.
pub(crate) fn sign(kubeconfig: &Kubeconfig, headers: &mut HeaderMap) -> bool {
    let value = match &kubeconfig.login {
        None => None,
        Some(KubeLogin::Token(token)) => Some(Zeroizing::new(format!("Bearer {}", token.as_str()))),
        Some(KubeLogin::Basic { username, password }) => {
            Some(Zeroizing::new(format!("Basic {}", *basic(username, password))))
        }
    };
    if let Some(value) = value {
        let Ok(mut value) = HeaderValue::from_str(&value) else { return false };
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    kubeconfig.acts_as.as_ref().is_none_or(|other| impersonate(other, headers))
}

/// Says as whom the user acts. The guest sets none of these: the whole family of headers is the host's.
fn impersonate(other: &Impersonation, headers: &mut HeaderMap) -> bool {
    let one = |name: &str, value: &str| ("impersonate-".to_owned() + name, value.to_owned());
    let groups = other.groups.iter().map(|group| one("group", group));
    let extra = other.extra.iter().flat_map(|(key, values)| {
        let name = format!("extra-{}", escaped(key));
        values.iter().map(move |value| one(&name, value)).collect::<Vec<_>>()
    });
    let all = [one("user", &other.user)].into_iter().chain(other.uid.iter().map(|uid| one("uid", uid)));
    for (name, value) in all.chain(groups).chain(extra) {
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) else {
            return false;
        };
        headers.append(name, value);
    }
    true
}

/// A key as a part of a header's name: Kubernetes takes percent escapes for what such a name cannot hold.
fn escaped(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    key.bytes().map(one).collect()
}

/// What is secret in one: each part, and what that becomes on the way or was in the text. The lines of the text itself are not
/// looked for, since most of them are in every kubeconfig.
pub(crate) fn secrets(kubeconfig: &Kubeconfig) -> Vec<Zeroizing<String>> {
    let mut secrets: Vec<_> = kubeconfig.secrets().map(|secret| Zeroizing::new(secret.to_owned())).collect();
    if let Some(certificate) = &kubeconfig.certificate {
        secrets.push(Zeroizing::new(BASE64.encode(certificate.key.as_bytes())));
    }
    if let Some(KubeLogin::Basic { username, password }) = &kubeconfig.login {
        secrets.push(basic(username, password));
    }
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_whom_one_acts_is_said_as_kubernetes_reads_it() {
        let other = Impersonation {
            user: "jane@example.com".into(),
            uid: Some("42".into()),
            groups: vec!["dev".into(), "system:authenticated".into()],
            extra: vec![("acme.com/Reason".into(), vec!["a b".into(), "c".into()])],
        };
        let mut headers = HeaderMap::new();
        assert!(impersonate(&other, &mut headers));
        let all = |name: &str| headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!((all("impersonate-user"), all("impersonate-uid")), (vec!["jane@example.com"], vec!["42"]));
        assert_eq!(all("impersonate-group"), ["dev", "system:authenticated"]);
        assert_eq!(all("impersonate-extra-acme.com%2freason"), ["a b", "c"]);
    }
}
