//! Files that only their owner may read: a data folder holds configurations, certificates and what plugins keep.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

/// Makes a folder and those above it, where they are missing. One that is there is left as its owner made it.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens a file to read and write it, and makes it where it is missing. A link or a device is refused: in a folder that
/// others may write to, it could stand for any file of this user's.
pub(crate) fn file(path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => {
            let what = format!("{} is a link or a device, not a file; remove it", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a file that its owner alone may read, with these bytes in it; fails where something of that name is there. When it
/// returns, the file and its name survive a crash, as what depends on it will.
pub fn make_private_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    #[cfg(unix)]
    if let Some(folder) = std::path::absolute(path)?.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_its_owners_alone_and_a_link_is_not_followed() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("a/b");
        folder(&inner).unwrap();
        folder(&inner).unwrap();
        file(&inner.join("f")).unwrap();
        assert_eq!((mode(&inner), mode(&inner.join("f"))), (0o700, 0o600));
        symlink(outer.path().join("elsewhere"), inner.join("l")).unwrap();
        assert!(file(&inner.join("l")).is_err());
        assert!(!outer.path().join("elsewhere").exists());
    }

    #[test]
    fn a_file_that_is_made_is_its_owners_alone_and_is_made_once() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("f");
        make_private_file(&path, b"x").unwrap();
        assert_eq!((mode(&path), fs::read(&path).unwrap()), (0o600, b"x".to_vec()));
        assert!(make_private_file(&path, b"y").is_err());
    }
}
