//! `cargo xtask index`: the first-party index, of the plugins of this checkout as they are now. The program makes it, as it does
//! anybody's; here it is only told of what.

use std::path::Path;

use anyhow::{Context, Result};

use crate::{args::IndexOptions, cargo, setup};

/// Builds everything that the index is of, and the index.
pub(crate) fn run(options: &IndexOptions) -> Result<bool> {
    setup::program()?;
    let plugins: Vec<_> = setup::guests::build()?
        .into_iter()
        // The others are there to be tested with.
        .filter(|(name, _)| is_first_party(name))
        .map(|(_, packed)| packed)
        .collect();
    let (out, key) = (absolute(&options.out)?, options.key.as_deref().map(absolute).transpose()?);
    cargo::step(&format!("index: {} plugins, to {}", plugins.len(), out.display()));
    let mut build = std::process::Command::new(cargo::jackfield());
    build.current_dir(cargo::workspace()).args(["registry", "build", "registry/index", "--out"]).arg(&out);
    for plugin in &plugins {
        build.arg("--packages").arg(plugin);
    }
    if let Some(key) = key {
        build.arg("--key").arg(key);
    }
    cargo::run("the build of the index", &mut build)?;
    Ok(true)
}

fn is_first_party(plugin: &str) -> bool {
    cargo::workspace().join("plugins").join(plugin).join("plugin.toml").is_file()
}

/// A path from where the task was started, which is not where the program is.
fn absolute(path: &Path) -> Result<std::path::PathBuf> {
    std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))
}
