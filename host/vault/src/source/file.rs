//! Files that another program keeps up to date. Only in folders that the operator named, wherever links lead.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use zeroize::Zeroizing;

use super::{AllowedSources, MOST, without_end};

/// How a file is: another stamp, another content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    path: PathBuf,
    len: u64,
    changed: Option<SystemTime>,
}

/// The file that is meant, links followed, if it may be read. Links are followed each time, since they may change.
fn allowed(sources: &AllowedSources, path: &Path) -> Result<PathBuf, String> {
    let refused = || {
        let shown = path.display();
        Err(format!("the file {shown} is in no folder that credentials may come from; name one with `--secrets-dir`"))
    };
    // Whether there is such a file is not told of places that are not allowed.
    let Ok(real) = path.canonicalize() else {
        return match sources.folders.iter().any(|folder| path.is_absolute() && path.starts_with(folder)) {
            true => Err(format!("there is no file {}", path.display())),
            false => refused(),
        };
    };
    let within = |folder: &PathBuf| folder.canonicalize().is_ok_and(|folder| real.starts_with(folder));
    if sources.folders.iter().any(within) { Ok(real) } else { refused() }
}

/// How it is now.
pub(super) fn stamp(sources: &AllowedSources, path: &Path) -> Result<Stamp, String> {
    let real = allowed(sources, path)?;
    let shown = path.display();
    let found = real.metadata().map_err(|error| format!("the file {shown} cannot be read: {error}"))?;
    if !found.is_file() {
        return Err(format!("the file {shown} is no ordinary file"));
    }
    Ok(Stamp { len: found.len(), changed: found.modified().ok(), path: real })
}

/// What is in it, but for the end of its last line.
pub(super) fn read(sources: &AllowedSources, path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let real = allowed(sources, path)?;
    let unreadable = |error: std::io::Error| format!("the file {} cannot be read: {error}", path.display());
    let file = std::fs::File::open(real).map_err(unreadable)?;
    let mut value = Zeroizing::new(Vec::with_capacity(MOST + 1));
    file.take(MOST as u64 + 1).read_to_end(&mut value).map_err(unreadable)?;
    if value.len() > MOST {
        return Err(format!("the file {} is longer than 64 KiB", path.display()));
    }
    without_end(&mut value);
    Ok(value)
}
