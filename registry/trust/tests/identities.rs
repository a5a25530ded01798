//! Signatures by identities, judged offline: real ones of sigstore's public good instance, which `sigstore-verify` carries in
//! its package for its own tests.

use std::{fs, path::PathBuf, process::Command};

use jackfield_registry::{Digest, Limits, Rights};
use jackfield_trust::{Delivery, Evidence, Judgement, Origin, Refusal, Signer, TrustPolicy};

/// The test data of `sigstore-verify`, as cargo unpacked it.
fn data(file: &str) -> Vec<u8> {
    let metadata = Command::new(env!("CARGO")).args(["metadata", "--format-version=1", "--offline"]).output().unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "sigstore-verify").unwrap();
    let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
    fs::read(manifest.parent().unwrap().join("test_data/bundles").join(file)).unwrap()
}

fn judge(policy: &str, bundle: Vec<u8>, digest: &Digest) -> Result<Judgement, Refusal> {
    let (origin, rights) = (Origin::place("https://example.com/plugin.wasm"), Rights::default());
    TrustPolicy::parse(policy).unwrap().judge(&Delivery {
        origin: &origin,
        digest,
        evidence: &[Evidence::Bundle(bundle)],
        rights: &rights,
        limits: &Limits::default(),
        unsigned_file: false,
    })
}

fn signer(issuer: &str, subject: &str) -> String {
    format!("[[source]]\nprefix = \"https:\"\n[[source.signer]]\nissuer = \"{issuer}\"\nsubject = \"{subject}\"\n")
}

/// Who signed the files.
const PERSON: (&str, &str) = ("https://github.com/login/oauth", "w.vollprecht@gmail.com");
const WORKFLOW: (&str, &str) = (
    "https://token.actions.githubusercontent.com",
    "https://github.com/prefix-dev/sigstore-example/.github/workflows/action.yaml@refs/heads/main",
);
const ATTESTS: &str = "https://schemas.conda.org/attestations-publish-1.schema.json";

fn blob() -> (Vec<u8>, Digest) {
    (data("cosign-v3-blob.sigstore.json"), Digest::of(&data("cosign-v3-blob.txt")))
}

#[test]
fn an_identity_that_the_rule_names_is_believed_of_the_root_that_ships() {
    let (bundle, digest) = blob();
    for subject in [PERSON.1, "*@gmail.com"] {
        let judged = judge(&signer(PERSON.0, subject), bundle.clone(), &digest).unwrap();
        assert_eq!(judged.signer, Some(Signer::Identity { issuer: PERSON.0.into(), subject: PERSON.1.into() }));
    }
}

#[test]
fn anybody_else_is_refused_and_so_is_any_other_file() {
    let (bundle, digest) = blob();
    for (issuer, subject) in [(PERSON.0, "w.vollprecht@gmail.co"), ("https://github.com", PERSON.1), WORKFLOW] {
        let refused = judge(&signer(issuer, subject), bundle.clone(), &digest).unwrap_err();
        assert!(matches!(refused, Refusal::NoSigner { .. }), "{refused}");
    }
    let refused = judge(&signer(PERSON.0, PERSON.1), bundle, &Digest::of(b"another file")).unwrap_err();
    assert!(matches!(refused, Refusal::NoSigner { .. }), "{refused}");
}

#[test]
fn an_identity_is_believed_of_no_other_root() {
    let (bundle, digest) = blob();
    let nobody = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
    let policy = format!("trust-root = '{nobody}'\n{}", signer(PERSON.0, PERSON.1));
    let refused = judge(&policy, bundle, &digest).unwrap_err();
    assert!(matches!(refused, Refusal::NoSigner { .. }), "{refused}");
}

#[test]
fn what_a_build_attests_is_no_signature_of_it() {
    let (bundle, digest) =
        (data("conda-attestation.sigstore.json"), Digest::of(&data("signed-package-2.1.0-hb0f4dca_0.conda")));
    let refused = judge(&signer(WORKFLOW.0, WORKFLOW.1), bundle, &digest).unwrap_err();
    assert!(refused.to_string().contains("attests something, but signs nothing"), "{refused}");
}

#[test]
fn a_build_that_attests_what_the_rule_wants_beside_a_signature_is_let_in() {
    let file = data("signed-package-2.1.0-hb0f4dca_0.conda");
    let (digest, key) = (Digest::of(&file), jackfield_trust::PrivateKey::generate().unwrap());
    let policy = format!(
        "{}[[source.signer]]\nkey = '''\n{}'''\n",
        signer(WORKFLOW.0, WORKFLOW.1).replace(
            "[[source.signer]]",
            &format!("[[source.attestation]]\ntype = \"{ATTESTS}\"\n[[source.attestation.signer]]")
        ),
        key.public().to_pem()
    );
    let (origin, rights) = (Origin::place("https://example.com/plugin.wasm"), Rights::default());
    let evidence = [Evidence::Bundle(data("conda-attestation.sigstore.json")), Evidence::Bundle(key.bundle(&digest))];
    let delivery = Delivery {
        origin: &origin,
        digest: &digest,
        evidence: &evidence,
        rights: &rights,
        limits: &Limits::default(),
        unsigned_file: false,
    };
    let judged = TrustPolicy::parse(&policy).unwrap().judge(&delivery).unwrap();
    assert_eq!(judged.attestations, [ATTESTS]);
}
