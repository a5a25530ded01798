//! Changing the files of an index in a folder: all of them or none, whenever the machine stops.
//!
//! The new files are written into a folder beside the old ones first, which is renamed when it is complete: from then on they
//! count. They are moved into place one by one, the root last, and whoever opens the folder next moves those that are left. A
//! reader in between finds files that do not fit together, which it refuses, and comes again.

use std::{fs, io, io::Write as _, path::Path};

use crate::{BuildError, ROOT_FILE, SIGNATURE_FILE, location::is_path};

/// Where new files are while they are written.
const DRAFT: &str = ".jackfield-draft";
/// Where they are once they count.
const NEXT: &str = ".jackfield-next";
/// A file among them that says that there is to be no signature.
const UNSIGNED: &str = ".unsigned";

/// A file of an index: its path from the root, and its bytes.
pub(crate) type File = (String, Vec<u8>);

/// Finishes what was begun in a folder: a change that counts is made, one that does not is forgotten.
pub(crate) fn recover(folder: &Path) -> Result<(), BuildError> {
    remove_all(&folder.join(DRAFT))?;
    let next = folder.join(NEXT);
    if !next.is_dir() {
        return Ok(());
    }
    let mut files = Vec::new();
    list(&next, &next, &mut files)?;
    // Pages before the signature, and the signature before the root that it is of.
    files.sort_by_key(|path| (path == ROOT_FILE, path == SIGNATURE_FILE, path.clone()));
    for path in files {
        if path == UNSIGNED {
            remove(&folder.join(SIGNATURE_FILE))?;
            continue;
        }
        let to = folder.join(&path);
        make_parent(&to)?;
        fs::rename(next.join(&path), &to).map_err(|error| fault(&to, error))?;
    }
    sync(folder);
    remove_all(&next)
}

/// Puts files into a folder: pages, the signature if there is one, the root.
pub(crate) fn publish(folder: &Path, files: &[File]) -> Result<(), BuildError> {
    recover(folder)?;
    let draft = folder.join(DRAFT);
    fs::create_dir_all(&draft).map_err(|error| fault(&draft, error))?;
    for (path, bytes) in files {
        write(&draft.join(path), bytes)?;
    }
    if files.iter().all(|(path, _)| path != SIGNATURE_FILE) {
        write(&draft.join(UNSIGNED), b"")?;
    }
    sync(&draft);
    let next = folder.join(NEXT);
    fs::rename(&draft, &next).map_err(|error| fault(&next, error))?;
    sync(folder);
    recover(folder)
}

/// Puts one file into a folder whose name says what it holds, whole or not at all. Where it is there with as many bytes it stays.
pub(crate) fn put(folder: &Path, path: &str, bytes: &[u8]) -> Result<(), BuildError> {
    let to = folder.join(path);
    if fs::metadata(&to).is_ok_and(|found| found.is_file() && found.len() == bytes.len() as u64)
        && fs::read(&to).is_ok_and(|found| found == bytes)
    {
        return Ok(());
    }
    let draft = to.with_extension("part");
    write(&draft, bytes)?;
    fs::rename(&draft, &to).map_err(|error| fault(&to, error))
}

/// The bytes of a file that may not be there, if there are not more than `most`.
pub(crate) fn read(path: &Path, most: usize) -> Result<Option<Vec<u8>>, BuildError> {
    use io::Read as _;
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(path, error)),
    };
    let mut bytes = Vec::new();
    // One more is read, so that who judges its length finds it too long.
    file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|error| fault(path, error))?;
    Ok(Some(bytes))
}

pub(crate) fn fault(path: &Path, source: io::Error) -> BuildError {
    BuildError::File { path: path.to_owned(), source }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    make_parent(path)?;
    let written = fs::File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| fault(path, error))
}

fn make_parent(path: &Path) -> Result<(), BuildError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    fs::create_dir_all(parent).map_err(|error| fault(parent, error))
}

/// The files below a folder, by their paths from `from`.
fn list(from: &Path, folder: &Path, into: &mut Vec<String>) -> Result<(), BuildError> {
    for entry in fs::read_dir(folder).map_err(|error| fault(folder, error))? {
        let path = entry.map_err(|error| fault(folder, error))?.path();
        if path.is_dir() {
            list(from, &path, into)?;
            continue;
        }
        let names: Vec<_> =
            path.strip_prefix(from).unwrap_or(&path).iter().map(|name| name.to_string_lossy()).collect();
        let name = names.join("/");
        if name == UNSIGNED || is_path(&name) {
            into.push(name);
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), BuildError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault(path, error)),
        _ => Ok(()),
    }
}

fn remove_all(folder: &Path) -> Result<(), BuildError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(fault(folder, error)),
        _ => Ok(()),
    }
}

/// Has a folder's names kept, where the platform can: where it cannot, the order of writing is all there is.
fn sync(folder: &Path) {
    if let Ok(folder) = fs::File::open(folder) {
        _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        (path.to_owned(), text.as_bytes().to_vec())
    }

    fn found(folder: &Path, path: &str) -> Option<String> {
        fs::read_to_string(folder.join(path)).ok()
    }

    #[test]
    fn a_change_that_was_cut_short_before_it_counted_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        publish(folder.path(), &[file("plugins/a.json", "1"), file(ROOT_FILE, "1")]).unwrap();
        fs::create_dir_all(folder.path().join(DRAFT).join("plugins")).unwrap();
        fs::write(folder.path().join(DRAFT).join("plugins/a.json"), "2").unwrap();
        recover(folder.path()).unwrap();
        assert_eq!(found(folder.path(), "plugins/a.json").as_deref(), Some("1"));
        assert!(!folder.path().join(DRAFT).exists());
    }

    #[test]
    fn a_change_that_was_cut_short_after_that_is_finished() {
        for moved in 0..3 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path();
            publish(path, &[file("plugins/a.json", "1"), file(SIGNATURE_FILE, "1"), file(ROOT_FILE, "1")]).unwrap();
            let all = ["plugins/a.json", SIGNATURE_FILE, ROOT_FILE];
            for (number, name) in all.iter().enumerate() {
                let to = if number < moved { path.join(name) } else { path.join(NEXT).join(name) };
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::write(to, "2").unwrap();
            }
            recover(path).unwrap();
            for name in all {
                assert_eq!(found(path, name).as_deref(), Some("2"), "{name} after {moved}");
            }
            assert!(!path.join(NEXT).exists());
        }
    }

    #[test]
    fn a_root_without_a_signature_takes_the_place_of_one_with_its_signature() {
        let folder = tempfile::tempdir().unwrap();
        publish(folder.path(), &[file(SIGNATURE_FILE, "1"), file(ROOT_FILE, "1")]).unwrap();
        publish(folder.path(), &[file(ROOT_FILE, "2")]).unwrap();
        assert_eq!(found(folder.path(), ROOT_FILE).as_deref(), Some("2"));
        assert_eq!(found(folder.path(), SIGNATURE_FILE), None);
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, [ROOT_FILE], "nothing else is left");
    }
}
