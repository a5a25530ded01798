//! Servers that exist only in Node, each with its packages in the user's cache, versions pinned.

use std::{path::PathBuf, process::Command};

use jackfield_peers::{PeerError, Result, cache};

/// A folder with certain packages.
#[derive(Debug)]
pub struct Packages {
    folder: PathBuf,
}

impl Packages {
    /// Makes sure that there is one with this package, given as `name@version`.
    pub fn with(name: &str, package: &str) -> Result<Packages> {
        let folder = cache::root().join("node").join(package.replace(['/', '@'], "-"));
        cache::fill_once(&folder, |draft| {
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]).arg(draft).arg(package);
            let output = npm.output().map_err(|error| Filling(format!("it needs Node and npm: {error}")))?;
            match output.status.success() {
                true => Ok(()),
                false => Err(Filling(format!(
                    "npm could not install {package}: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                ))),
            }
        })
        .map_err(|Filling(why)| PeerError::missing(name, why))?;
        Ok(Packages { folder })
    }

    /// A file of a package.
    pub fn file(&self, path: &str) -> PathBuf {
        self.folder.join("node_modules").join(path)
    }
}

/// Why a folder was not filled.
struct Filling(String);

impl From<std::io::Error> for Filling {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A command that runs a script of this crate's folder `data`.
pub fn script(name: &str) -> Command {
    let mut node = Command::new("node");
    node.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data").join(name));
    node
}
