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

/// Writes a file wholly or not at all. What is there and is no file, such as a pipe or a device, is written to and stays what it is.
pub(crate) fn write(file: &Path, bytes: &[u8], over: Over, kind: Kind) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Failed(format!("{} cannot be written: {error}", file.display()));
    if over == Over::Anything && is_special(file) {
        let opened = std::fs::OpenOptions::new().write(true).open(file);
        return opened.and_then(|mut special| special.write_all(bytes)).map_err(failed);
    }
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

/// Whether there is something that a file must not take the place of: for root a rename over `/dev/null` would.
fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
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

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::FileTypeExt as _, process::Command, thread};

    use super::*;

    #[test]
    fn a_pipe_is_written_to_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("out");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write(&pipe, b"packed", Over::Anything, Kind::Ordinary).unwrap_or_else(|_| panic!("nothing is written"));
        assert_eq!(reader.join().unwrap(), b"packed");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo(), "the pipe is gone");
    }

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out");
        fs::write(&file, "longer than what comes").unwrap();
        write(&file, b"short", Over::Anything, Kind::Ordinary).unwrap_or_else(|_| panic!("nothing is written"));
        assert_eq!(fs::read(&file).unwrap(), b"short");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
