//! Registries of plugins: an index that is made, signed and hosted by the program, and what a host that knows it installs,
//! refuses and tells; and a mirror of it at a site that reaches nobody.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::version;
use jackfield_tests::{Stand, packed, web_folder::WebFolder};
use serde_json::{Value, json};
use tempfile::TempDir;

const PASSWORD: &str = "a password for a key";
/// What every version of the playground asks for and is accepted once.
const NAME: &str = "playground";

/// Who hosts an index: its sources, plugins' files, a key, and the folder that is hosted.
struct Maker {
    folder: TempDir,
    stand: Stand,
    web: WebFolder,
}

impl Maker {
    /// One with three versions of the playground, of which the last is for later hosts.
    fn new() -> Maker {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name);
        ["sources/plugins", "sources/advisories", "packages", "public"]
            .iter()
            .for_each(|name| fs::create_dir_all(path(name)).unwrap());
        fs::write(path("sources/index.toml"), "name = \"acme\"\ndescription = \"What Acme makes\"\n").unwrap();
        let web = WebFolder::serve(&path("public"));
        let maker = Maker { stand: Stand::start(), web, folder };
        maker.done(&["plugin", "keygen", maker.path("acme").to_str().unwrap()]);
        for number in ["0.1.0", "0.2.0"] {
            maker.release(number, |_| {});
        }
        maker.release("0.3.0", |manifest| manifest.plugin.host = ">=7.0.0".parse().unwrap());
        maker.build();
        maker
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes and signs a version of the playground.
    fn release(&self, number: &str, change: impl FnOnce(&mut jackfield_registry::Manifest)) {
        let file = version(NAME, number, &self.path("packages"), change);
        self.done(&["plugin", "sign", file.to_str().unwrap(), "--key", self.key().to_str().unwrap()]);
    }

    fn key(&self) -> PathBuf {
        self.path("acme.key")
    }

    fn build(&self) -> Value {
        let path = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let (sources, packages, out, key) = (path("sources"), path("packages"), path("public"), path("acme.key"));
        self.done(&["registry", "build", &sources, "--packages", &packages, "--out", &out, "--key", &key])
    }

    fn note(&self, file: &str, text: &str) {
        fs::write(self.path("sources").join(file), text).unwrap();
        self.build();
    }

    fn asked(&self, arguments: &[&str]) -> Result<Value, String> {
        asked(&self.stand, arguments)
    }

    fn done(&self, arguments: &[&str]) -> Value {
        self.asked(arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }
}

fn asked(stand: &Stand, arguments: &[&str]) -> Result<Value, String> {
    let mut command = stand.server().command();
    let output = command.args(arguments).args(["-o", "json"]).env("JACKFIELD_KEY_PASSWORD", PASSWORD).output().unwrap();
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap_or_default());
    }
    Err(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

fn done(stand: &Stand, arguments: &[&str]) -> Value {
    asked(stand, arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

/// Has a host trust what Acme signed, from some place.
fn trust(stand: &Stand, maker: &Maker, prefix: &str, rest: &str) {
    let public = fs::read_to_string(maker.path("acme.pub")).unwrap();
    let file = stand.scratch().join("trust.toml");
    let rule = format!("[[source]]\nprefix = \"{prefix}\"\n[[source.signer]]\nkey = '''\n{public}'''\n");
    fs::write(&file, format!("{rest}\n{rule}")).unwrap();
    done(stand, &["trust", "set", file.to_str().unwrap()]);
}

/// A host that knows Acme's index.
fn site(maker: &Maker) -> Stand {
    let stand = Stand::start();
    trust(&stand, maker, maker.web.url(), "");
    let key = maker.path("acme.pub");
    done(&stand, &["registry", "add", "acme", maker.web.url(), "--key", key.to_str().unwrap()]);
    stand
}

fn install(stand: &Stand, what: &[&str]) -> Result<Value, String> {
    let plan = asked(stand, &[&["plugin", "inspect"], what].concat())?;
    let accept = plan["accept"].as_str().map(|accept| vec!["--accept", accept]).unwrap_or_default();
    asked(stand, &[&["plugin", "install"], what, &accept].concat())
}

#[test]
fn a_plugin_is_found_by_a_word_and_installed_by_its_name() {
    let maker = Maker::new();
    let stand = site(&maker);
    let found = done(&stand, &["registry", "search", "service-discovery"]);
    assert_eq!(found["items"][0]["name"], NAME, "{found}");
    assert_eq!(done(&stand, &["registry", "search", "nothing-of-that-name"])["items"], json!([]));

    maker.web.asked();
    let chosen = stand.server().get(&format!("/v1/choice?plugin={NAME}")).unwrap();
    assert_eq!((&chosen["version"], &chosen["registry"]), (&json!("0.2.0"), &json!("acme")), "{chosen}");
    let passed_over = chosen["passed-over"][0].as_str().unwrap();
    assert!(passed_over.contains("0.3.0") && passed_over.contains(">=7.0.0"), "{passed_over}");
    assert_eq!(maker.web.asked(), Vec::<String>::new(), "choosing asks no network");

    let lock = format!("--lock={}", stand.scratch().join("jackfield.lock").display());
    let installed = install(&stand, &[NAME]).unwrap();
    assert_eq!((&installed["version"], &installed["signer"]["kind"]), (&json!("0.2.0"), &json!("key")));
    assert!(maker.web.asked().iter().all(|asked| asked.contains("packages") || asked.contains(".wasm")));
    let exactly = install(&stand, &[&format!("acme/{NAME}@=0.1.0")]).unwrap();
    assert_eq!(exactly["version"], "0.1.0");
    // A lock of what was installed by name installs the same elsewhere.
    done(&stand, &["plugin", "install", NAME, &lock]);
    let other = site(&maker);
    let all = done(&other, &["plugin", "install", "--locked", &lock]);
    assert_eq!(all["items"][0]["digest"], installed["digest"], "{all}");

    assert_eq!(done(&stand, &["plugin", "outdated"]), json!({"items": []}), "it is the newest that would do");
    maker.release("0.2.7", |_| {});
    maker.build();
    done(&stand, &["registry", "sync"]);
    let newer = &done(&stand, &["plugin", "outdated"])["available"][0];
    assert_eq!((&newer["installed"], &newer["available"]), (&json!("0.2.0"), &json!("0.2.7")), "{newer}");
}

#[test]
fn what_will_not_do_is_told_with_the_reason_and_the_nearest_version() {
    let maker = Maker::new();
    let stand = site(&maker);
    for (what, expected) in [
        (vec!["playground@^0.3"], vec!["0.3.0", ">=7.0.0", "0.2.0"]),
        (vec!["playground@^2"], vec!["0.2.0"]),
        (vec!["playgruond"], vec!["playground"]),
        (vec!["other/playground"], vec!["acme"]),
        (vec!["playground", "--needs", "jackfield:key-value@^0.9"], vec!["key-value", "0.1.0"]),
        (vec!["playground", "--needs", "jackfield:metrics@^0.1"], vec!["metrics"]),
        (vec!["playground@not-a-range"], vec!["not-a-range"]),
    ] {
        let error = install(&stand, &what).unwrap_err();
        assert!(expected.iter().all(|word| error.contains(word)), "{what:?}: {error}");
    }
    assert_eq!(install(&stand, &["playground", "--needs", "jackfield:key-value@^0.1"]).unwrap()["version"], "0.2.0");
    assert!(asked(&Stand::start(), &["plugin", "inspect", "playground"]).unwrap_err().contains("registry add"));
}

#[test]
fn what_was_taken_back_is_only_for_whoever_names_it() {
    let maker = Maker::new();
    maker.note(
        "plugins/playground.toml",
        "[deprecated]\nreason = \"The workshop is better\"\nreplacement = \"workshop\"\n\n[[release]]\nversion = \"0.2.0\"\nyanked = \"It loses keys\"\n",
    );
    let stand = site(&maker);
    let chosen = stand.server().get("/v1/choice?plugin=playground").unwrap();
    assert_eq!(chosen["version"], "0.1.0", "{chosen}");
    assert_eq!(chosen["deprecated"]["replacement"], "workshop");
    assert!(chosen["passed-over"].to_string().contains("It loses keys"), "{chosen}");
    let refused = install(&stand, &["playground@>=0.2, <0.3"]).unwrap_err();
    assert!(refused.contains("It loses keys"), "{refused}");
    assert_eq!(install(&stand, &["playground@0.2.0"]).unwrap()["version"], "0.2.0");
    assert_eq!(done(&stand, &["registry", "search", NAME])["items"][0]["deprecated"], true);
}

#[test]
fn a_known_fault_is_refused_or_told_as_the_policy_says() {
    let maker = Maker::new();
    let stand = site(&maker);
    install(&stand, &["playground@0.2.0"]).unwrap();
    let advisory = |id: &str, subject: &str, affected: &str, severity: &str| {
        format!(
            "id = \"{id}\"\nsubject = \"{subject}\"\naffected = [\"{affected}\"]\nseverity = \"{severity}\"\ntitle = \"Keys are lost\"\ndescription = \"Now and then.\"\nfixed = \"0.2.1\"\npublished = \"2026-01-01T00:00:00Z\"\n"
        )
    };
    maker.note("advisories/ACME-1.toml", &advisory("ACME-1", "plugin:playground", "<0.2.1", "high"));
    assert_eq!(done(&stand, &["advisories"])["items"], json!([]), "nobody has asked yet");
    let synced = done(&stand, &["registry", "sync"]);
    assert_eq!(synced["items"][0]["index"]["advisories"], 1, "{synced}");

    let known = done(&stand, &["advisories"]);
    assert_eq!((&known["items"][0]["id"], &known["items"][0]["refused"]), (&json!("ACME-1"), &json!(true)), "{known}");
    assert!(asked(&stand, &["advisories", "--exit-code"]).is_err());
    let status = stand.server().get("/v1/status").unwrap();
    assert!(status["concerns"].to_string().contains("ACME-1"), "{status}");
    let trail = done(&stand, &["audit", "tail", "--limit", "50"]);
    assert!(trail.to_string().contains("known fault: ACME-1 (high)"), "{trail}");

    // By name none is chosen that has it; nor is it installed from anywhere else.
    let refused = install(&stand, &["playground@0.1.0"]).unwrap_err();
    assert!(refused.contains("ACME-1"), "{refused}");
    let file = version(NAME, "0.0.9", stand.scratch(), |_| {});
    let refused = install(&stand, &[file.to_str().unwrap(), "--allow-unsigned", "--allow-other-signer"]).unwrap_err();
    assert!(refused.contains("--allow-advisory ACME-1"), "{refused}");
    let allowed = install(&stand, &["playground@0.1.0", "--allow-advisory", "ACME-1"]).unwrap();
    assert_eq!(allowed["version"], "0.1.0");
    // What was installed before goes on.
    done(&stand, &["integration", "add", "play", "--plugin", "playground@0.2.0"]);
    let known = done(&stand, &["advisories"]);
    assert!(known["items"].to_string().contains("\"play\""), "{known}");

    // What is let pass is told.
    trust(&stand, &maker, maker.web.url(), "[advisories]\nrefuse = \"critical\"\n");
    done(&stand, &["plugin", "remove", "playground@0.1.0"]);
    let plan = done(&stand, &["plugin", "inspect", "playground@0.1.0"]);
    assert_eq!((&plan["advisories"][0]["id"], &plan["refused"]), (&json!("ACME-1"), &Value::Null), "{plan}");
    install(&stand, &["playground@0.1.0"]).unwrap();

    // What everything runs in counts for all that is installed.
    let runtime = advisory("ACME-2", "runtime", "<1000.0.0", "critical").replace("0.2.1", "1000.0.0");
    maker.note("advisories/ACME-2.toml", &runtime);
    done(&stand, &["registry", "sync", "acme"]);
    assert_eq!(done(&stand, &["advisories"])["items"][0]["subject"], "runtime");
    maker.release("0.2.5", |_| {});
    maker.build();
    done(&stand, &["registry", "sync", "acme"]);
    let refused = install(&stand, &["playground@0.2.5"]).unwrap_err();
    assert!(refused.contains("ACME-2") && refused.contains("wasmtime"), "{refused}");
}

#[test]
fn an_index_that_is_old_forged_or_half_there_changes_nothing() {
    let maker = Maker::new();
    let mut stand = site(&maker);
    let (root, signature) = (maker.path("public/index.json"), maker.path("public/index.json.sigstore.json"));
    let (old, old_signature) = (fs::read(&root).unwrap(), fs::read(&signature).unwrap());
    maker.release("0.2.1", |_| {});
    maker.build();
    let (new, new_signature) = (fs::read(&root).unwrap(), fs::read(&signature).unwrap());
    let put = |bytes: &[u8], bundle: &[u8]| {
        fs::write(&root, bytes).unwrap();
        fs::write(&signature, bundle).unwrap();
    };
    let sync = |stand: &Stand| asked(stand, &["registry", "sync", "acme"]);
    let newest = |stand: &Stand| stand.server().get("/v1/choice?plugin=playground").unwrap()["version"].clone();

    // Another root under the old signature, or none.
    put(&new, &old_signature);
    assert!(sync(&stand).unwrap_err().contains("sign"), "another's signature");
    fs::remove_file(&signature).unwrap();
    assert!(sync(&stand).unwrap_err().contains("sign"), "no signature");
    // A page that is not the root's.
    let page = maker.path("public/plugins/playground.json");
    let whole = fs::read(&page).unwrap();
    put(&new, &new_signature);
    fs::write(&page, b"{}").unwrap();
    assert!(sync(&stand).unwrap_err().contains("digest"), "another page");
    fs::remove_file(&page).unwrap();
    assert!(sync(&stand).is_err(), "no page");
    assert_eq!(newest(&stand), "0.2.0");
    fs::write(&page, &whole).unwrap();
    sync(&stand).unwrap();
    assert_eq!(newest(&stand), "0.2.1");

    // The old one again, though it is signed: also after a restart.
    put(&old, &old_signature);
    assert!(sync(&stand).unwrap_err().contains("old copy"), "rolled back");
    stand.restart();
    assert!(sync(&stand).unwrap_err().contains("old copy"), "rolled back");
    assert_eq!(newest(&stand), "0.2.1");
    put(&new, &new_signature);
    maker.web.asked();
    sync(&stand).unwrap();
    assert_eq!(maker.web.asked(), ["304 /index.json"], "what is known is not fetched again");
    let trail = done(&stand, &["audit", "tail", "--limit", "50"]).to_string();
    assert!(trail.contains("not so: the registry `acme` was brought up to date"), "{trail}");

    // Another key, nobody's key, nobody there.
    let other = maker.path("other");
    maker.done(&["plugin", "keygen", other.to_str().unwrap()]);
    let public = other.with_extension("pub");
    let add = |more: &[&str]| asked(&stand, &[&["registry", "add"], more].concat());
    let url = maker.web.url();
    assert!(add(&["other", url, "--key", public.to_str().unwrap()]).unwrap_err().contains("sign"));
    assert!(add(&["other", url]).unwrap_err().contains("--key"));
    assert!(add(&["other", "http://127.0.0.1:9/x", "--allow-unsigned"]).is_err());
    assert!(add(&["Other", url, "--allow-unsigned"]).unwrap_err().contains("lower-case"));
    assert!(add(&["other", "ftp://127.0.0.1/x", "--allow-unsigned"]).unwrap_err().contains("https://"));
    assert_eq!(done(&stand, &["registry", "list"])["items"].as_array().unwrap().len(), 1);
}

#[test]
fn a_file_that_is_not_the_one_of_the_index_is_not_installed() {
    let maker = Maker::new();
    let stand = site(&maker);
    // The same version, signed by the same key, and another file.
    let packages: Vec<PathBuf> = files_below(&maker.path("public")).into_iter().filter(|file| is_wasm(file)).collect();
    for file in packages {
        maker.done(&["plugin", "sign", packed(NAME).to_str().unwrap(), "--key", maker.key().to_str().unwrap()]);
        fs::copy(packed(NAME), &file).unwrap();
        let bundle = |file: &Path| PathBuf::from(format!("{}.sigstore.json", file.display()));
        fs::copy(bundle(&packed(NAME)), bundle(&file)).unwrap();
        fs::remove_file(bundle(&packed(NAME))).unwrap();
    }
    let refused = install(&stand, &["playground@0.2.0"]).unwrap_err();
    assert!(refused.contains("sha256:"), "{refused}");
    assert_eq!(done(&stand, &["plugin", "list"])["items"], json!([]));
}

#[test]
fn the_first_registry_that_has_a_plugin_is_the_one_it_is_taken_from() {
    let (first, second) = (Maker::new(), Maker::new());
    second.release("9.0.0", |_| {});
    second.build();
    let stand = site(&first);
    let key = second.path("acme.pub");
    done(&stand, &["registry", "add", "public", second.web.url(), "--key", key.to_str().unwrap()]);
    let chosen = |plugin: &str| {
        let chosen = stand.server().get(&format!("/v1/choice?plugin={plugin}")).unwrap();
        (chosen["registry"].as_str().unwrap().to_owned(), chosen["version"].as_str().unwrap().to_owned())
    };
    assert_eq!(chosen("playground"), ("acme".to_owned(), "0.2.0".to_owned()), "no higher version takes its place");
    assert_eq!(chosen("public/playground"), ("public".to_owned(), "9.0.0".to_owned()));
    let found = done(&stand, &["registry", "search", "playground"]);
    assert_eq!(found["items"][1]["hidden-by"], "acme", "{found}");
    done(&stand, &["registry", "remove", "acme"]);
    assert_eq!(chosen("playground").0, "public");
}

#[test]
fn a_mirror_serves_a_site_by_the_same_signatures_when_its_origin_is_gone() {
    let maker = Maker::new();
    let mirror = maker.path("mirror");
    let (mirror, key) = (mirror.to_str().unwrap(), maker.path("acme.pub"));
    let key = key.to_str().unwrap();
    let wrong = maker.asked(&["registry", "mirror", maker.web.url(), mirror, "playground@^7", "--key", key]);
    assert!(wrong.unwrap_err().contains("playground@^7"));
    let made = maker.done(&["registry", "mirror", maker.web.url(), mirror, "--key", key]);
    assert_eq!(made["added"].as_array().unwrap().len(), 3, "{made}");
    let again = maker.done(&["registry", "mirror", maker.web.url(), mirror, "--key", key]);
    assert_eq!(again["added"], json!([]), "{again}");
    fs::remove_dir_all(maker.path("public")).unwrap();

    let stand = Stand::start();
    trust(&stand, &maker, &format!("file:{mirror}"), "");
    done(&stand, &["registry", "add", "mirror", mirror, "--key", key]);
    maker.web.asked();
    let installed = install(&stand, &["playground"]).unwrap();
    assert_eq!((&installed["version"], &installed["signer"]["kind"]), (&json!("0.2.0"), &json!("key")), "{installed}");
    assert_eq!(maker.web.asked(), Vec::<String>::new());

    // A copy that was tampered with is not what the index names.
    for file in files_below(Path::new(mirror)).into_iter().filter(|file| is_wasm(file)) {
        fs::write(file, b"another file").unwrap();
    }
    assert!(install(&stand, &["playground@0.1.0"]).unwrap_err().contains("sha256:"));
}

#[test]
fn a_copy_that_nobody_signed_is_not_what_is_published_elsewhere() {
    let maker = Maker::new();
    // The index says that its plugins are at another place, which is asked by nobody: it has copies itself.
    let (elsewhere, folder) = (TempDir::new().unwrap(), maker.path("sources/index.toml"));
    let other = WebFolder::serve(elsewhere.path());
    let place = format!("place = \"{}/{{name}}-{{version}}.wasm\"\n", other.url());
    fs::write(&folder, format!("name = \"acme\"\ndescription = \"What Acme makes\"\n{place}")).unwrap();
    fs::remove_dir_all(maker.path("public")).unwrap();
    maker.build();
    let digest = jackfield_registry::Digest::of(&fs::read(maker.path("packages/playground-0.2.0.wasm")).unwrap());
    let copy = maker.path(&format!("public/packages/sha256/{}.wasm", digest.hex()));
    fs::create_dir_all(copy.parent().unwrap()).unwrap();
    fs::copy(maker.path("packages/playground-0.2.0.wasm"), &copy).unwrap();

    let stand = site(&maker);
    let policy = stand.scratch().join("trust.toml");
    fs::write(&policy, format!("[[source]]\nprefix = \"{}\"\nunsigned = \"allow\"\n", other.url())).unwrap();
    done(&stand, &["trust", "set", policy.to_str().unwrap()]);
    let refused = install(&stand, &["playground@0.2.0"]).unwrap_err();
    assert!(refused.contains("packages/sha256") && refused.contains("no rule"), "{refused}");
    assert_eq!(other.asked(), Vec::<String>::new());
    // What really is there is taken.
    fs::remove_file(&copy).unwrap();
    fs::copy(maker.path("packages/playground-0.2.0.wasm"), elsewhere.path().join("playground-0.2.0.wasm")).unwrap();
    assert_eq!(install(&stand, &["playground@0.2.0"]).unwrap()["version"], "0.2.0");
}

fn is_wasm(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "wasm")
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let below = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path) } else { vec![path] }
    };
    fs::read_dir(folder).unwrap().flat_map(below).collect()
}
