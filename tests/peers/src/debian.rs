//! Debian packages without installing them: a package of any suite of the machine's own mirror is downloaded and
//! unpacked into a folder of the user's. The system's apt state is read (for the mirror's address and the keyring) and
//! never written; no root is needed; no maintainer script runs, so no service is started.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{cache, ports};

/// Where Debian keeps the keys of its archive.
const KEYRINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.pgp", "/usr/share/keyrings/debian-archive-keyring.gpg"];

/// One suite of the machine's mirror, with package lists of its own in the user's cache.
#[derive(Debug)]
pub struct Suite {
    name: String,
    folder: PathBuf,
}

impl Suite {
    /// Opens a suite, e.g. `trixie-backports`; its package lists are fetched the first time.
    pub fn open(name: &str) -> io::Result<Suite> {
        let suite = Suite { name: name.into(), folder: cache::root().join("apt").join(name) };
        cache::fill_once(&suite.folder, |draft| -> io::Result<()> {
            fs::create_dir_all(draft.join("lists/partial"))?;
            fs::create_dir_all(draft.join("cache/archives/partial"))?;
            fs::write(draft.join("status"), "")?;
            fs::write(draft.join("suite.sources"), sources(name)?)?;
            Suite { name: name.into(), folder: draft.into() }.update()
        })?;
        Ok(suite)
    }

    /// The versions the suite has of a package, newest first.
    pub fn versions(&self, package: &str) -> io::Result<Vec<String>> {
        let output = self.apt("apt-cache", &["madison", package], None)?;
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(lines.lines().filter_map(|line| line.split('|').nth(1)).map(|word| word.trim().to_string()).collect())
    }

    /// Downloads one version of a package and unpacks it into `folder`.
    pub fn unpack(&self, package: &str, version: &str, folder: &Path) -> io::Result<()> {
        let wanted = format!("{package}={version}");
        let downloads = self.folder.join(format!("download-{}-{}", std::process::id(), ports::free()));
        fs::create_dir_all(&downloads)?;
        let result = self.apt("apt-get", &["download", "-q", &wanted], Some(&downloads)).or_else(|_| {
            // The mirror moves on: what the lists name may be gone, what replaced it is in today's lists.
            self.update()?;
            let newest = self.versions(package)?.into_iter().next().unwrap_or_else(|| version.to_string());
            self.apt("apt-get", &["download", "-q", &format!("{package}={newest}")], Some(&downloads))
        });
        let unpacked = result.and_then(|_| {
            for entry in fs::read_dir(&downloads)? {
                let deb = entry?.path();
                run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(folder))?;
            }
            Ok(())
        });
        fs::remove_dir_all(&downloads)?;
        unpacked
    }

    fn update(&self) -> io::Result<()> {
        self.apt("apt-get", &["update", "-q"], None).map(drop)
    }

    /// Runs an apt tool on this suite's own sources, lists and cache.
    fn apt(&self, tool: &str, arguments: &[&str], within: Option<&Path>) -> io::Result<Output> {
        let mut command = Command::new(tool);
        let options = [
            ("Dir::Etc::sourcelist", self.folder.join("suite.sources")),
            ("Dir::Etc::sourceparts", "/dev/null".into()),
            ("Dir::Etc::preferences", "/dev/null".into()),
            ("Dir::Etc::preferencesparts", "/dev/null".into()),
            ("Dir::State", self.folder.clone()),
            ("Dir::State::lists", self.folder.join("lists")),
            ("Dir::State::status", self.folder.join("status")),
            ("Dir::Cache", self.folder.join("cache")),
        ];
        for (option, path) in options {
            command.arg("-o").arg(format!("{option}={}", path.display()));
        }
        // Nobody but the caller reads the downloads, so there is no need for a second user; a desktop's icons are not needed.
        for option in [
            "APT::Sandbox::User=root",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
            "Acquire::Languages=none",
            "Acquire::Retries=3",
        ] {
            command.arg("-o").arg(option);
        }
        command.args(arguments).env("LC_ALL", "C");
        if let Some(folder) = within {
            command.current_dir(folder);
        }
        run(&mut command).map_err(|error| io::Error::new(error.kind(), format!("suite {}: {error}", self.name)))
    }
}

/// The apt sources of one suite: the mirror and keyring that the machine itself uses.
fn sources(suite: &str) -> io::Result<String> {
    let mirror = mirror()?;
    let keyring = KEYRINGS.iter().find(|path| Path::new(path).exists());
    let signed_by = keyring.map(|path| format!("Signed-By: {path}\n")).unwrap_or_default();
    Ok(format!("Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main\n{signed_by}"))
}

/// The address of the machine's own Debian mirror, as its apt sources name it.
fn mirror() -> io::Result<String> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !release.lines().any(|line| line == "ID=debian") {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "this machine does not run Debian"));
    }
    let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or_default();
    let output = run(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages",
    ]))?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    choose_mirror(&listed, codename)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the machine's apt sources name no Debian mirror"))
}

/// The first source of the release's own suite; third-party and security sources carry other suite names.
fn choose_mirror(listed: &str, codename: &str) -> Option<String> {
    let names = [codename, "stable", "testing", "unstable", "sid"];
    names.iter().find_map(|wanted| {
        listed.lines().find_map(|line| {
            let mut words = line.split(' ');
            let (uri, suite, component) = (words.next()?, words.next()?, words.next()?);
            (suite == *wanted && component == "main").then(|| uri.to_string())
        })
    })
}

/// Runs a command to its end; a failure carries what it wrote.
fn run(command: &mut Command) -> io::Result<Output> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
    if output.status.success() {
        return Ok(output);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{name} failed with {}: {}", output.status, errors.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_one_of_the_machines_own_release() {
        let listed = "http://third.example/apt cloud-sdk main\nhttp://m.example/security/ x-security main\n\
                      http://m.example/debian/ x main\nhttp://m.example/debian/ x-updates main\n";
        assert_eq!(choose_mirror(listed, "x").as_deref(), Some("http://m.example/debian/"));
        assert_eq!(choose_mirror(listed, "y"), None);
    }
}
