//! Lock files with a real registry and signatures: what was locked is installed on another host, byte for byte, and whatever
//! a tag, a signer or a manifest has become meanwhile installs nothing.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::version;
use jackfield_peers::{DockerRegistry, peer};
use jackfield_tests::{Stand, packed};
use serde_json::{Value, json};

const PASSWORD: &str = "a password for keys";

/// A registry with a signed plugin in it, and the lock of a host that installed it.
struct Locked {
    registry: DockerRegistry,
    first: Stand,
    key: PathBuf,
    lock: PathBuf,
    place: String,
}

impl Locked {
    fn new() -> jackfield_peers::Result<Self> {
        let (first, registry) = (Stand::start(), DockerRegistry::start()?);
        let place = format!("oci://{}/acme/playground:stable", registry.address());
        let lock = first.scratch().join("jackfield.lock");
        let key = keygen(&first, "acme");
        let locked = Self { registry, first, key, lock, place };
        locked.publish(&packed("playground"), &locked.place, &locked.key);
        locked.trust(&locked.first, &locked.key);
        let accept = done(&locked.first, &["plugin", "inspect", &locked.place])["accept"].clone();
        let lock = locked.option();
        let accept = ["--accept", accept.as_str().unwrap()];
        done(&locked.first, &[&["plugin", "install", &locked.place, &lock], &accept[..]].concat());
        Ok(locked)
    }

    /// The option that names the lock.
    fn option(&self) -> String {
        format!("--lock={}", self.lock.display())
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.lock).unwrap()
    }

    /// Pushes a plugin and signs it.
    fn publish(&self, file: &Path, place: &str, key: &Path) {
        let key = key.to_str().unwrap();
        done(&self.first, &["plugin", "push", file.to_str().unwrap(), place, "--key", key]);
    }

    /// Has a host take plugins from the registry that the holder of a key has signed.
    fn trust(&self, stand: &Stand, key: &Path) {
        let key = fs::read_to_string(key.with_extension("pub")).unwrap();
        let prefix = self.registry.address();
        let policy = format!("[[source]]\nprefix = \"oci://{prefix}\"\n[[source.signer]]\nkey = '''\n{key}'''\n");
        let file = stand.scratch().join("trust.toml");
        fs::write(&file, policy).unwrap();
        done(stand, &["trust", "set", file.to_str().unwrap()]);
    }

    /// A host that knows no plugin and trusts the same key.
    fn fresh(&self) -> Stand {
        let stand = Stand::start();
        self.trust(&stand, &self.key);
        stand
    }

    /// Installs by the lock.
    fn install(&self, stand: &Stand, more: &[&str]) -> Result<Value, String> {
        let lock = self.option();
        asked(stand, &[&["plugin", "install", "--locked", lock.as_str()], more].concat())
    }
}

fn asked(stand: &Stand, arguments: &[&str]) -> Result<Value, String> {
    let mut command = stand.server().command();
    let output = command.args(arguments).args(["-o", "json"]).env("JACKFIELD_KEY_PASSWORD", PASSWORD).output().unwrap();
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap_or_default());
    }
    let said: Value = serde_json::from_slice(&output.stderr).unwrap_or_default();
    // What a problem document has behind escapes is read as people read it.
    let detail = said["detail"].as_str().unwrap_or_default();
    Err(format!("{detail}\n{}", String::from_utf8_lossy(&output.stderr)))
}

fn done(stand: &Stand, arguments: &[&str]) -> Value {
    asked(stand, arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

/// Makes a key; the private one's file.
fn keygen(stand: &Stand, name: &str) -> PathBuf {
    let path = stand.scratch().join(name);
    done(stand, &["plugin", "keygen", path.to_str().unwrap()]);
    path.with_extension("key")
}

fn installed(stand: &Stand) -> Vec<Value> {
    stand.server().get("/v1/plugins").unwrap()["items"].as_array().unwrap().clone()
}

#[track_caller]
fn refused(stand: &Stand, outcome: Result<Value, String>, told: &[&str]) {
    let error = outcome.unwrap_err();
    for told in told {
        assert!(error.contains(told), "{told}: {error}");
    }
    assert_eq!(installed(stand), Vec::<Value>::new(), "{error}");
}

#[test]
fn what_is_locked_is_installed_on_another_host_to_the_byte() {
    let locked = peer!(Locked::new());
    let second = locked.fresh();
    let answer = locked.install(&second, &[]).unwrap();
    assert_eq!(answer["items"].as_array().unwrap().len(), 1, "{answer}");
    let [there, here] = [&locked.first, &second].map(|stand| installed(stand).remove(0));
    for member in ["id", "digest", "pinned", "signer", "rights", "accept"] {
        assert!(!there[member].is_null(), "{member}: {there}");
        assert_eq!(there[member], here[member], "{member}");
    }
    // By its tag too, while that names the same.
    locked.install(&second, &[&locked.place]).unwrap();

    // What the second host has is the same lock.
    let written = second.scratch().join("written.lock");
    done(&second, &["plugin", "lock", written.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(written).unwrap(), locked.text());
}

#[test]
fn a_tag_that_names_another_file_is_refused_and_what_was_locked_is_still_had() {
    let locked = peer!(Locked::new());
    let other = version("playground", "0.1.0", locked.first.scratch(), |manifest| {
        manifest.plugin.description = "Not what was reviewed".into();
    });
    locked.publish(&other, &locked.place, &locked.key);
    let second = locked.fresh();
    let outcome = locked.install(&second, &[&locked.place]);
    refused(&second, outcome, &["digest: locked `sha256:", "from: locked `oci://", "nothing was installed"]);
    locked.install(&second, &[]).unwrap();
    assert_eq!(installed(&second)[0]["digest"], installed(&locked.first)[0]["digest"]);
}

#[test]
fn another_version_under_the_tag_is_not_in_the_lock() {
    let locked = peer!(Locked::new());
    let other = version("playground", "0.2.0", locked.first.scratch(), |_| {});
    locked.publish(&other, &locked.place, &locked.key);
    let second = locked.fresh();
    let outcome = locked.install(&second, &[&locked.place]);
    refused(&second, outcome, &["`playground@0.2.0` is not in it; locked is playground@0.1.0"]);
}

#[test]
fn more_rights_than_are_locked_are_told_one_by_one() {
    let locked = peer!(Locked::new());
    let other = version("playground", "0.1.0", locked.first.scratch(), |manifest| {
        manifest.limits.memory_mib = Some(256);
    });
    locked.publish(&other, &locked.place, &locked.key);
    let second = locked.fresh();
    let outcome = locked.install(&second, &[&locked.place]);
    let more = "rights: locked nothing, found `use more than by default: memory-mib 256`";
    refused(&second, outcome, &[more, "accept: locked `"]);
}

#[test]
fn another_signer_of_the_same_file_is_refused() {
    let locked = peer!(Locked::new());
    let other = keygen(&locked.first, "other");
    locked.publish(&packed("playground"), &locked.place, &other);
    let second = Stand::start();
    locked.trust(&second, &other);
    let outcome = locked.install(&second, &[]);
    refused(&second, outcome, &["signer: locked `key sha256:", "found `key sha256:"]);

    // And one whom the host does not trust is not trusted for being locked.
    let third = Stand::start();
    locked.trust(&third, &keygen(&third, "third"));
    let outcome = locked.install(&third, &[]);
    refused(&third, outcome, &["refused: "]);
}

#[test]
fn a_lock_that_was_tampered_with_installs_none_of_what_it_names() {
    let locked = peer!(Locked::new());
    let place = format!("oci://{}/acme/playground:0.2.0", locked.registry.address());
    let file = version("playground", "0.2.0", locked.first.scratch(), |_| {});
    locked.publish(&file, &place, &locked.key);
    done(&locked.first, &["plugin", "install", &place, &locked.option()]);
    let whole = locked.text();
    assert_eq!(whole.matches("[[plugin]]").count(), 2, "{whole}");

    // The last entry: the first one alone would be installed.
    let (before, last) = whole.rsplit_once("digest = \"sha256:").unwrap();
    let flipped = if last.starts_with('0') { '1' } else { '0' };
    let second = locked.fresh();
    fs::write(&locked.lock, format!("{before}digest = \"sha256:{flipped}{}", &last[1..])).unwrap();
    let outcome = locked.install(&second, &[]);
    refused(&second, outcome, &["`playground@0.2.0`: digest: locked `sha256:"]);

    // Without the last entry: what it named is not installed by this lock.
    let without = whole.rsplit_once("\n[[plugin]]").unwrap().0;
    fs::write(&locked.lock, without).unwrap();
    let outcome = locked.install(&second, &[&place]);
    refused(&second, outcome, &["`playground@0.2.0` is not in it; locked is playground@0.1.0"]);

    fs::write(&locked.lock, whole).unwrap();
    locked.install(&second, &[]).unwrap();
    assert_eq!(installed(&second).len(), 2);
}

#[test]
fn two_signers_of_one_plugin_are_told_before_the_first_is_installed() {
    let locked = peer!(Locked::new());
    let other = keygen(&locked.first, "other");
    let place = format!("oci://{}/acme/playground:0.2.0", locked.registry.address());
    locked.publish(&version("playground", "0.2.0", locked.first.scratch(), |_| {}), &place, &other);
    let both = |stand: &Stand| {
        let signer = |key: &Path| {
            let key = fs::read_to_string(key.with_extension("pub")).unwrap();
            format!("[[source.signer]]\nkey = '''\n{key}'''\n")
        };
        let (file, prefix) = (stand.scratch().join("both.toml"), locked.registry.address());
        let policy = format!("[[source]]\nprefix = \"oci://{prefix}\"\n{}{}", signer(&locked.key), signer(&other));
        fs::write(&file, policy).unwrap();
        done(stand, &["trust", "set", file.to_str().unwrap()]);
    };
    both(&locked.first);
    done(&locked.first, &["plugin", "install", &place, "--allow-other-signer", &locked.option()]);
    let second = Stand::start();
    both(&second);
    let outcome = locked.install(&second, &[]);
    refused(&second, outcome, &["`playground@0.2.0`: another version of it is locked with another signer"]);
    locked.install(&second, &["--allow-other-signer"]).unwrap();
    assert_eq!(installed(&second).len(), 2);
}

#[test]
fn the_host_itself_refuses_another_file_than_the_one_that_was_looked_at() {
    let locked = peer!(Locked::new());
    let second = locked.fresh();
    let from = json!({"from": locked.place});
    let [digest, accept] =
        ["digest", "accept"].map(|name| installed(&locked.first)[0][name].as_str().unwrap().to_owned());
    let send = |digest: &str| {
        second.server().send("POST", &format!("/v1/plugins?accept={accept}&digest={digest}"), &from).unwrap()
    };
    let other = format!("sha256:{}", "0".repeat(64));
    let (status, problem) = send(&other);
    assert_eq!((status, problem["code"].as_str()), (409, Some("other-digest")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(&digest), "{problem}");
    assert_eq!(send("sha256:00").0, 400);
    assert_eq!(installed(&second), Vec::<Value>::new());
    assert_eq!(send(&digest).0, 201);
}

#[test]
fn documents_take_plugins_from_where_they_are_locked() {
    let locked = peer!(Locked::new());
    let second = locked.fresh();
    let site = second.scratch().join("site.yaml");
    let documents = "plugin: {name: playground, version: 0.1.0}\n---\nintegration: {name: play, plugin: playground}\n";
    fs::write(&site, documents).unwrap();
    let lock = locked.option();
    let apply = ["apply", "-f", site.to_str().unwrap(), "--locked", &lock];
    let whole = locked.text();
    let (head, _) = whole.split_once("\n[[plugin]]").unwrap();
    fs::write(&locked.lock, head).unwrap();
    refused(&second, asked(&second, &apply), &["`playground` of integration `play` is not in it"]);

    fs::write(&locked.lock, &whole).unwrap();
    done(&second, &apply);
    assert_eq!(installed(&second)[0]["pinned"], installed(&locked.first)[0]["pinned"]);
    assert_eq!(second.server().get("/v1/integrations/play").unwrap()["plugin-version"], "0.1.0");
    assert_eq!(done(&second, &apply)["changes"], json!([]));
}
