//! The sections of a component, seen from outside. A component is a header of eight bytes and a row of sections, each
//! with its own length, so finding those that are ours needs no understanding of the others; whether the component is
//! sound is the engine's business. The bytes are a stranger's: every length is checked against what is there.

use std::ops::Range;

use crate::package::PackageError;

/// The custom section with the manifest as JSON.
pub(crate) const MANIFEST_SECTION: &str = "jackfield:manifest";
/// The custom section with the WIT text.
pub(crate) const WIT_SECTION: &str = "jackfield:wit";
/// The custom section with the README, in Markdown.
pub(crate) const README_SECTION: &str = "jackfield:readme";
/// The custom section with the text of the license.
pub(crate) const LICENSE_SECTION: &str = "jackfield:license";
/// The custom section with the bill of materials, as JSON.
pub(crate) const SBOM_SECTION: &str = "jackfield:sbom";

/// What the names of our sections begin with. A name without a number is that of the first version of its section; a section
/// whose form changes gets a new name, `jackfield:wit@2`.
const OURS: &str = "jackfield:";
/// The sections that are read here.
const KNOWN: [&str; 5] = [MANIFEST_SECTION, WIT_SECTION, README_SECTION, LICENSE_SECTION, SBOM_SECTION];

/// Sections beyond so many are not a component's but a reader's burden: each takes three bytes in the file and fifty here.
const MAX_SECTIONS: usize = 10_000;

/// One section at the outermost level.
pub(crate) struct Section<'a> {
    /// Where it is in the file, header included.
    pub(crate) range: Range<usize>,
    /// The name, for a custom section.
    pub(crate) name: Option<&'a str>,
    /// What it holds; for a custom section, what comes after the name.
    pub(crate) data: &'a [u8],
}

impl Section<'_> {
    /// Whether packing wrote it, in this version of the format or another.
    pub(crate) fn is_ours(&self) -> bool {
        self.name.is_some_and(|name| name.starts_with(OURS))
    }

    /// The name, where it is one of ours that is not read here: what a later version wrote must not be passed over, since
    /// nobody here can know what it takes back of the rest.
    pub(crate) fn unknown(&self) -> Option<&str> {
        self.name.filter(|name| self.is_ours() && !KNOWN.contains(name))
    }
}

/// The sections of a component; an error where these bytes are none.
pub(crate) fn sections(bytes: &[u8]) -> Result<Vec<Section<'_>>, PackageError> {
    header(bytes)?;
    let mut sections = Vec::new();
    let mut at = 8;
    while at < bytes.len() {
        let start = at;
        if sections.len() == MAX_SECTIONS {
            return Err(PackageError::Malformed { offset: start, reason: "it has more than 10,000 sections" });
        }
        let id = bytes[at];
        at += 1;
        let length = leb(bytes, &mut at)?;
        let end = at.checked_add(length).filter(|end| *end <= bytes.len()).ok_or(PackageError::Malformed {
            offset: start,
            reason: "a section is longer than the file; it may have been cut off",
        })?;
        let (name, data) = if id == 0 { custom(&bytes[at..end], start)? } else { (None, &bytes[at..end]) };
        sections.push(Section { range: start..end, name, data });
        at = end;
    }
    Ok(sections)
}

fn header(bytes: &[u8]) -> Result<(), PackageError> {
    match bytes {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(PackageError::CoreModule),
        [0, b'a', b's', b'm', ..] => {
            Err(PackageError::NotAComponent("its WebAssembly version is not one of a component".into()))
        }
        [] => Err(PackageError::NotAComponent("the file is empty".into())),
        _ if bytes.trim_ascii_start().starts_with(b"(") => {
            Err(PackageError::NotAComponent("it is WebAssembly in text form; the binary is needed".into()))
        }
        _ => Err(PackageError::NotAComponent("it does not begin with WebAssembly's magic number".into())),
    }
}

fn custom(section: &[u8], offset: usize) -> Result<(Option<&str>, &[u8]), PackageError> {
    let fault = || PackageError::Malformed { offset, reason: "a custom section has no valid name" };
    let mut at = 0;
    let length = leb(section, &mut at).map_err(|_| fault())?;
    let rest = &section[at..];
    let (name, data) = rest.split_at_checked(length).ok_or_else(fault)?;
    Ok((Some(std::str::from_utf8(name).map_err(|_| fault())?), data))
}

/// An unsigned LEB128 of at most 32 bits.
fn leb(bytes: &[u8], at: &mut usize) -> Result<usize, PackageError> {
    let offset = *at;
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let byte = *bytes.get(*at).ok_or(PackageError::Malformed { offset, reason: "a length is cut off" })?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let fits = u32::try_from(value).ok().and_then(|value| usize::try_from(value).ok());
            return fits.ok_or(PackageError::Malformed { offset, reason: "a length is too large" });
        }
    }
    Err(PackageError::Malformed { offset, reason: "a length is too large" })
}
