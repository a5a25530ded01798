//! A package that was changed on its way, by one byte or by its end. Reading it never panics and never takes it for what it
//! was: it is refused, or it has another digest, which is what pins and signatures hold on to. What is read of the parts that
//! were not touched is what they say, or nothing.

mod common;

use std::{ops::Range, thread};

use common::echo;
use jackfield_registry::{Contents, Package, Sbom, pack, strip};

/// One bit, the one that makes a length longer than the file, every bit, and what makes one letter another.
const MASKS: [u8; 4] = [0x01, 0x80, 0xff, 0x20];

/// A plugin with everything that a package can hold, and where its component ends.
fn small() -> (Vec<u8>, usize) {
    let (component, manifest, wit) = echo();
    let sbom = Sbom::parse(r#"{"spdxVersion":"SPDX-2.3","packages":[]}"#.to_owned()).unwrap();
    let contents =
        Contents { wit_dirs: &[wit.path()], readme: Some("# Echo\n"), license: Some("MIT\n"), sbom: Some(&sbom) };
    let packed = pack(&component, &manifest, &contents).unwrap();
    (packed, component.len())
}

/// What is checked of a file that is not the original's.
fn check(original: &Package, changed: &[u8], what: &str) -> Option<Package> {
    let _ = strip(changed);
    match Package::read(changed) {
        Err(error) => {
            assert!(!error.to_string().is_empty(), "{what}: refused without a word");
            None
        }
        Ok(package) => {
            assert_ne!(package.digest, original.digest, "{what}: taken for what it was");
            Some(package)
        }
    }
}

/// Does something for each part of a range, at once.
fn in_parts(range: Range<usize>, work: impl Fn(usize) + Sync) {
    const PARTS: usize = 4;
    thread::scope(|scope| {
        for part in 0..PARTS {
            let (range, work) = (range.clone(), &work);
            scope.spawn(move || range.skip(part).step_by(PARTS).for_each(work));
        }
    });
}

#[test]
fn a_byte_that_is_another_makes_it_refused_or_another_plugin() {
    let (packed, component) = small();
    let original = Package::read(&packed).unwrap();
    in_parts(0..packed.len(), |at| {
        let mut changed = packed.clone();
        for mask in MASKS {
            changed[at] = packed[at] ^ mask;
            let what = format!("byte {at} ^ {mask:#04x}");
            let Some(package) = check(&original, &changed, &what) else { continue };
            if at >= component {
                // One byte is of one section at most: what the others say is what they said.
                let same = [
                    package.manifest == original.manifest,
                    package.wit == original.wit,
                    package.readme == original.readme,
                    package.license == original.license,
                    package.sbom == original.sbom,
                ];
                assert!(same.iter().filter(|same| !**same).count() <= 1, "{what}: {same:?}");
            }
        }
    });
}

#[test]
fn an_end_that_comes_early_makes_it_refused_or_another_plugin() {
    let (packed, _) = small();
    let original = Package::read(&packed).unwrap();
    in_parts(0..packed.len(), |end| {
        // What may be missing is what need not be there.
        if let Some(package) = check(&original, &packed[..end], &format!("cut off at {end}")) {
            assert_eq!((&package.manifest, &package.wit), (&original.manifest, &original.wit));
        }
    });
}
