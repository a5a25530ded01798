//! README, license and bill of materials: what an author adds for people and their tools.

mod common;

use common::{echo, with};
use jackfield_registry::{Contents, PackError, Package, PackageError, Sbom, SbomFormat, pack, strip};
use wasm_encoder::{CustomSection, Section as _};

const SBOM: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[]}"#;

/// A packed plugin with no more than it needs, and these sections after it.
fn packed_and(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let (component, manifest, wit) = echo();
    let mut packed = pack(&component, &manifest, &with(&[wit.path()])).unwrap();
    for (name, data) in sections {
        CustomSection { name: (*name).into(), data: (*data).into() }.append_to(&mut packed);
    }
    packed
}

#[test]
fn what_an_author_adds_is_read_back_as_it_was_written_and_stripped_with_the_rest() {
    let (component, manifest, wit) = echo();
    let sbom = Sbom::parse(SBOM.to_owned()).unwrap();
    let (readme, license) = ("# Echo\r\n\tgrüße\n", "Do as you like.\n");
    let contents =
        Contents { wit_dirs: &[wit.path()], readme: Some(readme), license: Some(license), sbom: Some(&sbom) };
    let packed = pack(&component, &manifest, &contents).unwrap();
    let package = Package::read(&packed).unwrap();
    assert_eq!(package.readme.as_deref(), Some(readme));
    assert_eq!(package.license.as_deref(), Some(license));
    assert_eq!(package.sbom.as_ref().map(|sbom| (sbom.format(), sbom.as_str())), Some((SbomFormat::CycloneDx, SBOM)));
    assert_eq!(pack(&component, &manifest, &contents).unwrap(), packed, "the same input is packed into the same bytes");
    assert_eq!(strip(&packed).unwrap(), component);
    assert_eq!(pack(&packed, &manifest, &contents), Err(PackError::AlreadyPacked));

    let without = Package::read(&pack(&component, &manifest, &with(&[wit.path()])).unwrap()).unwrap();
    assert_eq!((&without.readme, &without.license, &without.sbom), (&None, &None, &None));
    assert_ne!(without.digest, package.digest, "the digest is that of all of it");
}

#[test]
fn each_may_be_there_once() {
    for (section, data) in
        [("jackfield:readme", "# Echo"), ("jackfield:license", "Do as you like."), ("jackfield:sbom", SBOM)]
    {
        Package::read(&packed_and(&[(section, data.as_bytes())])).unwrap();
        let twice = packed_and(&[(section, data.as_bytes()), (section, data.as_bytes())]);
        assert_eq!(Package::read(&twice), Err(PackageError::Duplicate { section }));
    }
}

#[test]
fn each_is_text_and_no_longer_than_it_may_be() {
    for (section, max) in
        [("jackfield:readme", 256 << 10), ("jackfield:license", 256 << 10), ("jackfield:sbom", 4 << 20)]
    {
        assert_eq!(Package::read(&packed_and(&[(section, b"\xff")])), Err(PackageError::NotText { section }));
        let size = max + 1;
        assert_eq!(
            Package::read(&packed_and(&[(section, &vec![b' '; size])])),
            Err(PackageError::SectionTooLarge { section, size, max })
        );
    }
    Package::read(&packed_and(&[("jackfield:readme", &vec![b' '; 256 << 10])])).unwrap();
    let (component, manifest, wit) = echo();
    let readme = " ".repeat((256 << 10) + 1);
    let contents = Contents { readme: Some(&readme), ..Contents::default() };
    let error = pack(&component, &manifest, &Contents { wit_dirs: &[wit.path()], ..contents }).unwrap_err();
    assert!(error.to_string().contains("`jackfield:readme` has 262145 bytes; at most 262144"), "{error}");
}

#[test]
fn a_bill_of_materials_that_is_none_is_told_why() {
    let error = Package::read(&packed_and(&[("jackfield:sbom", b"{}")])).unwrap_err().to_string();
    assert!(
        error.contains("`jackfield:sbom` is no bill of materials: neither `bomFormat` nor `spdxVersion`"),
        "{error}"
    );
}

#[test]
fn a_section_of_another_version_of_ours_is_refused_and_one_of_somebody_elses_is_passed_over() {
    for name in ["jackfield:wit@2", "jackfield:future", "jackfield:"] {
        let packed = packed_and(&[(name, b"")]);
        assert_eq!(Package::read(&packed), Err(PackageError::Unknown { section: name.into() }));
        assert_eq!(strip(&packed).unwrap(), echo().0);
    }
    let hostile = format!("jackfield:\x1b[2J{}", "x".repeat(10_000));
    let error = Package::read(&packed_and(&[(&hostile, b"")])).unwrap_err().to_string();
    assert!(error.len() < 300 && !error.contains('\x1b'), "{error}");

    let others = packed_and(&[("acme:notes", b"\xff"), ("acme:notes", b""), ("Jackfield:wit", b"")]);
    Package::read(&others).unwrap();
    assert_ne!(strip(&others).unwrap(), echo().0, "what is not ours is left where it is");
}
