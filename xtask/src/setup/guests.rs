//! The plugins of this checkout, built as components and packed to one file each. One cargo command builds them all, so
//! that what they share is compiled once.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::target;
use crate::cargo;

/// Where guests are: a folder below the checkout, and what their packages' names begin with. All but those of
/// the first are for tests and benchmarks only.
const PLACES: [(&str, &str); 3] = [("plugins", "plugin"), ("tests/hostile", "guest"), ("benches", "guest")];

/// What they are all licensed under; the files are the checkout's and not in each folder.
const LICENSES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];

/// Builds and packs every plugin; the packed files, by name.
pub(crate) fn build() -> Result<Vec<(String, PathBuf)>> {
    target::ensure()?;
    if !cargo::jackfield().is_file() {
        super::program()?;
    }
    let names = names()?;
    let listed: Vec<_> = names.iter().map(|guest| guest.name.as_str()).collect();
    cargo::step(&format!("plugins: building {}", listed.join(", ")));
    let mut build = cargo::cargo();
    build.args(["build", "--profile", "guest", "--target", "wasm32-wasip2"]);
    for guest in &names {
        build.args(["--package", &format!("{}-{}", guest.prefix, guest.name)]);
    }
    cargo::run("the build of the plugins", &mut build)?;

    let folder = cargo::packed_plugins();
    fs::create_dir_all(&folder)?;
    names
        .into_iter()
        .map(|guest| {
            let into = folder.join(format!("{}.wasm", guest.name));
            pack(&guest, into).map(|packed| (guest.name, packed))
        })
        .collect()
}

struct Guest {
    name: String,
    folder: &'static str,
    prefix: &'static str,
}

/// The folders that hold a manifest.
fn names() -> Result<Vec<Guest>> {
    let mut guests = Vec::new();
    for (folder, prefix) in PLACES {
        let path = cargo::workspace().join(folder);
        let entries = fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let names = entries
            .flatten()
            .filter(|entry| entry.path().join("plugin.toml").is_file())
            .map(|entry| entry.file_name().to_string_lossy().into_owned());
        guests.extend(names.map(|name| Guest { name, folder, prefix }));
    }
    guests.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(guests)
}

fn pack(guest: &Guest, into: PathBuf) -> Result<PathBuf> {
    let mut pack = Command::new(cargo::jackfield());
    pack.current_dir(cargo::workspace())
        .args(["plugin", "pack"])
        .arg(format!("{}/{}", guest.folder, guest.name))
        .args(LICENSES.iter().flat_map(|file| ["--license", file]))
        .arg("-o")
        .arg(&into);
    cargo::output(&mut pack).with_context(|| format!("packing plugin {}", guest.name))?;
    Ok(into)
}
