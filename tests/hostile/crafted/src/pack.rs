//! From a component to a file that can be installed. By hand: whoever means harm does not use our packer, which would
//! refuse much of this.

use wasm_encoder::{CustomSection, Section as _};

const TYPES: &str = include_str!("../../../../wit/types/types.wit");
const LIFECYCLE: &str = include_str!("../../../../wit/plugin/lifecycle.wit");
const IMPORTS: &str = include_str!("../../../../wit/plugin/imports.wit");
const ISSUER: &str = include_str!("../../../../wit/plugin/issuer.wit");
const WORLD: &str = include_str!("world.wit");

/// The WIT of everything a crafted guest imports and exports, as it travels inside a plugin.
pub fn wit() -> String {
    // A package that stands alone, as one that is nested.
    let nested = |text: &str| format!("{}\n}}\n", text.replacen("@0.1.0;", "@0.1.0 {", 1));
    format!("{WORLD}\n{}\n{}", nested(TYPES), nested(&format!("{LIFECYCLE}\n{IMPORTS}\n{ISSUER}")))
}

/// The manifest of a plugin of this name that exports one capability.
pub fn manifest(name: &str, capability: &str) -> String {
    format!(
        r#"{{"plugin": {{"name": "{name}", "version": "0.1.0", "description": "Hostile", "host": "*", "capabilities": ["{capability}"]}}}}"#
    )
}

/// A component with a manifest and a WIT text.
pub fn packed(component: &[u8], manifest: &str, wit: &str) -> Vec<u8> {
    let mut packed = component.to_vec();
    for (name, data) in [("jackfield:manifest", manifest), ("jackfield:wit", wit)] {
        section(name, data.as_bytes(), &mut packed);
    }
    packed
}

/// Appends a custom section.
pub(crate) fn section(name: &str, data: &[u8], to: &mut Vec<u8>) {
    CustomSection { name: name.into(), data: data.into() }.append_to(to);
}
