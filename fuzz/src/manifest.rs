//! Manifests, as an author writes them and as a package holds them. What is accepted survives the way into a package and
//! back, and whatever it asks for can be judged: its paths are in their normal form already. What is refused is refused
//! in words that fit a terminal.

use jackfield_gateway::normalize;
use jackfield_registry::{Manifest, ManifestError};

/// Checks a manifest in TOML or, where it begins like one, in JSON.
pub fn check(input: &[u8]) {
    let read = match crate::text(input) {
        Some(text) if !text.trim_start().starts_with('{') => Manifest::from_toml(text),
        _ => Manifest::from_json(input),
    };
    let manifest = match read {
        Ok(manifest) => manifest,
        Err(error) => return refused(&error, input.len()),
    };
    let json = serde_json::to_vec(&manifest).expect("a manifest can be written");
    assert_eq!(Manifest::from_json(&json).as_ref(), Ok(&manifest), "another manifest comes out of the package");
    for path in manifest.endpoints.iter().flat_map(|endpoint| &endpoint.paths) {
        let normal = normalize(path).map(|(path, query)| format!("{path}{query}"));
        assert_eq!(normal.as_ref(), Ok(path), "a rule about another path than the one that is sent");
    }
    for capability in &manifest.plugin.capabilities {
        assert_eq!(capability.to_string().parse().as_ref(), Ok(capability));
    }
}

fn refused(error: &ManifestError, length: usize) {
    assert!(!error.faults.is_empty(), "refused without a word");
    assert!(error.faults.iter().all(|fault| !fault.message.is_empty()));
    // A few faults, each with the key and the text it is about.
    let words = error.to_string().len();
    assert!(words <= 64 * (length + 1024), "{words} bytes of error about {length} bytes of manifest");
}
