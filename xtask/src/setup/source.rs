//! What the wasm32-wasip2 target is made of where rustup cannot bring it: the source of the standard library of exactly
//! this compiler, and a C library for WASI. Both are Debian packages; a folder of archives serves where there is no
//! mirror either.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use jackfield_peers::{cache, debian::Suite};

use crate::cargo;

/// Names a folder with `rust-VERSION-library.tar.xz` and `wasi-libc-wasm32-wasip2.tar.xz`.
pub(crate) const ARCHIVES: &str = "JACKFIELD_TOOLCHAIN_ARCHIVES";

/// The three files of the C library that a linked component needs.
pub(crate) const LIBC: [&str; 3] = ["libc.a", "crt1-command.o", "crt1-reactor.o"];

/// Where suites with a given compiler's source, or a C library for wasip2, are found, the likeliest first.
const SUITES: [&str; 4] = ["trixie-backports", "forky", "sid", "trixie"];

/// The material of the target.
#[derive(Debug)]
pub(crate) struct Source {
    /// A folder that contains `library/`.
    pub(crate) rust: PathBuf,
    /// A folder that contains the C library's files.
    pub(crate) libc: PathBuf,
}

/// The material from the folder of archives, if the user named one.
pub(crate) fn from_archives(release: &str) -> Result<Option<Source>> {
    let Some(folder) = std::env::var_os(ARCHIVES).map(PathBuf::from) else { return Ok(None) };
    let unpacked = |name: &str, archive: String| -> Result<PathBuf> {
        let archive = folder.join(archive);
        if !archive.is_file() {
            bail!("{ARCHIVES} names {}, which has no {}", folder.display(), name_of(&archive));
        }
        let into = cache::root().join("toolchain").join(format!("{release}-{name}-archive"));
        cache::fill_once(&into, |draft| -> Result<()> {
            cargo::output(Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(draft)).map(drop)
        })?;
        Ok(into)
    };
    let rust = unpacked("rust", format!("rust-{release}-library.tar.xz"))?;
    let libc = unpacked("libc", "wasi-libc-wasm32-wasip2.tar.xz".into())?;
    Source { rust, libc }.checked().map(Some)
}

/// The material from the machine's Debian mirror.
pub(crate) fn from_debian(release: &str) -> Result<Source> {
    let exactly = |version: &str| {
        version.strip_prefix(release).is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', '-', '~']))
    };
    let rust = package("rust-src", release, exactly, |folder| {
        folder.join(format!("usr/src/rustc-{release}")).join("library").is_dir()
    })?;
    let libc = package("wasi-libc", release, |_| true, |folder| folder.join("usr/lib/wasm32-wasip2/libc.a").is_file())?;
    let rust = rust.join(format!("usr/src/rustc-{release}"));
    let libc = libc.join("usr/lib/wasm32-wasip2");
    Source { rust, libc }.checked()
}

/// A package, unpacked in the cache, of the first suite that has it as wanted.
fn package(
    name: &str,
    release: &str,
    version_fits: impl Fn(&str) -> bool,
    content_fits: impl Fn(&Path) -> bool,
) -> Result<PathBuf> {
    let folder = cache::root().join("toolchain").join(format!("{release}-{name}-debian"));
    if content_fits(&folder) {
        return Ok(folder);
    }
    let mut tried = Vec::new();
    for suite in SUITES {
        let attempt = || -> Result<bool> {
            let source = Suite::open(suite)?;
            let versions = source.versions(name)?;
            let Some(version) = versions.iter().find(|version| version_fits(version)) else { return Ok(false) };
            cargo::step(&format!("wasm32-wasip2: fetching {name} {version} of Debian's {suite}"));
            cache::fill_once(&folder, |draft| -> Result<()> {
                source.unpack(name, version, draft)?;
                if !content_fits(draft) {
                    bail!("{name} {version} does not contain what is needed");
                }
                Ok(())
            })?;
            Ok(true)
        };
        match attempt() {
            Ok(true) => return Ok(folder),
            Ok(false) => tried.push(format!("{suite}: has no fitting {name}")),
            Err(error) => tried.push(format!("{suite}: {error:#}")),
        }
    }
    tried.dedup();
    bail!("no Debian suite has {name} for Rust {release} ({})", tried.join("; "))
}

impl Source {
    fn checked(self) -> Result<Source> {
        if !self.rust.join("library/std/Cargo.toml").is_file() {
            bail!("{} is not the source of the standard library", self.rust.display());
        }
        for file in LIBC {
            fs::metadata(self.libc.join(file)).with_context(|| format!("{} has no {file}", self.libc.display()))?;
        }
        Ok(self)
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
