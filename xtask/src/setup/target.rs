//! The wasm32-wasip2 target of the installed compiler. Rustup brings it where it can reach its server. Where it cannot,
//! the target is built once (half a minute) from the compiler's own library source and a packaged C library, and
//! put where rustc looks: afterwards `--target wasm32-wasip2` is the ordinary command, for everyone.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::source::{self, LIBC, Source};
use crate::cargo;

const TARGET: &str = "wasm32-wasip2";

/// Makes sure that the target is there.
pub(crate) fn ensure() -> Result<()> {
    let sysroot = PathBuf::from(cargo::output(rustc().args(["--print", "sysroot"]))?.trim());
    if is_installed(&sysroot) {
        return Ok(());
    }
    cargo::step(&format!("{TARGET}: not installed for this Rust; asking rustup"));
    let rustup = match add_by_rustup() {
        Ok(()) if is_installed(&sysroot) => return Ok(()),
        Ok(()) => "it says it did, but for another toolchain than the one in use".to_string(),
        Err(error) => format!("{error:#}"),
    };
    cargo::step(&format!("{TARGET}: rustup could not ({}); building it", first_line(&rustup)));
    let built = material().and_then(|material| build(&sysroot, &material));
    built.with_context(|| {
        format!(
            "the {TARGET} target is missing and could not be made. Remedy: `rustup target add {TARGET}` on a machine \
             that reaches rustup's server, or name a folder with the library's source and the C library in {} \
             (rustup: {})",
            source::ARCHIVES,
            first_line(&rustup)
        )
    })?;
    if !is_installed(&sysroot) {
        bail!("the {TARGET} target was built, but rustc does not find it in {}", sysroot.display());
    }
    println!("    {TARGET} is ready");
    Ok(())
}

fn rustc() -> Command {
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.current_dir(cargo::workspace());
    command
}

/// Whether the target's standard library and its start-up objects are where rustc looks.
fn is_installed(sysroot: &Path) -> bool {
    let library = library_folder(sysroot);
    let has_std = fs::read_dir(&library)
        .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")));
    has_std && library.join("self-contained/crt1-command.o").is_file()
}

fn library_folder(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib").join(TARGET).join("lib")
}

fn add_by_rustup() -> Result<()> {
    let mut rustup = Command::new("rustup");
    // Its own retries are meant for a server that is there.
    rustup.args(["target", "add", TARGET]).env("RUSTUP_MAX_RETRIES", "1").current_dir(cargo::workspace());
    cargo::output(&mut rustup).map(drop)
}

fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty() && !line.contains("info:")).unwrap_or(text)
}

/// The material: archives where the user names some, else Debian's packages.
fn material() -> Result<Source> {
    let version = cargo::output(rustc().arg("-vV"))?;
    let release = version.lines().find_map(|line| line.strip_prefix("release: ")).context("rustc tells no release")?;
    match source::from_archives(release)? {
        Some(material) => Ok(material),
        None => source::from_debian(release),
    }
}

/// Builds the standard library for the target and puts it into the sysroot, whole or not at all.
fn build(sysroot: &Path, material: &Source) -> Result<()> {
    let _link = SourceLink::make(sysroot, &material.rust)?;
    let project = tempfile::tempdir()?;
    fs::create_dir(project.path().join("src"))?;
    let manifest = "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n";
    fs::write(project.path().join("Cargo.toml"), manifest)?;
    fs::write(project.path().join("src/lib.rs"), "#![no_std]\n")?;
    cargo::step(&format!("{TARGET}: compiling the standard library (about half a minute)"));
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build
        .current_dir(project.path())
        .args(["build", "--release", "--target", TARGET, "-Zbuild-std=std,panic_abort"])
        .arg("--target-dir")
        .arg(project.path().join("target"))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Cembed-bitcode=yes");
    cargo::run("the build of the standard library", &mut build)?;
    install(sysroot, &project.path().join("target").join(TARGET).join("release/deps"), &material.libc)
}

/// Copies the built library and the C library into the sysroot under a draft's name, then renames the draft.
fn install(sysroot: &Path, built: &Path, libc: &Path) -> Result<()> {
    let folder = sysroot.join("lib/rustlib").join(TARGET);
    let draft = sysroot.join("lib/rustlib").join(format!("{TARGET}.part"));
    let not_writable = || format!("cannot write to the toolchain's folder {}", sysroot.display());
    if draft.exists() {
        fs::remove_dir_all(&draft).with_context(not_writable)?;
    }
    let self_contained = draft.join("lib/self-contained");
    fs::create_dir_all(&self_contained).with_context(not_writable)?;
    for entry in fs::read_dir(built)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libempty-") {
            fs::copy(&path, draft.join("lib").join(name))?;
        }
    }
    for file in LIBC {
        fs::copy(libc.join(file), self_contained.join(file))?;
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(not_writable)?;
    }
    fs::rename(&draft, &folder).with_context(not_writable)
}

/// The library's source, linked to where cargo looks for it while the library is built. A source that rustup
/// installed stays as it is.
struct SourceLink(Option<PathBuf>);

impl SourceLink {
    fn make(sysroot: &Path, rust: &Path) -> Result<SourceLink> {
        let link = sysroot.join("lib/rustlib/src/rust");
        if link.join("library/std/Cargo.toml").is_file() {
            return Ok(SourceLink(None));
        }
        let cannot = || format!("cannot write to the toolchain's folder {}", sysroot.display());
        fs::create_dir_all(sysroot.join("lib/rustlib/src")).with_context(cannot)?;
        if link.is_symlink() {
            fs::remove_file(&link).with_context(cannot)?;
        }
        symlink(rust, &link).with_context(cannot)?;
        Ok(SourceLink(Some(link)))
    }
}

impl Drop for SourceLink {
    fn drop(&mut self) {
        if let Some(link) = &self.0 {
            let _ = fs::remove_file(link);
        }
    }
}
