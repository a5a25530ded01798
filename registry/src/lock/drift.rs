//! In what a plugin that was found is another than the one that is locked.

use std::{collections::BTreeSet, fmt};

use super::{LockedPlugin, LockedSigner};

/// One difference between what is locked and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The member of the lock's entry.
    pub member: &'static str,
    /// What is locked; none where nothing is.
    pub locked: Option<String>,
    /// What was found; none where there is nothing.
    pub found: Option<String>,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |value: &Option<String>| value.as_ref().map_or("nothing".to_owned(), |value| format!("`{value}`"));
        write!(f, "{}: locked {}, found {}", self.member, told(&self.locked), told(&self.found))
    }
}

impl LockedPlugin {
    /// Everything in which a plugin that was found differs from this one, member by member; nothing where it is this one.
    ///
    /// Rights are compared one by one, so that what a version wants besides is seen at a glance. Where it came from is
    /// compared but for what changes nothing: a registry's tag beside a digest, and the path of a file, which is what its
    /// digest says wherever it lies.
    pub fn drift(&self, found: &Self) -> Vec<Drift> {
        let mut drift = Vec::new();
        let mut compare = |member, locked: Option<String>, found: Option<String>| {
            if locked != found {
                drift.push(Drift { member, locked, found });
            }
        };
        compare("name", Some(self.name.clone()), Some(found.name.clone()));
        compare("version", Some(self.version.to_string()), Some(found.version.to_string()));
        compare("digest", Some(self.digest.to_string()), Some(found.digest.to_string()));
        if source(self.from.as_deref()) != source(found.from.as_deref()) {
            compare("from", self.from.clone(), found.from.clone());
        }
        compare(
            "signer",
            self.signer.as_ref().map(ToString::to_string),
            found.signer.as_ref().map(ToString::to_string),
        );
        let [had, has] = [self, found].map(|plugin| plugin.rights.iter().collect::<BTreeSet<_>>());
        had.difference(&has).for_each(|right| compare("rights", Some((*right).clone()), None));
        has.difference(&had).for_each(|right| compare("rights", None, Some((*right).clone())));
        compare("accept", self.accept.clone(), found.accept.clone());
        drift
    }
}

/// Where something is taken from, without what may differ: none for a file.
fn source(from: Option<&str>) -> Option<String> {
    let from = from.filter(|from| from.contains("://"))?;
    let (named, digest) = from.split_once('@').unwrap_or((from, ""));
    // A `:` behind the last `/` is a tag's, one before it a port's.
    let tagged =
        |at: usize| from.starts_with("oci://") && !digest.is_empty() && named.rfind('/').is_some_and(|s| s < at);
    let repository = named.rfind(':').filter(|at| tagged(*at)).map_or(named, |at| &named[..at]);
    Some(format!("{repository}@{digest}"))
}

impl fmt::Display for LockedSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { fingerprint } => write!(f, "key {fingerprint}"),
            Self::Identity { issuer, subject } => write!(f, "{subject} (vouched for by {issuer})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    fn plugin(from: Option<&str>) -> LockedPlugin {
        LockedPlugin {
            name: "etcd".into(),
            version: "1.0.0".parse().unwrap(),
            digest: Digest::of(b"a"),
            from: from.map(str::to_owned),
            signer: Some(LockedSigner::Key { fingerprint: Digest::of(b"key") }),
            rights: vec!["make credentials of type basic".into()],
            accept: Some("0".repeat(32)),
        }
    }

    #[test]
    fn every_member_that_differs_is_told_with_both_values() {
        let locked = plugin(Some("oci://a/b:1@sha256:00"));
        let found = LockedPlugin {
            name: "other".into(),
            version: "2.0.0".parse().unwrap(),
            digest: Digest::of(b"b"),
            from: Some("oci://a/c:1@sha256:00".into()),
            signer: None,
            rights: vec!["use more than by default: memory-mib 4096".into()],
            accept: Some("1".repeat(32)),
        };
        let told: Vec<String> = locked.drift(&found).iter().map(ToString::to_string).collect();
        let members: Vec<&str> = locked.drift(&found).iter().map(|drift| drift.member).collect();
        assert_eq!(members, ["name", "version", "digest", "from", "signer", "rights", "rights", "accept"]);
        assert_eq!(told[1], "version: locked `1.0.0`, found `2.0.0`");
        assert_eq!(told[4], format!("signer: locked `key {}`, found nothing", Digest::of(b"key")));
        assert_eq!(told[6], "rights: locked nothing, found `use more than by default: memory-mib 4096`");
        assert_eq!(locked.drift(&locked), []);
    }

    #[test]
    fn another_source_is_a_difference_and_another_tag_of_the_same_digest_is_none() {
        for (locked, found, same) in [
            ("oci://r:5000/a/b:1@sha256:00", "oci://r:5000/a/b:latest@sha256:00", true),
            ("oci://r:5000/a/b:1@sha256:00", "oci://r:5000/a/b@sha256:00", true),
            ("oci://r:5000/a/b:1@sha256:00", "oci://r:5000/a/b:1@sha256:01", false),
            ("oci://r:5000/a/b:1@sha256:00", "oci://r:5001/a/b:1@sha256:00", false),
            ("oci://r:5000/b@sha256:00", "oci://r/b@sha256:00", false),
            ("oci://r/a/b:1", "oci://r/a/b:2", false),
            ("oci://r/a/b:1@sha256:00", "plugins/b.wasm", false),
            ("https://h:1/b.wasm", "https://h:2/b.wasm", false),
            ("https://h/b.wasm", "https://h/c.wasm", false),
            ("https://h/b:1@a", "https://h/b:2@a", false),
            ("plugins/b.wasm", "../b.wasm", true),
        ] {
            let drift = plugin(Some(locked)).drift(&plugin(Some(found)));
            assert_eq!(drift.is_empty(), same, "{locked} {found}: {drift:?}");
        }
        assert_eq!(plugin(None).drift(&plugin(Some("b.wasm"))), []);
    }
}
