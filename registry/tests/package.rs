//! From a component to a plugin in one file and back.

mod common;

use std::path::Path;

use common::{ECHO, LIFECYCLE, component, echo, manifest, with};
use jackfield_registry::{Contents, Digest, PackError, Package, PackageError, pack, strip};
use wit_parser::Resolve;

#[test]
fn what_is_packed_is_read_back_with_manifest_wit_and_docs() {
    let (component, manifest, wit) = echo();
    let packed = pack(&component, &manifest, &with(&[wit.path()])).unwrap();
    let package = Package::read(&packed).unwrap();
    assert_eq!(package.manifest, manifest);
    assert_eq!(package.digest, Digest::of(&packed));
    for part in [
        "package acme:echo@1.0.0 {",
        "package jackfield:types@0.1.0 {",
        "package jackfield:plugin@0.1.0 {",
        "/// Says `what` again.",
    ] {
        assert!(package.wit.contains(part), "{part}\n{}", package.wit);
    }
    assert!(!package.wit.contains("jackfield:metrics"), "only what the plugin has to do with travels");
    let mut resolve = Resolve::default();
    let group = wit_parser::UnresolvedPackageGroup::parse("plugin.wit", &package.wit).map_err(|(_, e)| e).unwrap();
    resolve.push_group(group).unwrap();
}

#[test]
fn the_same_input_is_packed_into_the_same_bytes() {
    let (component, manifest, wit) = echo();
    let packed = pack(&component, &manifest, &with(&[wit.path()])).unwrap();
    assert_eq!(pack(&component, &manifest, &with(&[wit.path()])).unwrap(), packed);
    assert_eq!(strip(&packed).unwrap(), component);
    assert_eq!(strip(&component).unwrap(), component);
}

#[test]
fn jackfields_own_wit_needs_no_folder() {
    let component = component(&[LIFECYCLE, "jackfield:key-value/key-value@0.1.0", "jackfield:key-value/locks@0.1.0"]);
    let manifest = manifest("[\"jackfield:key-value@0.1.0\", \"jackfield:key-value/locks@0.1.0\"]");
    let packed = pack(&component, &manifest, &Contents::default()).unwrap();
    assert!(Package::read(&packed).unwrap().wit.contains("compare-and-set"));
}

#[test]
fn one_folder_a_package_is_read_in_the_order_of_use() {
    let (component, manifest, _) = echo();
    let wit = tempfile::tempdir().unwrap();
    for (folder, text) in [
        ("a", ECHO.replace("say:", "use acme:words/words@1.0.0.{word}; say:").replace("what: string", "what: word")),
        ("b", "package acme:words@1.0.0; interface words { type word = string; }".to_owned()),
    ] {
        std::fs::create_dir(wit.path().join(folder)).unwrap();
        std::fs::write(wit.path().join(folder).join("x.wit"), text).unwrap();
    }
    let package = Package::read(&pack(&component, &manifest, &with(&[wit.path()])).unwrap()).unwrap();
    assert!(package.wit.contains("package acme:words@1.0.0 {"));
}

#[test]
fn what_the_wit_says_of_age_and_deprecation_travels_with_the_plugin() {
    // A component's own type has no place for it: the same component, with WIT that says more of it.
    let (component, manifest, wit) = echo();
    let aged = "@since(version = 0.9.0)\n@deprecated(version = 1.0.0)\nsay:";
    std::fs::write(wit.path().join("echo.wit"), ECHO.replace("say:", aged)).unwrap();
    let package = Package::read(&pack(&component, &manifest, &with(&[wit.path()])).unwrap()).unwrap();
    let text: String = package.wit.split_whitespace().collect();
    assert!(text.contains("@since(version=0.9.0)@deprecated(version=1.0.0)say:func"), "{}", package.wit);
}

#[test]
fn a_component_is_packed_once() {
    let (component, manifest, wit) = echo();
    let packed = pack(&component, &manifest, &with(&[wit.path()])).unwrap();
    assert_eq!(pack(&packed, &manifest, &with(&[wit.path()])), Err(PackError::AlreadyPacked));
}

#[test]
fn the_manifest_and_the_exports_must_agree() {
    let (component_, manifest_, wit) = echo();
    let more = manifest("[\"acme:echo@1.0.0\", \"jackfield:key-value/locks@0.1.0\"]");
    let error = pack(&component_, &more, &with(&[wit.path()])).unwrap_err().to_string();
    assert_eq!(
        error,
        "plugin.toml names the capability `jackfield:key-value/locks@0.1.0`, which the component does not export; it exports acme:echo/echo@1.0.0"
    );
    let both = component(&[LIFECYCLE, "acme:echo/echo@1.0.0", "jackfield:key-value/leases@0.1.0"]);
    let error = pack(&both, &manifest_, &with(&[wit.path()])).unwrap_err().to_string();
    assert!(error.contains("exports `jackfield:key-value/leases@0.1.0`, which plugin.toml does not name"), "{error}");
    let without = component(&["acme:echo/echo@1.0.0"]);
    assert!(matches!(pack(&without, &manifest_, &with(&[wit.path()])), Err(PackError::NoLifecycle { .. })));
}

#[test]
fn missing_and_broken_wit_is_named() {
    let (component, manifest, wit) = echo();
    assert_eq!(
        pack(&component, &manifest, &Contents::default()),
        Err(PackError::WitNotFound { package: "acme:echo@1.0.0".into() })
    );
    assert!(matches!(pack(&component, &manifest, &with(&[Path::new("/nowhere")])), Err(PackError::WitFolders(_))));
    std::fs::write(wit.path().join("echo.wit"), ECHO.replace("{error}", "{errors}")).unwrap();
    let error = pack(&component, &manifest, &with(&[wit.path()])).unwrap_err().to_string();
    assert!(error.contains("name `error` does not exist") && error.contains("echo.wit:8:"), "{error}");
}

#[test]
fn a_package_that_is_there_twice_is_named() {
    let (component, manifest, wit) = echo();
    std::fs::create_dir_all(wit.path().join("deps/types")).unwrap();
    let copy = wit.path().join("deps/types/types.wit");
    std::fs::write(&copy, include_str!("../../wit/types/types.wit")).unwrap();
    let error = pack(&component, &manifest, &with(&[wit.path()])).unwrap_err().to_string();
    assert!(
        error.contains("the WIT package jackfield:types@0.1.0 is in ") && error.contains("need no copy"),
        "{error}"
    );
    std::fs::remove_file(copy).unwrap();
    std::fs::remove_dir(wit.path().join("deps/types")).unwrap();
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("same.wit"), ECHO).unwrap();
    assert!(pack(&component, &manifest, &with(&[wit.path(), other.path()])).is_err());
}

#[test]
fn what_is_no_plugin_is_refused_with_what_it_is() {
    let said = |bytes: &[u8]| Package::read(bytes).unwrap_err().to_string();
    assert!(said(b"").contains("the file is empty"));
    assert!(said(b"\x7fELF and so on").contains("magic number"));
    assert!(said(b"(component)").contains("text form"));
    assert!(said(b"\0asm\x01\0\0\0").contains("core WebAssembly module"));
    assert!(said(b"\0asm\x0e\0\x01\0").contains("version"));
    assert!(said(&echo().0).contains("run `jackfield plugin pack`"));
}

#[test]
fn sections_that_are_doubled_broken_or_cut_off_are_refused() {
    let (component, manifest, wit) = echo();
    let packed = pack(&component, &manifest, &with(&[wit.path()])).unwrap();
    let mut doubled = packed.clone();
    doubled.extend_from_slice(&packed[component.len()..]);
    assert_eq!(Package::read(&doubled), Err(PackageError::Duplicate { section: "jackfield:manifest" }));
    for end in [packed.len() - 1, component.len() + 1, 9] {
        assert!(matches!(Package::read(&packed[..end]), Err(PackageError::Malformed { .. })), "{end}");
    }
    let at = packed.windows(4).rposition(|bytes| bytes == b"1.2.").unwrap();
    let mut broken = packed.clone();
    broken[at] = b'x';
    let error = Package::read(&broken).unwrap_err().to_string();
    assert!(error.contains("`plugin.version`: is not a version"), "{error}");
    for length in [&b"\xff\xff\xff\xff\xff\x01"[..], b"\xff\xff\xff\xff\x7f", b"\x80"] {
        let bytes = [b"\0asm\x0d\0\x01\0", &b"\0"[..], length].concat();
        assert!(matches!(Package::read(&bytes), Err(PackageError::Malformed { .. })));
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(tail in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let bytes = [&b"\0asm\x0d\0\x01\0"[..], &tail].concat();
        let _ = Package::read(&bytes);
        let _ = strip(&bytes);
    }
}
