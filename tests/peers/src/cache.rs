//! The folder in which fetched things stay between runs. It is the user's, never the checkout's, so that a fresh clone
//! starts warm and `git status` stays clean.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// `$XDG_CACHE_HOME/jackfield`, or `~/.cache/jackfield`, or a folder under the system's temporary one where neither is known.
pub fn root() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    match (set("XDG_CACHE_HOME").filter(|path| path.is_absolute()), set("HOME")) {
        (Some(cache), _) => cache.join("jackfield"),
        (None, Some(home)) => home.join(".cache/jackfield"),
        (None, None) => std::env::temp_dir().join("jackfield-cache"),
    }
}

/// Fills `folder` once, whoever comes first: other threads and processes wait for a lock, and a half-filled folder
/// never stands under the final name. `fill` gets an empty folder to work in.
pub fn fill_once<E: From<io::Error>>(folder: &Path, fill: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().ok_or_else(|| io::Error::other("a cache folder has a parent"))?;
    fs::create_dir_all(parent)?;
    let lock = File::create(with_suffix(folder, ".lock"))?;
    lock.lock()?;
    if folder.is_dir() {
        return Ok(());
    }
    let draft = with_suffix(folder, ".part");
    if draft.exists() {
        fs::remove_dir_all(&draft)?;
    }
    fs::create_dir(&draft)?;
    fill(&draft)?;
    fs::rename(&draft, folder)?;
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_filled_once_and_a_failed_filling_leaves_none() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("a/b");
        let failed: io::Result<()> = fill_once(&folder, |_| Err(io::Error::other("no")));
        assert!(failed.is_err() && !folder.exists());
        fill_once(&folder, |draft| fs::write(draft.join("x"), "1")).unwrap();
        fill_once(&folder, |_| -> io::Result<()> { panic!("filled twice") }).unwrap();
        assert_eq!(fs::read_to_string(folder.join("x")).unwrap(), "1");
    }
}
