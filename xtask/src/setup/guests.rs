//! The plugins of this checkout, built as components and packed to one file each. One cargo command builds them all, so
//! that what they share is compiled once.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use super::target;
use crate::cargo;

/// Builds and packs every plugin; the packed files, by name.
pub(crate) fn build() -> Result<Vec<(String, PathBuf)>> {
    target::ensure()?;
    if !cargo::jackfield().is_file() {
        super::program()?;
    }
    let names = names()?;
    cargo::step(&format!("plugins: building {}", names.join(", ")));
    let mut build = cargo::cargo();
    build.args(["build", "--profile", "guest", "--target", "wasm32-wasip2"]);
    for name in &names {
        build.args(["--package", &format!("plugin-{name}")]);
    }
    cargo::run("the build of the plugins", &mut build)?;

    let folder = cargo::packed_plugins();
    fs::create_dir_all(&folder)?;
    names
        .into_iter()
        .map(|name| pack(&name, folder.join(format!("{name}.wasm"))).map(|packed| (name, packed)))
        .collect()
}

/// The folders below `plugins/` that hold a manifest.
fn names() -> Result<Vec<String>> {
    let folder = cargo::workspace().join("plugins");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("plugin.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

fn pack(name: &str, into: PathBuf) -> Result<PathBuf> {
    let mut pack = Command::new(cargo::jackfield());
    pack.current_dir(cargo::workspace()).args(["plugin", "pack"]).arg(format!("plugins/{name}")).arg("-o").arg(&into);
    cargo::output(&mut pack).with_context(|| format!("packing plugin {name}"))?;
    Ok(into)
}
