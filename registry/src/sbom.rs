//! The list of what a plugin was built from, as its author's tools wrote it. Here it is only told whether a text is such a
//! list, and of which form: what it lists is not believed or understood, it is handed on. Whoever reads it next may be a
//! scanner that walks it member by member, so its depth has a bound, and no form is claimed twice.

use std::fmt;

use serde::Deserialize;

/// The longest list that is read, in bytes.
pub(crate) const MAX_SBOM_BYTES: usize = 4 * 1024 * 1024;
/// How deep lists and objects may be nested. Components of components nest by two a level; nobody writes sixteen levels.
const MAX_DEPTH: usize = 64;
/// The one version of SPDX whose marker is known; later ones have another.
const SPDX: &str = "SPDX-2.3";

/// A software bill of materials: JSON, in one of the forms of [`SbomFormat`], as it was written.
///
/// ```
/// use jackfield_registry::{Sbom, SbomFormat};
///
/// let sbom = Sbom::parse(r#"{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}"#.to_owned())?;
/// assert_eq!(sbom.format(), SbomFormat::CycloneDx);
/// # Ok::<(), jackfield_registry::SbomError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sbom {
    format: SbomFormat,
    text: String,
}

/// The forms of a bill of materials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SbomFormat {
    /// CycloneDX 1.x.
    CycloneDx,
    /// SPDX 2.3.
    Spdx,
}

impl fmt::Display for SbomFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CycloneDx => "CycloneDX 1.x",
            Self::Spdx => "SPDX 2.3",
        })
    }
}

/// Why a text is no bill of materials that is read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SbomError {
    /// It is too long.
    #[error("it has {size} bytes; at most {MAX_SBOM_BYTES} are read")]
    TooLarge {
        /// How long it is.
        size: usize,
    },
    /// It is nested too deep.
    #[error("it is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// It is not JSON, or a marker is there twice or no text.
    #[error("it is not a JSON object with the members of CycloneDX or SPDX (line {line}, column {column})")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// Nothing says that it is one.
    #[error(
        "neither `bomFormat` nor `spdxVersion` says what it is; write CycloneDX 1.x or SPDX 2.3, as JSON, e.g. with `cargo cyclonedx --format json`"
    )]
    Unknown,
    /// It says that it is of both forms.
    #[error("both `bomFormat` and `spdxVersion` say what it is; write one form or the other")]
    Both,
    /// It is of a version that is not read.
    #[error("its version is none of those that are read: CycloneDX 1.x and SPDX 2.3")]
    Version,
}

/// What says of which form a bill of materials is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Markers {
    bom_format: Option<String>,
    spec_version: Option<String>,
    spdx_version: Option<String>,
}

impl Sbom {
    /// Takes a text that is a bill of materials.
    pub fn parse(text: String) -> Result<Self, SbomError> {
        let format = judge(&text)?;
        Ok(Self { format, text })
    }

    /// Its form.
    pub fn format(&self) -> SbomFormat {
        self.format
    }

    /// The JSON, as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The JSON, as it was written.
    pub fn into_string(self) -> String {
        self.text
    }
}

fn judge(text: &str) -> Result<SbomFormat, SbomError> {
    if text.len() > MAX_SBOM_BYTES {
        return Err(SbomError::TooLarge { size: text.len() });
    }
    if depth(text) > MAX_DEPTH {
        return Err(SbomError::TooDeep);
    }
    // A list of three texts would be taken for the three members.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(SbomError::NotJson { line: 1, column: 1 });
    }
    let markers: Markers =
        serde_json::from_str(text).map_err(|e| SbomError::NotJson { line: e.line(), column: e.column() })?;
    match (markers.bom_format.as_deref(), markers.spdx_version.as_deref()) {
        (Some(_), Some(_)) => Err(SbomError::Both),
        (Some("CycloneDX"), None) => match markers.spec_version.as_deref().and_then(|v| v.strip_prefix("1.")) {
            Some(minor) if is_number(minor) => Ok(SbomFormat::CycloneDx),
            _ => Err(SbomError::Version),
        },
        (None, Some(SPDX)) => Ok(SbomFormat::Spdx),
        (None, Some(_)) => Err(SbomError::Version),
        (_, None) => Err(SbomError::Unknown),
    }
}

fn is_number(text: &str) -> bool {
    (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// How deep brackets are nested outside of texts; for what is not JSON, some number.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<SbomFormat, SbomError> {
        Sbom::parse(text.to_owned()).map(|sbom| sbom.format())
    }

    #[test]
    fn both_forms_are_told_by_their_markers() {
        assert_eq!(parsed(r#"{"bomFormat":"CycloneDX","specVersion":"1.4"}"#), Ok(SbomFormat::CycloneDx));
        assert_eq!(parsed(" {\"x\":[{}],\"spdxVersion\":\"SPDX-2.3\"}\n"), Ok(SbomFormat::Spdx));
    }

    #[test]
    fn what_is_no_bill_of_materials_is_refused_with_why() {
        for (text, error) in [
            ("{}", SbomError::Unknown),
            (r#"{"bomFormat":"cyclonedx","specVersion":"1.4"}"#, SbomError::Unknown),
            (r#"{"bomFormat":"CycloneDX"}"#, SbomError::Version),
            (r#"{"bomFormat":"CycloneDX","specVersion":"2.0"}"#, SbomError::Version),
            (r#"{"bomFormat":"CycloneDX","specVersion":"1."}"#, SbomError::Version),
            (r#"{"spdxVersion":"SPDX-3.0"}"#, SbomError::Version),
            (r#"{"bomFormat":"CycloneDX","specVersion":"1.4","spdxVersion":"SPDX-2.3"}"#, SbomError::Both),
            (r#"["CycloneDX","1.4",null]"#, SbomError::NotJson { line: 1, column: 1 }),
            ("", SbomError::NotJson { line: 1, column: 1 }),
        ] {
            assert_eq!(parsed(text), Err(error), "{text}");
        }
        for text in [
            r#"{"spdxVersion":"SPDX-2.3"}{}"#,
            r#"{"spdxVersion":"SPDX-2.3","spdxVersion":"SPDX-2.3"}"#,
            r#"{"spdxVersion":["SPDX-2.3"]}"#,
            r#"{"spdxVersion":"SPDX-2.3","#,
        ] {
            assert!(matches!(parsed(text), Err(SbomError::NotJson { .. })), "{text}");
        }
    }

    #[test]
    fn nesting_and_length_have_bounds_and_brackets_in_texts_do_not_count() {
        let nested =
            |levels: usize| format!(r#"{{"spdxVersion":"SPDX-2.3","x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        assert_eq!(parsed(&nested(MAX_DEPTH - 1)), Ok(SbomFormat::Spdx));
        assert_eq!(parsed(&nested(MAX_DEPTH)), Err(SbomError::TooDeep));
        assert_eq!(parsed(&"[".repeat(MAX_SBOM_BYTES)), Err(SbomError::TooDeep));
        let quoted = format!(r#"{{"spdxVersion":"SPDX-2.3","x":"\"{}\\"}}"#, "[{".repeat(1000));
        assert_eq!(parsed(&quoted), Ok(SbomFormat::Spdx));
        let long = r#"{"spdxVersion":"SPDX-2.3"}"#.to_owned() + &" ".repeat(MAX_SBOM_BYTES - 25);
        assert_eq!(parsed(&long), Err(SbomError::TooLarge { size: MAX_SBOM_BYTES + 1 }));
        assert_eq!(parsed(&long[1..]), Err(SbomError::NotJson { line: 1, column: 1 }));
        assert_eq!(parsed(&long[..MAX_SBOM_BYTES]), Ok(SbomFormat::Spdx));
    }
}
