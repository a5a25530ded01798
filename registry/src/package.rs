//! A packed plugin: one file that is a component and carries its manifest and its WIT in custom sections, and its README,
//! its license and its bill of materials in more of them, if there are any. Reading one
//! decides what the plugin says of itself and which digest pins it. It does not decide whether the code is sound or does
//! what its manifest says: the engine and the reflection find that out before anything runs.

use crate::manifest::MAX_MANIFEST_BYTES;
use crate::sbom::MAX_SBOM_BYTES;
use crate::sections::{
    LICENSE_SECTION, MANIFEST_SECTION, README_SECTION, SBOM_SECTION, Section, WIT_SECTION, sections,
};
use crate::{Digest, Manifest, ManifestError, Sbom, SbomError};

/// The largest plugin file that is read, in bytes. A Python interpreter makes 18 MB.
pub const MAX_PACKAGE_BYTES: usize = 256 * 1024 * 1024;
/// The longest WIT text that is read, in bytes.
pub(crate) const MAX_WIT_BYTES: usize = 4 * 1024 * 1024;
/// The longest README or license that is read, in bytes: several of the longest licenses there are.
const MAX_TEXT_BYTES: usize = 256 * 1024;
/// How much of a section's name is told, in characters: the name is a stranger's.
const SHOWN: usize = 80;

/// What a packed plugin says of itself.
///
/// ```no_run
/// let bytes = std::fs::read("etcd.wasm")?;
/// let package = jackfield_registry::Package::read(&bytes)?;
/// println!("{} {} ({})", package.manifest.plugin.name, package.manifest.plugin.version, package.digest);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Package {
    /// The manifest.
    pub manifest: Manifest,
    /// The WIT of the exported capabilities and of what they use, docs included: packages in nested form.
    pub wit: String,
    /// The README, in Markdown.
    pub readme: Option<String>,
    /// The text of the license, or of the licenses.
    pub license: Option<String>,
    /// What it was built from.
    pub sbom: Option<Sbom>,
    /// The digest of the whole file.
    pub digest: Digest,
}

/// Why a file is not a packed plugin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// The file is too large.
    #[error("the file has {size} bytes; at most {MAX_PACKAGE_BYTES} are read")]
    TooLarge {
        /// How large it is.
        size: usize,
    },
    /// The bytes are no component.
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(String),
    /// The bytes are WebAssembly, but a core module.
    #[error("this is a core WebAssembly module, not a component; build it with `--target wasm32-wasip2`")]
    CoreModule,
    /// The bytes begin like a component and do not go on like one.
    #[error("the component is damaged at byte {offset}: {reason}")]
    Malformed {
        /// Where.
        offset: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// The component has no manifest or no WIT.
    #[error(
        "the component has no section `{section}`, so it is not packed yet; run `jackfield plugin pack` on it first"
    )]
    NotPacked {
        /// The section that is missing.
        section: &'static str,
    },
    /// A section is there more than once.
    #[error("the component has more than one section `{section}`; build it anew and run `jackfield plugin pack` once")]
    Duplicate {
        /// The section.
        section: &'static str,
    },
    /// A section is too long.
    #[error("the section `{section}` has {size} bytes; at most {max} are read")]
    SectionTooLarge {
        /// The section.
        section: &'static str,
        /// How long it is.
        size: usize,
        /// How long it may be.
        max: usize,
    },
    /// The manifest is not right.
    #[error("the plugin's manifest is not right:\n{0}")]
    Manifest(#[from] ManifestError),
    /// A section that holds text does not.
    #[error("the section `{section}` is not text in UTF-8; run `jackfield plugin pack` on the component again")]
    NotText {
        /// The section.
        section: &'static str,
    },
    /// A section is of a later version of the format.
    #[error(
        "the section `{section}` is of another version of Jackfield's packages than is read here; use a later Jackfield"
    )]
    Unknown {
        /// The section: the first characters of its name, escaped.
        section: String,
    },
    /// The bill of materials is none.
    #[error("the section `{SBOM_SECTION}` is no bill of materials: {0}")]
    Sbom(#[from] SbomError),
}

impl Package {
    /// Reads a packed plugin.
    pub fn read(bytes: &[u8]) -> Result<Self, PackageError> {
        if bytes.len() > MAX_PACKAGE_BYTES {
            return Err(PackageError::TooLarge { size: bytes.len() });
        }
        let sections = sections(bytes)?;
        if let Some(name) = sections.iter().find_map(Section::unknown) {
            let section = name.chars().take(SHOWN).flat_map(char::escape_debug).collect();
            return Err(PackageError::Unknown { section });
        }
        let needed = |section| PackageError::NotPacked { section };
        let manifest = one(&sections, MANIFEST_SECTION, MAX_MANIFEST_BYTES)?;
        let wit = text(&sections, WIT_SECTION, MAX_WIT_BYTES)?;
        Ok(Self {
            manifest: Manifest::from_json(manifest.ok_or_else(|| needed(MANIFEST_SECTION))?)?,
            wit: wit.ok_or_else(|| needed(WIT_SECTION))?,
            readme: text(&sections, README_SECTION, MAX_TEXT_BYTES)?,
            license: text(&sections, LICENSE_SECTION, MAX_TEXT_BYTES)?,
            sbom: text(&sections, SBOM_SECTION, MAX_SBOM_BYTES)?.map(Sbom::parse).transpose()?,
            digest: Digest::of(bytes),
        })
    }
}

/// What a section holds that may be there once and no longer than `max`.
fn one<'a>(sections: &[Section<'a>], name: &'static str, max: usize) -> Result<Option<&'a [u8]>, PackageError> {
    let mut found = sections.iter().filter(|section| section.name == Some(name)).map(|section| section.data);
    let Some(data) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        return Err(PackageError::Duplicate { section: name });
    }
    if data.len() > max {
        return Err(PackageError::SectionTooLarge { section: name, size: data.len(), max });
    }
    Ok(Some(data))
}

/// The same for one that holds text.
fn text(sections: &[Section<'_>], name: &'static str, max: usize) -> Result<Option<String>, PackageError> {
    let Some(data) = one(sections, name, max)? else { return Ok(None) };
    std::str::from_utf8(data).map(|text| Some(text.to_owned())).map_err(|_| PackageError::NotText { section: name })
}
