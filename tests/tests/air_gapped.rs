//! A site without a network: plugins are carried there as files, and installed and run where no address can be reached at all, not
//! even this machine's own.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use jackfield_peers::{jackfield::Program, record};
use jackfield_tests::packed;
use serde_json::Value;
use tempfile::TempDir;

const PASSWORD: &str = "a password for a key";

/// A command of the program in a network namespace of its own, which has no way out.
fn cut_off(arguments: &[&str]) -> Command {
    let program = Program::built().unwrap().command();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "--"]).arg(program.get_program()).args(arguments);
    // Whoever looks for a network finds none; and nothing says where to look.
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("JACKFIELD_KEY_PASSWORD", PASSWORD);
    command
}

fn done(data: &Path, arguments: &[&str]) -> Value {
    let (data, cache) = (data.to_str().unwrap(), data.join("cache"));
    let cache = cache.to_str().unwrap();
    let all = [&["--data", data, "--cache", cache, "-o", "json"], arguments].concat();
    let Output { status, stdout, stderr } = cut_off(&all).output().unwrap();
    assert!(
        status.success(),
        "{arguments:?}: {}{}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    );
    serde_json::from_slice(&stdout).unwrap_or_default()
}

#[test]
fn a_site_without_a_network_installs_from_a_folder_and_starts_again() {
    let cut = cut_off(&["--version"]).output();
    if !cut.is_ok_and(|output| output.status.success()) {
        return record::not_allowed("network namespaces", "this machine lets nobody make one (`unshare --user --net`)");
    }
    let outside = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--", "cat", "/proc/net/route"])
        .output()
        .unwrap();
    assert!(outside.status.success());
    assert!(
        String::from_utf8_lossy(&outside.stdout).lines().count() <= 1,
        "there is no route, at most the table's head"
    );

    // What is carried there: the file, its signature, the key to believe it by, and a lock.
    let (folder, here) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let file = folder.path().join("playground.wasm");
    fs::copy(packed("playground"), &file).unwrap();
    let (file, key) = (file.to_str().unwrap(), folder.path().join("acme"));
    done(here.path(), &["plugin", "keygen", key.to_str().unwrap()]);
    done(here.path(), &["plugin", "sign", file, "--key", key.with_extension("key").to_str().unwrap()]);
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let policy = folder.path().join("trust.toml");
    fs::write(&policy, format!("[[source]]\nprefix = \"file:\"\n[[source.signer]]\nkey = '''\n{public}'''\n")).unwrap();
    done(here.path(), &["trust", "set", policy.to_str().unwrap()]);
    let accept = done(here.path(), &["plugin", "inspect", file])["accept"].as_str().unwrap().to_owned();
    let lock = format!("--lock={}", folder.path().join("jackfield.lock").display());
    done(here.path(), &["plugin", "install", file, "--accept", &accept, &lock]);

    // There.
    let site = TempDir::new().unwrap();
    done(site.path(), &["trust", "set", policy.to_str().unwrap()]);
    done(site.path(), &["plugin", "install", "--locked", &lock]);
    done(site.path(), &["integration", "add", "play", "--plugin", "playground"]);
    // Each command starts the host anew.
    done(site.path(), &["call", "play", "key-value.put", "key=a", "value=b"]);
    let got = done(site.path(), &["call", "play", "key-value.get", "key=a"]);
    assert_eq!(got["value"], jackfield_tests::base64("b"), "{got}");
    let plugin = done(site.path(), &["plugin", "show", "playground"]);
    assert_eq!(plugin["signer"]["kind"], "key", "{plugin}");
}

#[test]
fn a_site_without_a_network_installs_by_name_from_a_mirrors_folder() {
    let cut = cut_off(&["--version"]).output();
    if !cut.is_ok_and(|output| output.status.success()) {
        return record::not_allowed("network namespaces", "this machine lets nobody make one (`unshare --user --net`)");
    }
    // An index with the plugin in it, and a copy of that, as somebody carries it there.
    let (folder, here) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for name in ["sources", "packages"] {
        fs::create_dir_all(at(name)).unwrap();
    }
    fs::write(at("sources/index.toml"), "name = \"acme\"\ndescription = \"What Acme makes\"\n").unwrap();
    fs::copy(packed("playground"), at("packages/playground.wasm")).unwrap();
    let (key, public) = (at("acme.key"), at("acme.pub"));
    done(here.path(), &["plugin", "keygen", &at("acme")]);
    done(here.path(), &["plugin", "sign", &at("packages/playground.wasm"), "--key", &key]);
    let (sources, packages, index, mirror) = (at("sources"), at("packages"), at("index"), at("mirror"));
    done(here.path(), &["registry", "build", &sources, "--packages", &packages, "--out", &index, "--key", &key]);
    done(here.path(), &["registry", "mirror", &index, &mirror, "--key", &public]);
    fs::remove_dir_all(&index).unwrap();

    // There.
    let site = TempDir::new().unwrap();
    let pem = fs::read_to_string(&public).unwrap();
    let policy = at("trust.toml");
    fs::write(&policy, format!("[[source]]\nprefix = \"file:{mirror}\"\n[[source.signer]]\nkey = '''\n{pem}'''\n"))
        .unwrap();
    done(site.path(), &["trust", "set", &policy]);
    done(site.path(), &["registry", "add", "mirror", &mirror, "--key", &public]);
    let plan = done(site.path(), &["plugin", "inspect", "playground"]);
    let accept = plan["accept"].as_str().map(|accept| vec!["--accept", accept]).unwrap_or_default();
    let installed = done(site.path(), &[&["plugin", "install", "playground"], &accept[..]].concat());
    assert_eq!(installed["signer"]["kind"], "key", "{installed}");
    done(site.path(), &["integration", "add", "play", "--plugin", "playground"]);
    done(site.path(), &["call", "play", "key-value.put", "key=greeting", "value=hello"]);
    // Without the folder too: what is installed is here.
    fs::remove_dir_all(&mirror).unwrap();
    let got = done(site.path(), &["call", "play", "key-value.get", "key=greeting"]);
    assert!(got.to_string().contains("aGVsbG8="), "{got}");
    let listed = done(site.path(), &["registry", "list"]);
    assert_eq!(listed["items"][0]["index"]["plugins"], 1, "what was known of the registry is still known: {listed}");
}
