//! From a component and its manifest to a plugin in one file. What the manifest promises is held against what the
//! component exports here, on the author's machine, where it is cheapest to put right. The result depends on the inputs
//! alone, so the same plugin has the same digest wherever it is packed.

use std::collections::BTreeSet;
use std::path::Path;

use wasm_encoder::{CustomSection, Section as _};
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{WorldItem, WorldKey};

use crate::package::{Package, PackageError};
use crate::sections::{
    LICENSE_SECTION, MANIFEST_SECTION, README_SECTION, SBOM_SECTION, Section, WIT_SECTION, sections,
};
use crate::{Manifest, Sbom, wit_text};

/// The interface every plugin exports.
const LIFECYCLE: &str = "jackfield:plugin/lifecycle@0.1.0";

/// The interface that plugins export which make credentials.
const ISSUER: &str = "jackfield:plugin/credential-issuer@0.1.0";

/// What is packed beside the manifest; nothing of it has to be there, but WIT that is not Jackfield's own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Contents<'a> {
    /// Folders with the author's own WIT (files of one package, or one folder a package); Jackfield's own packages are
    /// always known.
    pub wit_dirs: &'a [&'a Path],
    /// The README, in Markdown.
    pub readme: Option<&'a str>,
    /// The text of the license, or of the licenses.
    pub license: Option<&'a str>,
    /// What the plugin was built from.
    pub sbom: Option<&'a Sbom>,
}

/// Why a component cannot be packed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// The bytes are no component.
    #[error(transparent)]
    Component(PackageError),
    /// It has a manifest already.
    #[error("this component is packed already; pack the file that the compiler wrote, or strip this one first")]
    AlreadyPacked,
    /// A capability of the manifest is not exported.
    #[error(
        "plugin.toml names the capability `{capability}`, which the component does not export; it exports {}",
        list(exported)
    )]
    NotExported {
        /// The capability.
        capability: String,
        /// What the component exports.
        exported: Vec<String>,
    },
    /// Something is exported that the manifest does not name.
    #[error(
        "the component exports `{export}`, which plugin.toml does not name; add it to `capabilities` or remove the export"
    )]
    Undeclared {
        /// The export.
        export: String,
    },
    /// The life cycle is not exported.
    #[error("the component does not export `{LIFECYCLE}`, which every plugin does; it exports {}", list(exported))]
    NoLifecycle {
        /// What the component exports.
        exported: Vec<String>,
    },
    /// It exports what makes credentials and does not say which, or the other way round.
    #[error(
        "plugin.toml {} the types of the credentials that the plugin makes (`issues`), and the component {} `{ISSUER}`",
        if *listed { "lists" } else { "does not list" },
        if *listed { "does not export" } else { "exports" }
    )]
    Issuer {
        /// The manifest lists some.
        listed: bool,
    },
    /// The WIT of a capability was not found.
    #[error(
        "the WIT of `{package}` was not found; give the folder that holds it (it is not one of Jackfield's own packages)"
    )]
    WitNotFound {
        /// The package.
        package: String,
    },
    /// The folders with WIT cannot be read, or hold a package twice.
    #[error("the WIT folders cannot be taken: {0}")]
    WitFolders(String),
    /// A folder's WIT cannot be read.
    #[error("the WIT in {folder} cannot be read: {reason}")]
    Wit {
        /// The folder.
        folder: String,
        /// Why.
        reason: String,
    },
    /// The manifest cannot be written as JSON.
    #[error("the manifest cannot be written as JSON: {0}")]
    Unwritable(String),
    /// The WIT is too long.
    #[error("the WIT text has {size} bytes; at most {max} are packed")]
    WitTooLarge {
        /// How long it is.
        size: usize,
        /// How long it may be.
        max: usize,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// Packs a component: writes its manifest, the WIT of its capabilities and whatever else there is of it into it.
pub fn pack(component: &[u8], manifest: &Manifest, contents: &Contents<'_>) -> Result<Vec<u8>, PackError> {
    let found = sections(component).map_err(PackError::Component)?;
    if found.iter().any(Section::is_ours) {
        return Err(PackError::AlreadyPacked);
    }
    check_exports(&exports(component)?, manifest)?;
    let wit = wit_text::collect(manifest, contents.wit_dirs)?;
    let json = serde_json::to_vec(manifest).map_err(|e| PackError::Unwritable(e.to_string()))?;
    let mut packed = component.to_vec();
    for (name, data) in [
        (MANIFEST_SECTION, Some(json.as_slice())),
        (WIT_SECTION, Some(wit.as_bytes())),
        (README_SECTION, contents.readme.map(str::as_bytes)),
        (LICENSE_SECTION, contents.license.map(str::as_bytes)),
        (SBOM_SECTION, contents.sbom.map(|sbom| sbom.as_str().as_bytes())),
    ] {
        if let Some(data) = data {
            CustomSection { name: name.into(), data: data.into() }.append_to(&mut packed);
        }
    }
    // Whoever installs it must be able to read it, so it is read here first.
    Package::read(&packed).map_err(PackError::Component)?;
    Ok(packed)
}

/// A component without the sections that packing adds, in whichever version of the format. One that is not packed comes back as it is.
pub fn strip(component: &[u8]) -> Result<Vec<u8>, PackageError> {
    let mut stripped = component.get(..8).unwrap_or_default().to_vec();
    for section in sections(component)?.iter().filter(|section| !section.is_ours()) {
        stripped.extend_from_slice(&component[section.range.clone()]);
    }
    Ok(stripped)
}

/// The ids of the interfaces that a component exports, and the names of whatever else it exports.
fn exports(component: &[u8]) -> Result<BTreeSet<String>, PackError> {
    let not = |reason: String| PackError::Component(PackageError::NotAComponent(reason));
    let (resolve, world) = match decode(component).map_err(|e| not(format!("{e:#}")))? {
        DecodedWasm::Component(resolve, world) => (resolve, world),
        DecodedWasm::WitPackage(..) => return Err(not("it is a WIT package without code".into())),
    };
    let id = |(key, item): (&WorldKey, &WorldItem)| match item {
        WorldItem::Interface { id, .. } => resolve.id_of(*id).unwrap_or_else(|| resolve.name_world_key(key)),
        _ => resolve.name_world_key(key),
    };
    Ok(resolve.worlds[world].exports.iter().map(id).collect())
}

fn check_exports(exported: &BTreeSet<String>, manifest: &Manifest) -> Result<(), PackError> {
    let names = || exported.iter().filter(|name| *name != LIFECYCLE && *name != ISSUER).cloned().collect::<Vec<_>>();
    if !exported.contains(LIFECYCLE) {
        return Err(PackError::NoLifecycle { exported: names() });
    }
    let listed = !manifest.plugin.issues.is_empty();
    if listed != exported.contains(ISSUER) {
        return Err(PackError::Issuer { listed });
    }
    let declared: BTreeSet<String> = manifest.plugin.capabilities.iter().map(|c| c.interface_id()).collect();
    if let Some(capability) = declared.iter().find(|id| !exported.contains(*id)) {
        return Err(PackError::NotExported { capability: capability.clone(), exported: names() });
    }
    match names().into_iter().find(|name| !declared.contains(name)) {
        Some(export) => Err(PackError::Undeclared { export }),
        None => Ok(()),
    }
}
