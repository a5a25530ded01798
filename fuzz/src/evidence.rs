//! What is found beside a plugin, and what an operator writes about it. Evidence for a plugin proves what its signature is of and
//! nothing else, whatever else is changed of it; a policy that is understood is written out as the same policy. An input is a
//! bundle if it begins with `{`, a key if it begins with `-`, otherwise a policy.

use std::sync::LazyLock;

use jackfield_registry::{Digest, Limits, Rights};
use jackfield_trust::{Delivery, Evidence, Origin, PublicKey, Signer, SimpleSignature, TrustPolicy};

/// The public key of the corpus, of which nobody has the private one any more.
const KEY: &str = include_str!("evidence.pub");

/// What the bundles of the corpus sign.
const SIGNED: &[u8] = b"a manifest";

static KEYED: LazyLock<TrustPolicy> = LazyLock::new(|| {
    let policy = format!("[[source]]\nprefix = \"oci:\"\n[[source.signer]]\nkey = '''\n{KEY}'''\n");
    TrustPolicy::parse(&policy).expect("the policy of this target")
});

static IDENTIFIED: LazyLock<TrustPolicy> = LazyLock::new(|| {
    let policy = "[[source]]\nprefix = \"oci:\"\n[[source.signer]]\nissuer = \"https://issuer.example\"\nsubject = \"a@example.com\"\n";
    TrustPolicy::parse(policy).expect("the policy of this target")
});

/// Checks a bundle, a key or a policy.
pub fn check(input: &[u8]) {
    match input.first() {
        Some(b'{') => bundle(input),
        Some(b'-') => crate::text(input).into_iter().for_each(key),
        _ => crate::text(input).into_iter().for_each(policy),
    }
}

fn bundle(input: &[u8]) {
    let simple = SimpleSignature { payload: input.to_vec(), signature: "MAYCAQECAQE=".into() };
    let evidence = [Evidence::Bundle(input.to_vec()), Evidence::Simple(simple)];
    let judge = |policy: &TrustPolicy, digest: &Digest| {
        policy.judge(&Delivery {
            origin: &Origin::place("oci://registry.example/plugin"),
            digest,
            evidence: &evidence,
            rights: &Rights::default(),
            limits: &Limits::default(),
            unsigned_file: true,
        })
    };
    if let Ok(judged) = judge(&KEYED, &Digest::of(SIGNED)) {
        let fingerprint = PublicKey::from_pem(KEY).expect("the key of this target").fingerprint();
        assert_eq!(judged.signer, Some(Signer::Key { fingerprint }), "somebody else is believed");
    }
    assert!(judge(&KEYED, &Digest::of(b"another manifest")).is_err(), "a signature counts for what it does not sign");
    let refused = judge(&IDENTIFIED, &Digest::of(SIGNED)).expect_err("nobody vouched for this identity");
    assert!(refused.to_string().len() < 16_000, "a refusal as long as a stranger's text");
}

fn key(text: &str) {
    if let Ok(key) = PublicKey::from_pem(text) {
        assert_eq!(PublicKey::from_pem(&key.to_pem()).map(|key| key.fingerprint()), Ok(key.fingerprint()));
    }
}

fn policy(text: &str) {
    let Ok(policy) = TrustPolicy::parse(text) else { return };
    let again = TrustPolicy::from_json(policy.to_json().to_string().as_bytes()).expect("what is written can be read");
    assert_eq!(again.to_json(), policy.to_json());
    let again = TrustPolicy::parse(&policy.to_toml()).expect("what is written can be read");
    assert_eq!(again.to_json(), policy.to_json());
}
