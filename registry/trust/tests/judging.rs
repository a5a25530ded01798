//! What counts as a signature for a plugin from somewhere, and what does not.

use jackfield_registry::{Digest, Limits, Manifest, Rights};
use jackfield_trust::{Delivery, Evidence, Judgement, Origin, PrivateKey, Refusal, Signer, TrustPolicy};
use proptest::prelude::*;

const PLACE: &str = "oci://registry.example/acme/etcd";

fn key() -> PrivateKey {
    PrivateKey::generate().unwrap()
}

fn rule(prefix: &str, keys: &[&PrivateKey], rest: &str) -> String {
    let signers: String =
        keys.iter().map(|key| format!("[[source.signer]]\nkey = '''\n{}'''\n", key.public().to_pem())).collect();
    format!("[[source]]\nprefix = \"{prefix}\"\n{rest}\n{signers}")
}

fn policy(text: &str) -> TrustPolicy {
    TrustPolicy::parse(text).unwrap()
}

fn judge(policy: &TrustPolicy, origin: &str, digest: &Digest, evidence: &[Evidence]) -> Result<Judgement, Refusal> {
    policy.judge(&Delivery {
        origin: &Origin::place(origin),
        digest,
        evidence,
        rights: &Rights::default(),
        limits: &Limits::default(),
        unsigned_file: false,
    })
}

fn signed_in_each_way(key: &PrivateKey, digest: &Digest) -> [Evidence; 2] {
    [Evidence::Bundle(key.image_bundle(digest)), Evidence::Simple(key.simple("registry.example/acme/etcd", digest))]
}

#[test]
fn a_signature_counts_if_it_is_by_a_signer_of_the_rule_and_of_this_digest() {
    let (acme, other) = (key(), key());
    let policy = policy(&rule("oci://registry.example/acme", &[&acme], ""));
    let digest = Digest::of(b"a manifest");
    for evidence in signed_in_each_way(&acme, &digest) {
        let judged = judge(&policy, PLACE, &digest, std::slice::from_ref(&evidence)).unwrap();
        assert_eq!(judged.signer, Some(Signer::Key { fingerprint: acme.public().fingerprint() }));
        assert_eq!(judged.rule.as_deref(), Some("oci://registry.example/acme"));
        let elsewhere = judge(&policy, PLACE, &Digest::of(b"another manifest"), &[evidence]);
        assert!(matches!(elsewhere, Err(Refusal::NoSigner { .. })), "{elsewhere:?}");
    }
    for evidence in signed_in_each_way(&other, &digest) {
        let refused = judge(&policy, PLACE, &digest, &[evidence]);
        assert!(matches!(refused, Err(Refusal::NoSigner { .. })), "{refused:?}");
    }
    // Whoever has a file signed has signed no manifest, be it one by its bytes.
    let as_file = judge(&policy, PLACE, &digest, &[Evidence::Bundle(acme.bundle(&digest))]).unwrap_err();
    assert!(as_file.to_string().contains("it signs a file"), "{as_file}");
    let refused = judge(&policy, PLACE, &digest, &[]).unwrap_err();
    assert!(matches!(refused, Refusal::Unsigned { .. }) && refused.to_string().contains("jackfield plugin sign"));
}

#[test]
fn one_good_signature_among_others_is_enough() {
    let (acme, other) = (key(), key());
    let policy = policy(&rule("oci:", &[&key(), &acme], ""));
    let digest = Digest::of(b"a manifest");
    let evidence = [
        Evidence::Bundle(b"{".to_vec()),
        Evidence::Simple(other.simple("x", &digest)),
        Evidence::Bundle(acme.image_bundle(&digest)),
    ];
    assert!(judge(&policy, PLACE, &digest, &evidence).unwrap().signer.is_some());
}

#[test]
fn the_rule_with_the_longest_prefix_decides_alone() {
    let (broad, narrow) = (key(), key());
    let text = format!(
        "{}{}",
        rule("oci://registry.example", &[&broad], "unsigned = \"allow\""),
        rule("oci://registry.example/acme/", &[&narrow], "")
    );
    let (policy, digest) = (policy(&text), Digest::of(b"a manifest"));
    let by = |key: &PrivateKey| [Evidence::Bundle(key.image_bundle(&digest))];
    assert!(judge(&policy, PLACE, &digest, &by(&narrow)).is_ok());
    assert!(judge(&policy, PLACE, &digest, &by(&broad)).is_err(), "who is trusted more widely is not trusted here");
    assert!(judge(&policy, PLACE, &digest, &[]).is_err(), "nor is what needs no signature elsewhere");
    assert!(judge(&policy, "oci://registry.example/other", &digest, &[]).unwrap().signer.is_none());
    assert!(
        judge(&policy, "oci://registry.example/other", &digest, &by(&narrow)).is_err(),
        "a signature that is nobody's is worse than none"
    );
}

#[test]
fn without_a_rule_nothing_is_installed_but_a_file_of_which_the_operator_says_so() {
    let (policy, digest, rights) = (TrustPolicy::default(), Digest::of(b"f"), Rights::default());
    let judged = |origin: &Origin, unsigned_file| {
        policy.judge(&Delivery {
            origin,
            digest: &digest,
            evidence: &[],
            rights: &rights,
            limits: &Limits::default(),
            unsigned_file,
        })
    };
    assert!(judged(&Origin::file("/p.wasm"), true).is_ok());
    let refused = judged(&Origin::file("/p.wasm"), false).unwrap_err().to_string();
    assert!(refused.contains("[[source]]") && refused.contains("--allow-unsigned"), "{refused}");
    let refused = judged(&Origin::place(PLACE), true).unwrap_err().to_string();
    assert!(refused.contains(PLACE) && !refused.contains("--allow-unsigned"), "{refused}");
}

#[test]
fn a_rule_for_files_holds_whatever_the_operator_says() {
    let policy = policy(&rule("file:", &[&key()], ""));
    let delivery = Delivery {
        origin: &Origin::file("/p.wasm"),
        digest: &Digest::of(b"f"),
        evidence: &[],
        rights: &Rights::default(),
        limits: &Limits::default(),
        unsigned_file: true,
    };
    assert!(matches!(policy.judge(&delivery), Err(Refusal::Unsigned { .. })));
}

#[test]
fn an_attestation_is_no_signature_and_a_signature_no_attestation() {
    let acme = key();
    let wanted = "[[source.attestation]]\ntype = \"https://slsa.dev/provenance/v1\"\n";
    let wants = policy(&format!("{}{wanted}", rule("oci:", &[&acme], "")));
    let digest = Digest::of(b"a manifest");
    let refused = judge(&wants, PLACE, &digest, &[Evidence::Bundle(acme.image_bundle(&digest))]).unwrap_err();
    assert!(matches!(refused, Refusal::Attestation { .. }), "{refused:?}");
}

#[test]
fn nobody_is_given_more_than_the_ceiling_of_where_it_came_from() {
    let text = "[plugin]\nname = \"p\"\nversion = \"1.0.0\"\ndescription = \"d\"\nhost = \"*\"\ncapabilities = [\"a:b@0.1.0\"]\n[limits]\nmemory-mib = 256\n[[endpoints]]\nname = \"api\"\ndescription = \"d\"\naddress = \"url\"\nmethods = [\"GET\", \"DELETE\"]\npaths = [\"/v1/*\"]\n[config]\ntype = \"object\"\n[config.properties.url]\ntype = \"string\"\n";
    let manifest = Manifest::from_toml(text).unwrap();
    let rights = Rights::of(&manifest, &Limits::default());
    let acme = key();
    let digest = Digest::of(b"a manifest");
    let evidence = [Evidence::Bundle(acme.image_bundle(&digest))];
    let origin = Origin::place(PLACE);
    let judged = |ceiling: &str| {
        let text = format!("{}[source.ceiling]\n{ceiling}", rule("oci:", &[&acme], ""));
        let delivery = Delivery {
            origin: &origin,
            digest: &digest,
            evidence: &evidence,
            rights: &rights,
            limits: &manifest.limits,
            unsigned_file: false,
        };
        policy(&text).judge(&delivery)
    };
    assert!(judged("methods = [\"GET\", \"DELETE\"]\nlimits = { memory-mib = 256 }").is_ok());
    let refused = judged("methods = [\"GET\"]").unwrap_err().to_string();
    assert!(refused.contains("DELETE /v1/*") && !refused.contains("GET"), "{refused}");
    let refused = judged("limits = { memory-mib = 255 }").unwrap_err().to_string();
    assert!(refused.contains("use memory-mib 256; at most 255"), "{refused}");
}

#[test]
fn what_is_wrong_with_a_policy_is_told_with_its_place() {
    let pem = key().public().to_pem();
    for (text, told) in [
        ("[[source]]\nprefix = \"ghcr.io/acme\"", "source[0].prefix"),
        ("[[source]]\nprefix = \"oci://a\"\n[[source]]\nprefix = \"oci://a/\"", "source[1].prefix"),
        ("[[source]]\nprefix = \"oci:\"\n[[source.signer]]\nname = \"x\"", "source[0].signer[0]"),
        ("[[source]]\nprefix = \"oci:\"\n[[source.signer]]\nissuer = \"https://i\"\nsubject = \"*\"", "everybody"),
        ("[[source]]\nprefix = \"oci:\"\n[[source.signer]]\nkey = \"cosign.pub\"", "source[0].signer[0].key"),
        ("[[source]]\nprefix = \"oci:\"\nunsinged = \"allow\"", "unsinged"),
        ("trust-root = \"{}\"\nsource = []", "trust-root"),
        ("", "source"),
    ] {
        let error = TrustPolicy::parse(text).unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
    let both = format!(
        "[[source]]\nprefix = \"oci:\"\n[[source.signer]]\nissuer = \"i\"\nsubject = \"s\"\nkey = '''\n{pem}'''"
    );
    assert!(TrustPolicy::parse(&both).is_err(), "a key and an identity are two signers");
}

#[test]
fn a_policy_is_the_same_in_toml_and_json() {
    let ceiling = "unsigned = \"allow\"\nceiling = { methods = [\"GET\"], limits = { memory-mib = 1 } }";
    let text = format!("{}[[source.attestation]]\ntype = \"t\"\n", rule("oci://a/", &[&key()], ceiling));
    let policy = policy(&text);
    let again = TrustPolicy::from_json(policy.to_json().to_string().as_bytes()).unwrap();
    assert_eq!(again.to_json(), policy.to_json());
    assert_eq!(TrustPolicy::parse(&policy.to_toml()).unwrap().to_json(), policy.to_json());
}

#[test]
fn a_private_key_is_read_as_it_was_written_and_only_with_its_password() {
    let key = key();
    let pem = key.to_pem("correct horse").unwrap();
    assert!(pem.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n") && PrivateKey::needs_password(&pem));
    assert_eq!(PrivateKey::from_pem(&pem, "correct horse").unwrap().public(), key.public());
    let wrong = PrivateKey::from_pem(&pem, "battery staple").unwrap_err().to_string();
    assert_eq!(wrong, "the password does not open the private key");
    assert!(!format!("{key:?}").contains("scalar"));
    for broken in ["", "x", &pem[..pem.len() / 2], "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"] {
        assert!(PrivateKey::from_pem(broken, "correct horse").is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_bundle_with_a_byte_changed_proves_nothing_else(at in 0_usize..700, bit in 0_u8..8, image: bool) {
        let acme = PrivateKey::from_pem(KEY, "").unwrap();
        let digest = Digest::of(b"a manifest");
        let mut bundle = if image { acme.image_bundle(&digest) } else { acme.bundle(&digest) };
        prop_assume!(at < bundle.len());
        bundle[at] ^= 1 << bit;
        let policy = policy(&rule("oci:", &[&acme], ""));
        // Some bytes say nothing that is signed, such as a hint of the key; with those changed it proves the same as before.
        if let Ok(judged) = judge(&policy, PLACE, &digest, &[Evidence::Bundle(bundle.clone())]) {
            prop_assert_eq!(judged.signer, Some(Signer::Key { fingerprint: acme.public().fingerprint() }));
        }
        prop_assert!(judge(&policy, PLACE, &Digest::of(b"b"), &[Evidence::Bundle(bundle)]).is_err());
    }

    #[test]
    fn whatever_is_found_beside_a_plugin_the_answer_is_a_refusal_or_a_proof(bytes: Vec<u8>, text: String) {
        let acme = PrivateKey::from_pem(KEY, "").unwrap();
        let policy = policy(&rule("oci:", &[&acme], ""));
        for bytes in [bytes, text.into_bytes()] {
            let simple = jackfield_trust::SimpleSignature { payload: bytes.clone(), signature: "AAAA".into() };
            let evidence = [Evidence::Bundle(bytes), Evidence::Simple(simple)];
            prop_assert!(judge(&policy, PLACE, &Digest::of(b"a"), &evidence).is_err());
        }
    }
}

/// A key of this test's own, so that it need not be made anew for each case.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2
OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r
1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G
-----END PRIVATE KEY-----
";
