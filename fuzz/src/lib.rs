//! What must hold for any bytes that a stranger sends: one module for each thing that reads them, one function in it.
//!
//! Each function takes bytes and panics where a property does not hold. libFuzzer calls it through the program of the
//! same name in `src/bin`, with bytes that it breeds for new paths through our code (`cargo xtask fuzz`); the tests in this
//! file call it with the inputs in `corpus` and in [`seeds`], so that what fuzzing found once stays found. Inputs are texts wherever
//! what they feed reads text, in the form that the module's head tells, so that people can read and write them too.

pub mod address;
pub mod cassette;
pub mod component;
pub mod evidence;
pub mod index;
pub mod json_bridge;
pub mod kubeconfig;
pub mod lines;
pub mod lock;
pub mod manifest;
pub mod oci;
pub mod path;
pub mod query;
pub mod seeds;
pub mod specs;
pub mod sse;
pub mod trail;
pub mod wit;

/// Panics where a property does not hold for an input.
pub type Check = fn(&[u8]);

/// What is checked, by the name that `cargo xtask fuzz` and the folders in `corpus` have for it.
pub const TARGETS: &[(&str, Check)] = &[
    ("address", address::check),
    ("cassette", cassette::check),
    ("component", component::check),
    ("evidence", evidence::check),
    ("index", index::check),
    ("json-bridge", json_bridge::check),
    ("kubeconfig", kubeconfig::check),
    ("lines", lines::check),
    ("lock", lock::check),
    ("manifest", manifest::check),
    ("oci", oci::check),
    ("path", path::check),
    ("query", query::check),
    ("specs", specs::check),
    ("sse", sse::check),
    ("trail", trail::check),
    ("wit", wit::check),
];

/// The input as text; most of what we read is refused before it gets here where it is none.
fn text(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}

#[cfg(test)]
#[allow(clippy::print_stdout, reason = "says which input it was, which is shown only where one breaks something")]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_input_of_the_corpus_holds() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        for (target, check) in TARGETS {
            let files: Vec<_> = fs::read_dir(corpus.join(target)).unwrap().flatten().collect();
            assert!(!files.is_empty(), "{target} has no inputs");
            for file in files {
                println!("{target}: {}", file.file_name().display());
                check(&fs::read(file.path()).unwrap());
            }
        }
    }

    #[test]
    fn every_target_has_a_program_and_inputs() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let names = |folder: &str, end: &str| {
            let mut names: Vec<_> = fs::read_dir(here.join(folder))
                .unwrap()
                .flatten()
                .filter_map(|file| file.file_name().to_str()?.strip_suffix(end).map(|name| name.replace('_', "-")))
                .collect();
            names.sort();
            names
        };
        let targets: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names("corpus", ""), targets);
        assert_eq!(names("src/bin", ".rs"), targets);
    }

    #[test]
    fn what_is_made_of_our_own_wit_holds_and_is_taken() {
        for (target, check) in TARGETS {
            for (name, input) in seeds::seeds(target) {
                println!("{target}: {name}");
                check(&input);
                if *target == "component" {
                    assert!(!jackfield_core::inspect_plugin(&input).unwrap().is_empty());
                }
            }
        }
    }
}
