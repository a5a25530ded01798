//! The key of a host's audit trail, in a file of its own for its owner only. Whoever has it can make a trail anew, and then
//! only who kept an earlier head can tell; so heads belong elsewhere too.

use std::{
    fs::OpenOptions,
    io::{self, Read as _},
    path::Path,
};

use jackfield_audit::Key;
use jackfield_store::make_private_file;
use zeroize::Zeroizing;

use crate::{Error, ErrorKind, ErrorSource, Result};

/// The file's name in the data folder.
const FILE: &str = "audit.key";

/// The key of the trail in this folder. `begun`: there is a trail already, so there must be a key.
pub(super) fn of(folder: &Path, begun: bool) -> Result<Key> {
    let path = folder.join(FILE);
    let unusable = |reason: String| {
        let message = format!("the audit trail's key {} cannot be used: {reason}", path.display());
        Error::new(ErrorKind::Unavailable, ErrorSource::Host, message)
    };
    let mut seed = Zeroizing::new(Vec::with_capacity(33));
    match OpenOptions::new().read(true).open(&path) {
        Ok(file) => {
            file.take(33).read_to_end(&mut seed).map_err(|error| unusable(error.to_string()))?;
            Key::from_seed(&seed).map_err(|error| unusable(error.to_string()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && begun => {
            Err(unusable("it is gone, and the trail cannot be continued without it; restore it from a backup".into()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = Key::generate().map_err(|error| unusable(error.to_string()))?;
            make_private_file(&path, key.seed()).map_err(|error| unusable(error.to_string()))?;
            Ok(key)
        }
        Err(error) => Err(unusable(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_a_trail_is_not_continued_without_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(of(folder.path(), true).unwrap_err().message.contains("restore it"));
        let made = of(folder.path(), false).unwrap().public();
        assert_eq!(of(folder.path(), true).unwrap().public(), made);
        std::fs::write(folder.path().join(FILE), "short").unwrap();
        assert!(of(folder.path(), true).is_err());
    }
}
