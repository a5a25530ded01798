//! A key in a file: 32 random bytes in hexadecimal, readable for its owner only. It belongs on another disk, or another
//! machine, than the data folder: whoever has both has everything.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use jackfield_store::make_private_file;
use zeroize::Zeroizing;

use crate::{Secret, VaultError, seal::KEY};

/// Makes a key file, for [`NewSource::File`](super::NewSource::File). One that is there already is left as it is.
pub fn make_key_file(path: &Path) -> Result<(), VaultError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path),
        _ => read(path).map(drop),
    }
}

/// The file's full path: the host may be started elsewhere the next time.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, VaultError> {
    std::path::absolute(path).map_err(|error| unusable(path, &error.to_string()))
}

/// The key in a file.
pub(super) fn read(path: &Path) -> Result<Secret, VaultError> {
    let failed = |error: io::Error| unusable(path, &error.to_string());
    let file = File::open(path).map_err(failed)?;
    private(path, &file)?;
    // One byte more than there may be: a line's end included.
    let mut text = Zeroizing::new(Vec::with_capacity(2 * KEY + 3));
    file.take(2 * KEY as u64 + 3).read_to_end(&mut text).map_err(failed)?;
    parse(&text).ok_or_else(|| unusable(path, "it does not hold 64 hexadecimal digits and nothing else"))
}

/// The key that 64 hexadecimal digits are.
pub(super) fn parse(text: &[u8]) -> Option<Secret> {
    let digits = text.trim_ascii();
    if digits.len() != 2 * KEY || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let value = |digit: u8| (digit as char).to_digit(16).unwrap_or(0) as u8;
    let parsed = Secret::with(KEY, |key| {
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value(pair[0]) << 4 | value(pair[1]);
        }
        Ok::<_, VaultError>(())
    });
    parsed.ok()
}

fn make(path: &Path) -> Result<(), VaultError> {
    let failed = |error: io::Error| unusable(path, &error.to_string());
    let key = Secret::random(KEY)?;
    let mut text = Zeroizing::new(String::with_capacity(2 * KEY + 1));
    for byte in key.expose() {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    text.push('\n');
    make_private_file(path, text.as_bytes()).map_err(failed)
}

/// Whether the file is its owner's alone.
#[cfg(unix)]
fn private(path: &Path, file: &File) -> Result<(), VaultError> {
    use std::os::unix::fs::MetadataExt as _;
    let found = file.metadata().map_err(|error| unusable(path, &error.to_string()))?;
    if !found.is_file() {
        return Err(unusable(path, "it is no file"));
    }
    if found.mode() & 0o077 != 0 {
        let mode = found.mode() & 0o777;
        return Err(unusable(path, &format!("others may read it (its mode is {mode:04o}); run `chmod 600` on it")));
    }
    Ok(())
}

#[cfg(not(unix))]
fn private(_: &Path, _: &File) -> Result<(), VaultError> {
    Ok(())
}

fn unusable(path: &Path, reason: &str) -> VaultError {
    VaultError::Source { place: format!("the key file {}", path.display()), reason: reason.to_owned() }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_file_is_made_for_its_owner_only_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kek");
        make_key_file(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let made = read(&path).unwrap();
        make_key_file(&path).unwrap();
        assert_eq!(read(&path).unwrap().expose(), made.expose(), "it is made once");
    }

    #[test]
    fn a_file_that_others_may_read_or_that_holds_no_key_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kek");
        make_key_file(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for bad in ["", "abc", &"g".repeat(64), &"a".repeat(63), &"a".repeat(65)] {
            fs::write(&path, bad).unwrap();
            assert!(read(&path).unwrap_err().to_string().contains("64 hexadecimal digits"), "{bad}");
        }
    }
}
