//! Plugins in a real registry: what Jackfield pushes and signs, `oras` and `cosign` read, and the other way round; and what is
//! signed by nobody who counts is not installed.

#![allow(clippy::print_stdout, reason = "tells the figures, which are shown with --nocapture")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use common::version;
use jackfield_peers::{Cosign, DockerRegistry, Oras, cosign, cosign::Format, peer, record};
use jackfield_tests::{Stand, packed};
use serde_json::{Value, json};

/// How often an installation is timed.
const TIMED: usize = 7;

/// A registry, a Jackfield, and what a plugin's maker works with.
struct Shop {
    stand: Stand,
    registry: DockerRegistry,
    key: PathBuf,
    public: PathBuf,
}

impl Shop {
    fn open() -> jackfield_peers::Result<Self> {
        // All of them or none: what one makes the others read.
        Oras::find()?;
        for version in [cosign::Version::Two, cosign::Version::Three] {
            Cosign::find(version)?;
        }
        let (stand, registry) = (Stand::start(), DockerRegistry::start()?);
        let name = stand.scratch().join("acme");
        let shop = Self { key: name.with_extension("key"), public: name.with_extension("pub"), stand, registry };
        shop.done(&["plugin", "keygen", name.to_str().unwrap()]);
        Ok(shop)
    }

    /// A place in the registry, with Jackfield's scheme and without one.
    fn place(&self, name: &str) -> (String, String) {
        let bare = format!("{}/{name}", self.registry.address());
        (format!("oci://{bare}"), bare)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.stand.server().command();
        command.args(arguments).env("JACKFIELD_KEY_PASSWORD", Cosign::PASSWORD).args(["-o", "json"]);
        command
    }

    /// What a command line answers, or what it says was wrong.
    fn asked(&self, arguments: &[&str]) -> Result<Value, String> {
        answer(&mut self.command(arguments))
    }

    fn done(&self, arguments: &[&str]) -> Value {
        self.asked(arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    /// Pushes a plugin; the bare reference with the manifest's digest.
    fn push(&self, file: &Path, place: &str) -> String {
        let pushed = self.done(&["plugin", "push", file.to_str().unwrap(), place]);
        pushed["pushed"].as_str().unwrap().strip_prefix("oci://").unwrap().to_owned()
    }

    /// Signs what was pushed.
    fn sign(&self, pinned: &str) {
        self.done(&["plugin", "sign", &format!("oci://{pinned}"), "--key", self.key.to_str().unwrap()]);
    }

    /// Has plugins from the registry need the signature of one of these keys.
    fn trust(&self, keys: &[&Path], rest: &str) {
        let (rest, tables) = if rest.starts_with("[[") { ("", rest) } else { (rest, "") };
        let signer = |key: &&Path| format!("[[source.signer]]\nkey = '''\n{}'''\n", fs::read_to_string(key).unwrap());
        let signers: String = keys.iter().map(signer).collect();
        let policy = format!("[[source]]\nprefix = \"oci://{}\"\n{rest}\n{signers}{tables}", self.registry.address());
        let file = self.stand.scratch().join("trust.toml");
        fs::write(&file, policy).unwrap();
        self.done(&["trust", "set", file.to_str().unwrap()]);
    }

    fn plan(&self, place: &str) -> Value {
        self.done(&["plugin", "inspect", place])
    }

    /// Installs what was inspected before.
    fn install(&self, place: &str) -> Result<Value, String> {
        self.install_with(place, &[])
    }

    fn install_with(&self, place: &str, more: &[&str]) -> Result<Value, String> {
        let plan = self.asked(&["plugin", "inspect", place])?;
        let accept = plan["accept"].as_str().map(|accept| vec!["--accept", accept]).unwrap_or_default();
        self.asked(&[&["plugin", "install", place], &accept[..], more].concat())
    }

    fn installed(&self) -> usize {
        self.stand.server().get("/v1/plugins").unwrap()["items"].as_array().unwrap().len()
    }
}

fn answer(command: &mut Command) -> Result<Value, String> {
    let output = command.output().unwrap();
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap_or_default());
    }
    Err(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

fn cosigns() -> [Cosign; 2] {
    [cosign::Version::Two, cosign::Version::Three].map(|version| Cosign::find(version).unwrap())
}

#[test]
fn what_jackfield_pushes_and_signs_oras_pulls_and_cosign_verifies() {
    let shop = peer!(Shop::open());
    let (place, _) = shop.place("acme/playground:0.1.0");
    let pinned = shop.push(&packed("playground"), &place);
    assert_eq!(pinned, shop.push(&packed("playground"), &place), "the same file is the same manifest");
    let by_tag = shop.asked(&["plugin", "sign", &place, "--key", shop.key.to_str().unwrap()]).unwrap_err();
    assert!(by_tag.contains("by its digest"), "a registry does not choose what is signed: {by_tag}");
    shop.sign(&pinned);

    let folder = shop.stand.scratch().join("pulled");
    Oras::find().unwrap().pull(&pinned, &folder).unwrap();
    let pulled = fs::read(folder.join("playground-0.1.0.wasm")).unwrap();
    assert_eq!(pulled, fs::read(packed("playground")).unwrap());

    for cosign in cosigns() {
        let claims = cosign.verify(&shop.public, &pinned).unwrap();
        assert!(!claims.is_empty(), "cosign {}", cosign.version());
        let other = cosign.generate_keys(shop.stand.scratch(), &format!("other-{}", cosign.version())).unwrap();
        assert!(cosign.verify(&other.public, &pinned).is_err(), "cosign {}", cosign.version());
    }
    // Signed once more, by cosign: both signatures stay.
    let other = cosigns()[0].generate_keys(shop.stand.scratch(), "second").unwrap();
    cosigns()[0].sign(&other, &pinned).unwrap();
    for key in [&shop.public, &other.public] {
        cosigns()[0].verify(key, &pinned).unwrap();
        shop.done(&["plugin", "verify", &place, "--key", key.to_str().unwrap()]);
    }
    shop.sign(&pinned);
    cosigns()[0].verify(&other.public, &pinned).unwrap();
}

#[test]
fn what_oras_pushes_and_cosign_signs_is_verified_and_installed() {
    let shop = peer!(Shop::open());
    let file = fs::read(packed("playground")).unwrap();
    let config = json!({"architecture": "wasm", "os": "wasip2", "layerDigests": []}).to_string();
    for cosign in cosigns() {
        let repository = format!("acme/by-cosign-{}", &cosign.version()[..1]);
        let (place, bare) = shop.place(&format!("{repository}:0.1.0"));
        let digest = Oras::find().unwrap().push_component(&bare, config.as_bytes(), "playground.wasm", &file).unwrap();
        let keys = cosign.generate_keys(shop.stand.scratch(), &repository.replace('/', "-")).unwrap();
        shop.trust(&[&keys.public], "");

        let refused = shop.install(&place).unwrap_err();
        assert!(refused.contains("not-trusted") && refused.contains("is not signed"), "{refused}");
        assert!(shop.plan(&place)["refused"].as_str().unwrap().contains("is not signed"));
        cosign.sign(&keys, &shop.place(&format!("{repository}@{digest}")).1).unwrap();

        let verified = shop.done(&["plugin", "verify", &place, "--key", keys.public.to_str().unwrap()]);
        assert!(verified["signer"].as_str().unwrap().starts_with("key sha256:"), "{verified}");
        assert!(shop.asked(&["plugin", "verify", &place, "--key", shop.public.to_str().unwrap()]).is_err());
        // Two makers, as far as anybody can tell.
        let installed = shop.install_with(&place, &["--allow-other-signer"]).unwrap();
        assert_eq!(installed["signer"]["kind"], "key", "{installed}");
        assert_eq!(installed["pinned"], format!("{place}@{digest}"));
        shop.done(&["plugin", "remove", "playground"]);
        // By the tag that cosign 2 knows no less than by what cosign 3 lists.
        assert_eq!(cosign.format() == Format::Legacy, cosign.version().starts_with("2."));
    }
}

#[test]
fn one_key_is_read_by_jackfield_and_by_cosign() {
    let shop = peer!(Shop::open());
    let (place, _) = shop.place("acme/playground:0.1.0");
    let pinned = shop.push(&packed("playground"), &place);
    for cosign in cosigns() {
        // Made by Jackfield, used by cosign.
        let ours = cosign::Keys { private: shop.key.clone(), public: shop.public.clone() };
        cosign.sign(&ours, &pinned).unwrap();
        // Made by cosign, used by Jackfield.
        let theirs = cosign.generate_keys(shop.stand.scratch(), &format!("theirs-{}", cosign.version())).unwrap();
        shop.done(&["plugin", "sign", &format!("oci://{pinned}"), "--key", theirs.private.to_str().unwrap()]);
        cosign.verify(&theirs.public, &pinned).unwrap();
    }
    shop.done(&["plugin", "verify", &place, "--key", shop.public.to_str().unwrap()]);
    let by_digest = format!("oci://{pinned}");
    let mut wrong = shop.command(&["plugin", "sign", &by_digest, "--key", shop.key.to_str().unwrap()]);
    let error = answer(wrong.env("JACKFIELD_KEY_PASSWORD", "wrong")).unwrap_err();
    assert!(error.contains("the password does not open the private key"), "{error}");
}

#[test]
fn a_file_is_installed_with_the_bundle_beside_it() {
    let shop = peer!(Shop::open());
    let file = shop.stand.scratch().join("playground.wasm");
    fs::copy(packed("playground"), &file).unwrap();
    let (path, bundle) = (file.to_str().unwrap(), file.with_extension("wasm.sigstore.json"));
    let policy = shop.stand.scratch().join("files.toml");
    let signer = |key: &Path| format!("[[source.signer]]\nkey = '''\n{}'''\n", fs::read_to_string(key).unwrap());
    let allow = |keys: &[&Path]| {
        let signers: String = keys.iter().map(|key| signer(key)).collect();
        fs::write(&policy, format!("[[source]]\nprefix = \"file:\"\n{signers}")).unwrap();
        shop.done(&["trust", "set", policy.to_str().unwrap()]);
    };
    allow(&[&shop.public]);
    let refused = shop.asked(&["plugin", "install", path, "--allow-unsigned"]).unwrap_err();
    assert!(refused.contains("is not signed"), "a rule holds whatever is allowed: {refused}");

    // cosign signs, Jackfield installs.
    for cosign in cosigns() {
        let keys = cosign.generate_keys(shop.stand.scratch(), &format!("file-{}", cosign.version())).unwrap();
        fs::write(&bundle, cosign.sign_file(Format::Bundle, &keys, &file).unwrap()).unwrap();
        let refused = shop.install(path).unwrap_err();
        assert!(refused.contains("no signature of"), "{refused}");
        allow(&[&keys.public]);
        let installed = shop.install_with(path, &["--allow-other-signer"]).unwrap();
        assert_eq!(installed["signer"]["kind"], "key", "cosign {}", cosign.version());
        shop.done(&["plugin", "remove", "playground"]);
    }
    // Jackfield signs, cosign verifies.
    shop.done(&["plugin", "sign", path, "--key", shop.key.to_str().unwrap()]);
    for cosign in cosigns() {
        cosign.verify_file(Format::Bundle, &shop.public, &fs::read(&bundle).unwrap(), &file).unwrap();
    }
    shop.done(&["plugin", "verify", path, "--key", shop.public.to_str().unwrap()]);
}

#[test]
fn an_attestation_signs_nothing_and_is_wanted_besides_where_the_policy_says_so() {
    let shop = peer!(Shop::open());
    let predicate = shop.stand.scratch().join("predicate.json");
    fs::write(&predicate, json!({"buildDefinition": {}, "runDetails": {}}).to_string()).unwrap();
    let wanted = |key: &Path| {
        let key = fs::read_to_string(key).unwrap();
        let kind = "[[source.attestation]]\ntype = \"https://slsa.dev/provenance/v1\"";
        format!("{kind}\n[[source.attestation.signer]]\nkey = '''\n{key}'''\n")
    };
    for (cosign, format) in cosigns().iter().zip([Format::Legacy, Format::Bundle]) {
        let keys = cosign.generate_keys(shop.stand.scratch(), &format!("maker-{}", cosign.version())).unwrap();
        let (place, _) = shop.place(&format!("acme/attested-by-{}:0.1.0", &cosign.version()[..1]));
        let pinned = shop.push(&packed("playground"), &place);
        cosign.attest(format, &keys, "https://slsa.dev/provenance/v1", &predicate, &pinned).unwrap();
        shop.trust(&[&keys.public], "");
        let refused = shop.install(&place).unwrap_err();
        assert!(refused.contains("attests something, but signs nothing"), "cosign {}: {refused}", cosign.version());

        shop.sign(&pinned);
        shop.trust(&[&shop.public], &wanted(&shop.public));
        let refused = shop.install(&place).unwrap_err();
        assert!(refused.contains("wants an attestation"), "somebody else's counts for nothing: {refused}");
        shop.trust(&[&shop.public], &wanted(&keys.public));
        let installed = shop.install(&place).unwrap();
        assert_eq!(installed["attestations"][0], "https://slsa.dev/provenance/v1", "{installed}");
        shop.done(&["plugin", "remove", "playground"]);
    }
}

#[test]
fn what_a_registry_tampers_with_is_not_installed() {
    let shop = peer!(Shop::open());
    let (place, _) = shop.place("acme/playground:stable");
    let pinned = shop.push(&packed("playground"), &place);
    shop.sign(&pinned);
    shop.trust(&[&shop.public], "");

    // Another file under the same tag: the signature is of what was there before.
    let second = version("playground", "0.2.0", shop.stand.scratch(), |_| {});
    shop.push(&second, &place);
    let refused = shop.install(&place).unwrap_err();
    assert!(refused.contains("is not signed"), "{refused}");
    let by_digest = format!("oci://{pinned}");
    assert_eq!(shop.plan(&by_digest)["version"], "0.1.0");

    // An old version, signed as well, under the tag of a new one.
    let (newer, bare) = shop.place("acme/playground:0.3.0");
    let file = packed("playground");
    let lie = shop.asked(&["plugin", "push", file.to_str().unwrap(), &newer]).unwrap_err();
    assert!(lie.contains("push it under its own version"), "{lie}");
    let config = json!({"architecture": "wasm", "os": "wasip2", "layerDigests": []}).to_string();
    let file = fs::read(file).unwrap();
    let digest = Oras::find().unwrap().push_component(&bare, config.as_bytes(), "playground.wasm", &file).unwrap();
    shop.sign(&format!("{}@{digest}", bare.rsplit_once(':').unwrap().0));
    let refused = shop.install(&newer).unwrap_err();
    assert!(refused.contains("the tag says version 0.3.0"), "{refused}");

    // A bit of the component, in the registry's own storage.
    let manifest: Value = serde_json::from_slice(&Oras::find().unwrap().manifest(&pinned).unwrap()).unwrap();
    let stored = shop.registry.stored(manifest["layers"][0]["digest"].as_str().unwrap());
    let whole = fs::read(&stored).unwrap();
    for (damaged, told) in [
        (
            {
                let mut bytes = whole.clone();
                bytes[4_000] ^= 1;
                bytes
            },
            "damaged or was tampered with",
        ),
        (whole[..whole.len() - 1].to_vec(), "damaged or was tampered with"),
        ([&whole[..], b"more"].concat(), "damaged or was tampered with"),
    ] {
        fs::write(&stored, damaged).unwrap();
        let refused = shop.install(&by_digest).unwrap_err();
        assert!(refused.contains(told), "{refused}");
    }
    assert_eq!(shop.installed(), 0);
    let audit = shop.stand.server().get("/v1/audit?limit=1000").unwrap().to_string();
    assert!(audit.contains("not so: a plugin was fetched") && audit.contains("tampered with"), "{audit}");
    fs::write(&stored, whole).unwrap();
    shop.install(&by_digest).unwrap();
}

#[test]
fn what_was_signed_once_is_not_replaced_by_anybody_elses() {
    let mut shop = peer!(Shop::open());
    let (first, second) = (shop.place("acme/play:0.1.0").0, shop.place("acme/play:0.2.0").0);
    shop.trust(&[&shop.public], "unsigned = \"allow\"");
    let pinned = shop.push(&packed("playground"), &first);
    shop.sign(&pinned);
    shop.install(&first).unwrap();
    // Nor when nothing of it is installed any more.
    shop.done(&["plugin", "remove", "playground"]);

    let pinned = shop.push(&version("playground", "0.2.0", shop.stand.scratch(), |_| {}), &second);
    let refused = shop.install(&second).unwrap_err();
    assert!(refused.contains("other-signer") && refused.contains("signed by nobody"), "{refused}");
    let other = cosigns()[1].generate_keys(shop.stand.scratch(), "other").unwrap();
    shop.done(&["plugin", "sign", &format!("oci://{pinned}"), "--key", other.private.to_str().unwrap()]);
    shop.trust(&[&shop.public, &other.public], "");
    let refused = shop.install(&second).unwrap_err();
    assert!(refused.contains("other-signer") && refused.contains("--allow-other-signer"), "{refused}");
    assert_eq!(shop.installed(), 0);
    let accept = shop.done(&["plugin", "inspect", &second, "--allow-other-signer"])["accept"].clone();
    let accept = accept.as_str().unwrap();
    shop.done(&["plugin", "install", &second, "--allow-other-signer", "--accept", accept]);
    assert_eq!(shop.installed(), 1);
    // Both may sign from now on, whether the host was started anew or not; and what is installed is let be.
    let third = version("playground", "0.3.0", shop.stand.scratch(), |_| {});
    let (place, _) = shop.place("acme/play:0.3.0");
    shop.done(&["plugin", "push", third.to_str().unwrap(), &place, "--key", shop.key.to_str().unwrap()]);
    assert!(shop.plan(&place)["refused"].is_null());
    shop.stand.restart();
    assert!(shop.plan(&place)["refused"].is_null());
    shop.install(&second).unwrap();
    let audit = shop.stand.server().get("/v1/audit?limit=1000").unwrap().to_string();
    for told in ["another signer than before was allowed", "not so: `playground@0.2.0` was installed"] {
        assert!(audit.contains(told), "{told} in {audit}");
    }
}

#[test]
fn nobody_gets_more_than_the_ceiling_of_where_it_came_from() {
    let shop = peer!(Shop::open());
    let (place, _) = shop.place("acme/playground:0.1.0");
    let pinned = shop.push(&packed("playground"), &place);
    shop.sign(&pinned);
    shop.trust(&[&shop.public], "ceiling = { limits = { memory-mib = 1 } }");
    let refused = shop.install(&place).unwrap_err();
    assert!(refused.contains("use memory-mib") && refused.contains("at most 1"), "{refused}");
    shop.trust(&[&shop.public], "ceiling = { send-again = false }");
    let refused = shop.install(&place).unwrap_err();
    assert!(refused.contains("have writes sent again") && refused.contains("not-trusted"), "{refused}");
    shop.trust(&[&shop.public], "ceiling = { send-again = true }");
    shop.install(&place).unwrap();
}

#[test]
fn a_registry_that_wants_a_login_gets_dockers() {
    let shop = peer!(Shop::open());
    let registry = DockerRegistry::with_users(&[("acme", "pass word")]).unwrap();
    let place = format!("oci://{}/acme/playground:0.1.0", registry.address());
    let file = packed("playground");
    let push = ["plugin", "push", file.to_str().unwrap(), &place];
    let refused = shop.asked(&push).unwrap_err();
    assert!(refused.contains("login") || refused.contains("credentials"), "{refused}");

    let folder = shop.stand.scratch().join("docker");
    fs::create_dir_all(&folder).unwrap();
    // base64 of `acme:pass word`.
    let config = json!({"auths": {registry.address(): {"auth": jackfield_tests::base64("acme:pass word")}}});
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let mut command = shop.command(&push);
    answer(command.env("DOCKER_CONFIG", &folder)).unwrap();
    let pulled = shop.stand.scratch().join("pulled.wasm");
    let mut command = shop.command(&["plugin", "pull", &place, "--file", pulled.to_str().unwrap()]);
    answer(command.env("DOCKER_CONFIG", &folder)).unwrap();
    assert_eq!(fs::read(&pulled).unwrap(), fs::read(&file).unwrap());
    let wrong = json!({"auths": {registry.address(): {"auth": jackfield_tests::base64("acme:wrong")}}});
    fs::write(folder.join("config.json"), wrong.to_string()).unwrap();
    let mut command = shop.command(&["plugin", "pull", &place]);
    let refused = answer(command.env("DOCKER_CONFIG", &folder)).unwrap_err();
    assert!(!refused.contains("wrong"), "no password is told: {refused}");
}

#[test]
fn a_plugin_of_a_registry_is_installed_in_moments() {
    let shop = peer!(Shop::open());
    shop.trust(&[&shop.public], "");
    let mut took: Vec<Duration> = Vec::new();
    for number in 0..TIMED {
        // Each is another file than in this run and in any before, so that nothing is compiled already.
        let file = version("playground", &format!("0.1.{}", number + 1), shop.stand.scratch(), |manifest| {
            manifest.plugin.description = shop.stand.scratch().display().to_string();
        });
        let (place, _) = shop.place(&format!("acme/playground:0.1.{}", number + 1));
        let key = shop.key.to_str().unwrap();
        shop.done(&["plugin", "push", file.to_str().unwrap(), &place, "--key", key]);
        let accept = shop.plan(&place)["accept"].as_str().unwrap().to_owned();
        let begun = Instant::now();
        let path = format!("/v1/plugins?accept={accept}");
        let (status, answer) = shop.stand.server().send("POST", &path, &json!({"from": place})).unwrap();
        took.push(begun.elapsed());
        assert_eq!(status, 201, "{answer}");
    }
    took.sort();
    let size = fs::metadata(packed("playground")).unwrap().len() / 1024;
    let took = took[TIMED / 2];
    record::measured(&format!(
        "a signed plugin of {size} KiB installed from a registry, compiled: {took:?} (median of {TIMED})"
    ));
    println!("a signed plugin of {size} KiB is installed from a registry in {took:?} (median of {TIMED})");
}
