//! Files that commands leave behind: whole, or not at all.

use std::{io::Write as _, path::Path};

use crate::failure::Failure;

/// Over what a file may be written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// Over nothing.
    Nothing,
    /// Over whatever is there.
    Anything,
}

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its owner alone.
    Secret,
    /// Whoever may commonly read files.
    Ordinary,
}

/// Writes a file wholly or not at all.
pub(crate) fn write(file: &Path, bytes: &[u8], over: Over, kind: Kind) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Failed(format!("{} cannot be written: {error}", file.display()));
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A temporary file is its owner's alone.
    let mut draft = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    draft.write_all(bytes).map_err(failed)?;
    if kind == Kind::Ordinary {
        readable(&draft).map_err(failed)?;
    }
    let kept = if over == Over::Nothing { draft.persist_noclobber(file) } else { draft.persist(file) };
    kept.map(drop).map_err(|error| failed(error.error))
}

/// Gives a file that is no secret the rights that files commonly have.
fn readable(draft: &tempfile::NamedTempFile) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        draft.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}
