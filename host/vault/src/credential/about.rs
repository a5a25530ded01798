//! What may be told of what a credential holds: of the types that are for a place, or that end, what an operator would otherwise
//! have to remember.

use std::collections::BTreeMap;

use super::{CredentialKind, Material};
use crate::{certificate, kubeconfig::Kubeconfig};

/// What may be told, by what it is.
pub(crate) fn about(kind: CredentialKind, material: &Material) -> BTreeMap<String, String> {
    let mut about = BTreeMap::new();
    let mut tell = |what: &str, is: String| drop(about.insert(what.to_owned(), is));
    let mut chain = material.text("certificate").map(str::to_owned);
    if kind == CredentialKind::Kubeconfig {
        let Ok(read) = Kubeconfig::of(material) else { return about };
        tell("authentication", read.authentication());
        chain = read.certificate.map(|certificate| certificate.chain.to_string());
        tell("context", read.context);
        tell("server", read.server.to_string());
        tell("user", read.user);
    }
    if let Some(end) = chain.as_deref().and_then(certificate::ends_at) {
        tell("certificate-ends", certificate::day(end));
    }
    about
}
