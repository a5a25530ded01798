//! Building an index and a mirror of one: what comes out is what can be read, again and again, whatever happens in between.

mod common;

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use common::{Workshop, files, version};
use jackfield_index::{Build, BuildError, Location, Mirror, Outcome, Root, SIGNATURE_FILE, package_path, verify};
use jackfield_registry::{Digest, Limits, Manifest, Package, Rights};
use jackfield_trust::{PrivateKey, SignerRule, Signers};

const DAY: Duration = Duration::from_secs(86_400);

fn days(count: u32) -> Duration {
    DAY * count
}

#[test]
fn an_index_of_files_says_what_the_files_say_of_themselves() {
    let workshop = Workshop::new();
    workshop.give("etcd", "1.0.0");
    workshop.give("etcd", "1.1.0-rc.1");
    workshop.give("consul", "0.1.0");
    let built = workshop.build().unwrap();
    assert_eq!((built.serial, built.outcome), (1, Outcome::Written));
    assert_eq!(built.added, ["consul@0.1.0", "etcd@1.0.0", "etcd@1.1.0-rc.1"]);

    let (root, page) = (workshop.root(), workshop.page("etcd"));
    assert_eq!(root.plugins.keys().collect::<Vec<_>>(), ["consul", "etcd"]);
    assert_eq!(root.plugins["etcd"].newest, Some(version("1.0.0")));
    assert_eq!(root.plugins["etcd"].description, "It is etcd 1.0.0");
    assert_eq!(root.expires.to_string(), "2027-02-26T10:00:00Z");
    let release = page.release(&version("1.0.0")).unwrap();
    let bytes = common::plugin("etcd", "1.0.0");
    let package = Package::read(&bytes).unwrap();
    let rights = Rights::of(&package.manifest, &Limits::default());
    assert_eq!(release.digest, Digest::of(&bytes));
    assert_eq!(release.size, bytes.len() as u64);
    assert_eq!(release.capabilities, package.manifest.plugin.capabilities);
    assert_eq!(release.compatibility, package.manifest.compatibility);
    assert_eq!((&release.rights, release.accept.clone()), (&rights.lines(), Some(rights.token("etcd"))));
    assert_eq!(workshop.files()[&package_path(&release.digest)], bytes);
}

#[test]
fn the_same_is_the_same_bytes_wherever_it_is_built() {
    let (one, other) = (Workshop::new(), Workshop::new());
    for (name, version) in [("a", "1.0.0"), ("b", "1.0.0"), ("b", "2.0.0")] {
        one.give(name, version);
    }
    for (name, version) in [("b", "2.0.0"), ("b", "1.0.0"), ("a", "1.0.0")] {
        other.write(&format!("packed/{version}-of-{name}.wasm"), common::plugin(name, version));
    }
    one.build().unwrap();
    other.build().unwrap();
    assert_eq!(one.files(), other.files());
}

#[test]
fn where_nothing_changed_nothing_is_written_until_half_of_its_time_is_over() {
    let mut workshop = Workshop::new();
    workshop.give("etcd", "1.0.0");
    workshop.build().unwrap();
    let before = workshop.files();
    workshop.now = common::now().after(days(44));
    let built = workshop.build().unwrap();
    assert_eq!((built.serial, built.outcome), (1, Outcome::Unchanged));
    assert_eq!(workshop.files(), before);

    workshop.now = common::now().after(days(46));
    let built = workshop.build().unwrap();
    assert_eq!((built.serial, built.outcome, built.added.len()), (2, Outcome::Written, 0));
    assert_eq!(workshop.root().published, workshop.now);
    assert_eq!(workshop.files()["plugins/etcd.json"], before["plugins/etcd.json"]);
}

#[test]
fn what_is_built_upon_an_index_keeps_its_releases_and_when_they_came() {
    let mut workshop = Workshop::new();
    workshop.give("etcd", "1.0.0");
    workshop.build().unwrap();
    let seen = workshop.root().seen(&workshop.files()["index.json"]);
    fs::remove_dir_all(workshop.path("packed")).unwrap();
    workshop.give("etcd", "1.1.0");
    workshop.now = common::now().after(days(1));
    let built = workshop.build().unwrap();
    assert_eq!((built.serial, built.added), (2, vec!["etcd@1.1.0".to_owned()]));
    workshop.root().follows(&workshop.files()["index.json"], &seen).unwrap();
    let page = workshop.page("etcd");
    let times: Vec<_> = page.releases.iter().map(|release| (release.version.to_string(), release.published)).collect();
    assert_eq!(times, [("1.0.0".to_owned(), common::now()), ("1.1.0".to_owned(), workshop.now)]);

    // A clock that was put back.
    workshop.now = common::now();
    workshop.give("etcd", "1.2.0");
    workshop.build().unwrap();
    assert_eq!(workshop.root().published, common::now().after(days(1)));
}

#[test]
fn notes_say_what_is_taken_back_and_only_as_long_as_they_say_it() {
    let workshop = Workshop::new();
    workshop.give("etcd", "1.0.0");
    workshop.give("etcd", "1.1.0");
    let notes = "[deprecated]\nreason = \"Unmaintained\"\nreplacement = \"consul\"\n\
                 [[release]]\nversion = \"1.1.0\"\nyanked = \"Loses keys\"\nsigner = \"key sha256:00\"\n\
                 [[release]]\nversion = \"1.0.0\"\nplace = \"https://plugins.example/etcd.wasm\"\n";
    workshop.write("plugins/etcd.toml", notes);
    workshop.write("plugins/README.md", "not a note");
    workshop.build().unwrap();
    let page = workshop.page("etcd");
    assert_eq!(page.deprecated.as_ref().unwrap().replacement.as_deref(), Some("consul"));
    let release = page.release(&version("1.1.0")).unwrap();
    assert_eq!(release.yanked.as_deref(), Some("Loses keys"));
    assert_eq!(release.signer.as_deref(), Some("key sha256:00"));
    let other = page.release(&version("1.0.0")).unwrap();
    assert_eq!(other.place, Location::Web("https://plugins.example/etcd.wasm".into()));
    let listing = &workshop.root().plugins["etcd"];
    assert!(listing.deprecated && listing.newest == Some(version("1.0.0")), "{listing:?}");

    workshop.write("plugins/etcd.toml", "");
    workshop.build().unwrap();
    assert_eq!(workshop.page("etcd").release(&version("1.1.0")).unwrap().yanked, None);
}

#[test]
fn files_that_are_hosted_elsewhere_are_not_copied() {
    let workshop = Workshop::new();
    let place = "place = \"https://plugins.example/{name}/{version}/{digest}.wasm\"\n";
    workshop.write("index.toml", format!("name = \"acme\"\ndescription = \"d\"\n{place}"));
    workshop.give("etcd", "1.0.0+build.5");
    workshop.build().unwrap();
    let digest = Digest::of(&common::plugin("etcd", "1.0.0+build.5")).hex();
    let expected = format!("https://plugins.example/etcd/1.0.0+build.5/{digest}.wasm");
    assert_eq!(workshop.page("etcd").releases[0].place, Location::Web(expected));
    assert_eq!(workshop.files().into_keys().collect::<Vec<_>>(), ["index.json", "plugins/etcd.json"]);
}

#[test]
fn what_contradicts_itself_is_not_built_and_leaves_the_index_as_it_was() {
    let workshop = Workshop::new();
    workshop.give("etcd", "1.0.0");
    workshop.write("advisories/ACME-1.toml", ADVISORY);
    workshop.build().unwrap();
    let before = workshop.files();
    let broken = |path: &str, bytes: &[u8]| -> String {
        let was = fs::read(workshop.path(path)).ok();
        workshop.write(path, bytes);
        let error = workshop.build().unwrap_err().to_string();
        match was {
            Some(was) => workshop.write(path, was),
            None => fs::remove_file(workshop.path(path)).unwrap(),
        }
        assert_eq!(workshop.files(), before, "{path}");
        error
    };
    let other = [common::plugin("etcd", "1.0.0"), vec![0, 2, 1, b'a']].concat();
    for (path, bytes, wanted) in [
        ("packed/other.wasm", other.as_slice(), "raise the version"),
        ("packed/damaged.wasm", b"\0asm", "damaged.wasm"),
        ("plugins/etcd.toml", b"[[release]]\nversion = \"9.0.0\"\n", "etcd@9.0.0"),
        ("plugins/consul.toml", b"", "consul"),
        ("plugins/etcd.toml", b"[[release]]\nversion = 1\n", "line 2"),
        ("plugins/etcd.toml", b"\xff", "UTF-8"),
        ("advisories/other.toml", ADVISORY.as_bytes(), "call the file ACME-1.toml"),
        ("index.toml", b"name = \"other\"\ndescription = \"d\"\n", "keeps its name for ever"),
    ] {
        let error = broken(path, bytes);
        assert!(error.contains(wanted), "{path}: {error}");
    }
    let about_nothing = ADVISORY.replace("plugin:etcd", "plugin:ectd").replace("ACME-1", "ACME-2");
    let error = broken("advisories/ACME-2.toml", about_nothing.as_bytes());
    assert!(error.contains("`ectd`, which the index does not have"), "{error}");
    fs::remove_file(workshop.path("advisories/ACME-1.toml")).unwrap();
    assert!(matches!(workshop.build(), Err(BuildError::Dropped { id }) if id == "ACME-1"));
    assert_eq!(workshop.files(), before);
}

const ADVISORY: &str = "id = \"ACME-1\"\nsubject = \"plugin:etcd\"\naffected = [\"<1.1.0\"]\nseverity = \"high\"\n\
                        title = \"A fault\"\ndescription = \"Something is wrong\"\npublished = \"2026-11-01T00:00:00Z\"\n";

#[test]
fn what_is_said_of_the_first_party_plugins_is_of_plugins_there_are() {
    let workshop = Workshop::new();
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut names = Vec::new();
    for folder in fs::read_dir(checkout.join("plugins")).unwrap().flatten() {
        let Ok(text) = fs::read_to_string(folder.path().join("plugin.toml")) else { continue };
        let plugin = Manifest::from_toml(&text).unwrap().plugin;
        // What is in a file matters to nobody here, but for its name and version.
        workshop.give(&plugin.name, &plugin.version.to_string());
        names.push(plugin.name);
    }
    names.sort();
    let (source, packages, given) = (checkout.join("registry/index"), [workshop.path("packed")], Limits::default());
    let build = Build { source: &source, packages: &packages, given: &given, key: None, now: common::now() };
    build.write(&workshop.out()).unwrap();
    assert_eq!(workshop.root().plugins.into_keys().collect::<Vec<_>>(), names);
}

#[test]
fn a_folder_without_settings_is_met_with_what_they_say() {
    let workshop = Workshop::new();
    fs::remove_file(workshop.path("index.toml")).unwrap();
    let error = workshop.build().unwrap_err().to_string();
    assert!(error.contains("index.toml: it is not there") && error.contains("docs/index.md"), "{error}");
}

#[test]
fn a_version_is_one_file_for_ever_also_when_the_first_is_not_given_again() {
    let workshop = Workshop::new();
    workshop.give("etcd", "1.0.0");
    workshop.build().unwrap();
    let other = [common::plugin("etcd", "1.0.0"), vec![0, 2, 1, b'a']].concat();
    workshop.write("packed/etcd-1.0.0.wasm", other);
    assert!(matches!(workshop.build(), Err(BuildError::OtherFile { .. })));
}

#[test]
fn an_index_that_lost_something_is_not_built_upon() {
    let workshop = Workshop::new();
    workshop.give("etcd", "1.0.0");
    workshop.build().unwrap();
    let digest = workshop.page("etcd").releases[0].digest;
    fs::remove_dir_all(workshop.path("packed")).unwrap();
    fs::remove_file(workshop.out().join(package_path(&digest))).unwrap();
    let error = workshop.build().unwrap_err().to_string();
    assert!(error.contains("etcd@1.0.0 is not there"), "{error}");
    workshop.give("etcd", "1.0.0");
    assert_eq!(workshop.build().unwrap().outcome, Outcome::Unchanged);

    fs::write(workshop.out().join("plugins/etcd.json"), "{}").unwrap();
    let error = workshop.build().unwrap_err().to_string();
    assert!(error.contains("cannot be built upon: plugins/etcd.json"), "{error}");
}

#[test]
fn a_signed_index_is_signed_whenever_its_root_changes() {
    let mut workshop = Workshop::new();
    let key = PrivateKey::generate().unwrap();
    let signers = Signers::new(&[SignerRule::of_key(&key.public())], None).unwrap();
    let check = |workshop: &Workshop| {
        let files = workshop.files();
        verify(&files["index.json"], files.get(SIGNATURE_FILE).map(Vec::as_slice), &signers)
    };
    workshop.give("etcd", "1.0.0");
    workshop.build().unwrap();
    assert!(check(&workshop).is_err());
    workshop.key = Some(key);
    let built = workshop.build().unwrap();
    assert_eq!((built.serial, built.outcome), (1, Outcome::Signed));
    assert_eq!(built.root, Digest::of(&workshop.files()["index.json"]));
    check(&workshop).unwrap();
    assert_eq!(workshop.build().unwrap().outcome, Outcome::Unchanged);
    workshop.give("etcd", "1.1.0");
    assert_eq!(workshop.build().unwrap().outcome, Outcome::Written);
    check(&workshop).unwrap();
    // Without the key a new root has no signature rather than that of the old one.
    workshop.key = None;
    workshop.give("etcd", "1.2.0");
    workshop.build().unwrap();
    assert!(!workshop.files().contains_key(SIGNATURE_FILE));
}

#[test]
fn a_build_that_was_cut_short_is_finished_by_the_next() {
    let workshop = Workshop::new();
    workshop.give("etcd", "1.0.0");
    workshop.build().unwrap();
    let old = workshop.files();
    workshop.give("etcd", "1.1.0");
    workshop.build().unwrap();
    let new = workshop.files();
    // As it is when a machine stops after some files were moved into place: others wait beside them.
    for waits in [&["plugins/etcd.json", "index.json"][..], &["index.json"], &[]] {
        for path in ["plugins/etcd.json", "index.json"] {
            let at = if waits.contains(&path) { format!("out/.jackfield-next/{path}") } else { format!("out/{path}") };
            workshop.write(&format!("out/{path}"), &old[path]);
            workshop.write(&at, &new[path]);
        }
        let built = workshop.build().unwrap();
        assert_eq!((built.serial, built.outcome), (2, Outcome::Unchanged), "{waits:?}");
        assert_eq!(workshop.files(), new);
    }
}

#[test]
fn a_mirror_has_the_index_byte_by_byte_and_the_files_where_they_are_looked_for_first() {
    let mut workshop = Workshop::new();
    let place = "place = \"https://plugins.example/{name}-{version}.wasm\"\n";
    workshop.write("index.toml", format!("name = \"acme\"\ndescription = \"d\"\n{place}"));
    workshop.key = Some(PrivateKey::generate().unwrap());
    workshop.give("etcd", "1.0.0");
    workshop.give("consul", "1.0.0");
    workshop.build().unwrap();
    let index = workshop.files();
    let pages = BTreeMap::from([("etcd".to_owned(), index["plugins/etcd.json"].clone())]);
    let signature = index[SIGNATURE_FILE].clone();
    let mirror = Mirror::new(index["index.json"].clone(), Some(signature.clone()), pages.clone()).unwrap();
    let release = mirror.page("etcd").unwrap().release(&version("1.0.0")).unwrap().clone();
    let file = common::plugin("etcd", "1.0.0");

    let folder = tempfile::tempdir().unwrap();
    let damaged = mirror.put(folder.path(), "etcd", &release, b"another file", &[]);
    assert!(matches!(damaged, Err(BuildError::OtherDigest { .. })));
    let beside = [(format!("{}.sigstore.json", package_path(&release.digest)), b"its bundle".to_vec())];
    mirror.put(folder.path(), "etcd", &release, &file, &beside).unwrap();
    mirror.finish(folder.path()).unwrap();
    mirror.finish(folder.path()).unwrap();
    let path = package_path(&release.digest);
    let expected = BTreeMap::from([
        ("index.json".to_owned(), index["index.json"].clone()),
        (SIGNATURE_FILE.to_owned(), signature),
        ("plugins/etcd.json".to_owned(), index["plugins/etcd.json"].clone()),
        (path.clone(), file),
        (format!("{path}.sigstore.json"), b"its bundle".to_vec()),
    ]);
    assert_eq!(files(folder.path()), expected);

    // An older index does not take the place of a newer one.
    workshop.give("etcd", "1.1.0");
    workshop.build().unwrap();
    let newer = Mirror::new(workshop.files()["index.json"].clone(), None, BTreeMap::new()).unwrap();
    newer.finish(folder.path()).unwrap();
    assert!(mirror.finish(folder.path()).unwrap_err().to_string().contains("old copy"));
    assert_eq!(Root::read(&files(folder.path())["index.json"]).unwrap().serial, 2);
    // Nor is a page taken that the root does not name.
    assert!(Mirror::new(workshop.files()["index.json"].clone(), None, pages).is_err());
}
