//! Where a peer's program comes from: `PATH`, then the user's cache, then the machine's Debian mirror (unpacked into the
//! cache). A peer is wanted in a range of versions, told by how its version begins: Prometheus 2 and 3 are two programs here.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{PeerError, Result, cache, debian};

/// Debian's suites in the order in which they are asked. Older systems first: they run everywhere, newer C libraries do not.
pub(crate) const SUITES: [&str; 4] = ["bookworm", "trixie", "forky", "sid"];

/// The file in an unpacked package's folder that tells its version.
const VERSION_FILE: &str = "package-version";

/// A program and the versions of it that will do.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// The peer's name in messages and in the summary.
    pub peer: &'static str,
    /// The executable's name.
    pub executable: &'static str,
    /// The Debian package that has it.
    pub package: &'static str,
    /// How an acceptable version begins, e.g. `3.`; empty for any.
    pub version: &'static str,
    /// A folder, as an absolute path, that is compiled into the executable and found only where the package is installed.
    pub data: Option<&'static str>,
}

/// A program that was found.
#[derive(Debug, Clone)]
pub struct Executable {
    /// Where it is.
    pub path: PathBuf,
    /// The folder it must be started in to find its data, if any: the root of the unpacked package.
    pub root: Option<PathBuf>,
    /// The version of the package it was unpacked from, for programs that do not know their own.
    pub package_version: Option<String>,
}

impl Executable {
    /// A command that starts it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        if let Some(root) = &self.root {
            command.current_dir(root);
        }
        command
    }
}

impl Program {
    /// A program of which any version will do.
    pub const fn any(peer: &'static str, executable: &'static str, package: &'static str) -> Program {
        Program { peer, executable, package, version: "", data: None }
    }

    /// The executable; fetches it where needed.
    pub fn find(&self) -> Result<Executable> {
        if let Some(path) = self.on_path() {
            return Ok(Executable { path, root: None, package_version: None });
        }
        let mut tried = Vec::new();
        for suite in SUITES {
            match self.in_suite(suite) {
                Ok(Some(path)) => return Ok(path),
                Ok(None) => {}
                Err(error) => tried.push(error.to_string()),
            }
        }
        let wanted = match self.version {
            "" => String::new(),
            version => format!(" {version}x"),
        };
        tried.dedup();
        let reason = if tried.is_empty() { "no Debian suite has it".into() } else { tried.join("; ") };
        let remedy = format!("put {}{wanted} on PATH", self.executable);
        Err(PeerError::missing(self.peer, format!("not on PATH, and {reason}. Remedy: {remedy}")))
    }

    /// The executable on `PATH`, if its version will do.
    fn on_path(&self) -> Option<PathBuf> {
        let paths = std::env::var_os("PATH")?;
        std::env::split_paths(&paths).map(|folder| folder.join(self.executable)).find(|path| {
            path.is_file() && (self.version.is_empty() || reported_version(path).starts_with(self.version))
        })
    }

    /// The executable from a Debian suite, through the cache; none when the suite has no such version.
    fn in_suite(&self, suite: &str) -> io::Result<Option<Executable>> {
        // One folder a package, suite and range: what is there is known to fit, without asking the mirror again.
        let range = if self.version.is_empty() { "any" } else { self.version.trim_end_matches('.') };
        let folder = cache::root().join("peers").join(format!("{}-{range}-{suite}", self.package));
        let executable = || Executable {
            path: folder.join("usr/bin").join(self.executable),
            root: self.data.map(|_| folder.clone()),
            package_version: fs::read_to_string(folder.join(VERSION_FILE)).ok(),
        };
        if !folder.is_dir() {
            let source = debian::Suite::open(suite)?;
            let versions = source.versions(self.package)?;
            let Some(version) = versions.iter().find(|version| upstream(version).starts_with(self.version)) else {
                return Ok(None);
            };
            cache::fill_once(&folder, |draft| self.unpack(&source, version, draft))?;
        }
        let found = executable();
        if !found.path.is_file() {
            return Err(io::Error::other(format!("package {} has no {}", self.package, self.executable)));
        }
        // A program of a newer suite may ask for a newer C library than this machine has: then the next one is tried.
        Ok(starts(&found.path).then_some(found))
    }

    fn unpack(&self, source: &debian::Suite, version: &str, folder: &Path) -> io::Result<()> {
        source.unpack(self.package, version, folder)?;
        fs::write(folder.join(VERSION_FILE), bare(version))?;
        let executable = folder.join("usr/bin").join(self.executable);
        match self.data {
            Some(data) if executable.is_file() => fs::write(&executable, relocated(&fs::read(&executable)?, data)),
            _ => Ok(()),
        }
    }
}

/// Makes a compiled-in absolute folder relative to the folder the program is started in. The text keeps its length:
/// the slash in front goes to the end.
fn relocated(program: &[u8], folder: &str) -> Vec<u8> {
    let relative = format!("{}/", folder.trim_start_matches('/'));
    let mut bytes = program.to_vec();
    let mut at = 0;
    while let Some(found) = find(&bytes[at..], folder.as_bytes()) {
        at += found;
        bytes[at..at + relative.len()].copy_from_slice(relative.as_bytes());
        at += relative.len();
    }
    bytes
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes[at..].iter().position(|byte| *byte == wanted[0])?;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        at += 1;
    }
}

/// A Debian version without its epoch and what Debian adds: the version of the program.
fn bare(version: &str) -> &str {
    upstream(version).split(['+', '-', '~']).next().unwrap_or_default()
}

/// A Debian version without its epoch.
fn upstream(version: &str) -> &str {
    version.split_once(':').map_or(version, |(_, rest)| rest)
}

/// The version that a program tells of itself, when asked by the flag or, where it knows none, by the command; empty where
/// it tells none.
pub(crate) fn reported_version(path: &Path) -> String {
    let told = ["--version", "version"].iter().find_map(|question| {
        let output = Command::new(path).arg(question).output().ok()?;
        version_in(&String::from_utf8_lossy(&[output.stdout, output.stderr].concat()))
    });
    told.unwrap_or_default()
}

/// The first word that looks like a version.
fn version_in(text: &str) -> Option<String> {
    let mut words = text.split_whitespace().map(|word| word.trim_start_matches('v'));
    words.find(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_string)
}

/// Whether the dynamic loader accepts the program at all.
fn starts(path: &Path) -> bool {
    let output = Command::new(path).arg("--version").output();
    output.is_ok_and(|out| !String::from_utf8_lossy(&out.stderr).contains("GLIBC_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_no_part_of_the_version() {
        assert_eq!(upstream("1:3.5.0-1"), "3.5.0-1");
        assert_eq!(upstream("2.42.0+ds-5"), "2.42.0+ds-5");
        assert_eq!(bare("1:1.79.5+ds1-2+b5"), "1.79.5");
    }

    #[test]
    fn a_version_is_the_first_number_that_a_program_tells() {
        let told = [
            ("prometheus, version 3.1.0 (branch: x)", Some("3.1.0")),
            ("GitVersion:    v2.5.3\nGitCommit:     unknown", Some("2.5.3")),
            ("Error: unknown flag: --version", None),
        ];
        for (text, version) in told {
            assert_eq!(version_in(text).as_deref(), version, "{text}");
        }
    }

    #[test]
    fn a_compiled_in_folder_becomes_relative_and_keeps_its_length() {
        let moved = relocated(b"//usr/s\0x/usr/s/y", "/usr/s");
        assert_eq!(moved, b"/usr/s/\0xusr/s//y");
    }
}
