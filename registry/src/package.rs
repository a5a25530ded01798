//! A packed plugin: one file that is a component and carries its manifest and its WIT in two custom sections. Reading one
//! decides what the plugin says of itself and which digest pins it. It does not decide whether the code is sound or does
//! what its manifest says: the engine and the reflection find that out before anything runs.

use crate::sections::{MANIFEST_SECTION, Section, WIT_SECTION, sections};
use crate::{Digest, Manifest, ManifestError};

/// The largest plugin file that is read, in bytes. A Python interpreter makes 18 MB.
pub const MAX_PACKAGE_BYTES: usize = 256 * 1024 * 1024;
/// The longest WIT text that is read, in bytes.
pub(crate) const MAX_WIT_BYTES: usize = 4 * 1024 * 1024;

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
    /// The WIT is not text.
    #[error("the section `{WIT_SECTION}` is not text in UTF-8; run `jackfield plugin pack` on the component again")]
    WitNotText,
}

impl Package {
    /// Reads a packed plugin.
    pub fn read(bytes: &[u8]) -> Result<Self, PackageError> {
        if bytes.len() > MAX_PACKAGE_BYTES {
            return Err(PackageError::TooLarge { size: bytes.len() });
        }
        let sections = sections(bytes)?;
        let manifest = only(&sections, MANIFEST_SECTION, crate::manifest::MAX_MANIFEST_BYTES)?;
        let wit = only(&sections, WIT_SECTION, MAX_WIT_BYTES)?;
        Ok(Self {
            manifest: Manifest::from_json(manifest)?,
            wit: std::str::from_utf8(wit).map_err(|_| PackageError::WitNotText)?.to_owned(),
            digest: Digest::of(bytes),
        })
    }
}

fn only<'a>(sections: &[Section<'a>], name: &'static str, max: usize) -> Result<&'a [u8], PackageError> {
    let mut found = sections.iter().filter(|section| section.name == Some(name));
    let data = found.next().ok_or(PackageError::NotPacked { section: name })?.data;
    if found.next().is_some() {
        return Err(PackageError::Duplicate { section: name });
    }
    if data.len() > max {
        return Err(PackageError::SectionTooLarge { section: name, size: data.len(), max });
    }
    Ok(data)
}
