//! Tools that exist only in Python, each set in a virtual environment of its own in the user's cache, versions pinned.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{PeerError, Result, cache};

/// A virtual environment with certain packages.
#[derive(Debug)]
pub struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// Makes sure that there is one with these packages, given as `name==version`.
    pub fn with(name: &str, packages: &[&str]) -> Result<Environment> {
        let wanted = packages.join("_").replace("==", "-");
        let folder = cache::root().join("python").join(wanted);
        // A virtual environment knows its own path, so it cannot be filled elsewhere and moved: a mark says it is whole.
        let mark = folder.join("complete");
        if !mark.is_file() {
            let parent = folder.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(parent).map_err(|error| PeerError::failed(name, error))?;
            let lock = fs::File::create(parent.join("lock")).map_err(|error| PeerError::failed(name, error))?;
            lock.lock().map_err(|error| PeerError::failed(name, error))?;
            if !mark.is_file() {
                install(name, packages, &folder)?;
                fs::write(&mark, "").map_err(|error| PeerError::failed(name, error))?;
            }
        }
        Ok(Environment { folder })
    }

    /// One of the environment's programs.
    pub fn program(&self, name: &str) -> Command {
        Command::new(self.folder.join("bin").join(name))
    }
}

fn install(name: &str, packages: &[&str], folder: &Path) -> Result<()> {
    let run = |command: &mut Command| -> Result<()> {
        let output =
            command.output().map_err(|error| PeerError::missing(name, format!("it needs Python 3: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&output.stderr).trim().to_string();
        Err(PeerError::missing(name, format!("pip could not install {}: {why}", packages.join(" "))))
    };
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
    run(Command::new(folder.join("bin/pip")).args(["install", "--quiet"]).args(packages))
}
