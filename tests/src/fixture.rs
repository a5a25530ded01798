//! Plugins written outside the workspace: the folders in `tests/fixtures` are copied away and built as a stranger would
//! build them, with the SDK by path and nothing else of this checkout.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use jackfield_peers::jackfield::Program;
use tempfile::TempDir;

use crate::workspace;

/// Cargo waits for others that use its target folder; waiting here keeps its messages out of the tests' output.
static BUILDING: Mutex<()> = Mutex::new(());

/// A copied fixture.
#[derive(Debug)]
pub struct Fixture {
    name: String,
    folder: TempDir,
}

impl Fixture {
    /// Copies `tests/fixtures/NAME` to a folder of its own. `@SDK@` in its Cargo.toml becomes the SDK's path.
    pub fn copy(name: &str) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        copy_all(&workspace().join("tests/fixtures").join(name), folder.path());
        let manifest = folder.path().join("Cargo.toml");
        let text = fs::read_to_string(folder.path().join("Cargo.toml.in")).unwrap();
        fs::write(manifest, text.replace("@SDK@", &workspace().join("sdk/rust").display().to_string())).unwrap();
        // The versions that the checkout was tested with; cargo drops what this crate does not use.
        fs::copy(workspace().join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
        Fixture { name: name.into(), folder }
    }

    /// Copies a plugin of this checkout as a crate of its own, to make a version of it that behaves otherwise: what is changed is
    /// its source. It has the dependencies of the checkout's.
    pub fn of_plugin(name: &str) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        copy_all(&workspace().join("plugins").join(name), folder.path());
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        let (own, shared) = (read(&folder.path().join("Cargo.toml")), read(&workspace().join("Cargo.toml")));
        let wanted = own.split("[dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
        let dependency = |line: &str| {
            let name = line.strip_suffix(".workspace = true")?;
            let found =
                shared.lines().find(|line| line.split_once(" = ").is_some_and(|(known, _)| known == name)).unwrap();
            Some(found.replace("path = \"", &format!("path = \"{}/", workspace().display())))
        };
        let dependencies: Vec<String> = wanted.lines().filter_map(dependency).collect();
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n\
             [dependencies]\n{}\n\n[profile.release]\nopt-level = \"s\"\npanic = \"abort\"\nstrip = true\n\n[workspace]\n",
            dependencies.join("\n")
        );
        fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
        fs::copy(workspace().join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
        Fixture { name: name.into(), folder }
    }

    /// Puts another text in a file of its source in place of one that must be there.
    pub fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.folder().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    /// Its folder, to change it before it is built.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Builds and packs it; the packed file.
    pub fn pack(&self) -> PathBuf {
        let packed = self.folder().join(format!("{}.wasm", self.name));
        let output = self.pack_command(&packed).output().unwrap();
        assert!(output.status.success(), "packing {}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        packed
    }

    /// Builds it; the command that packs it.
    pub fn pack_command(&self, into: &Path) -> Command {
        let component = self.build();
        let mut pack = Program::built().unwrap().command();
        pack.args(["plugin", "pack"]).arg(self.folder()).arg("--component").arg(component).arg("-o").arg(into);
        pack
    }

    /// Builds it; the component.
    fn build(&self) -> PathBuf {
        let _one = BUILDING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // One target folder for all fixtures, kept: what they share is compiled once.
        let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("fixtures");
        let output = Command::new("cargo")
            .current_dir(self.folder())
            .args(["build", "--release", "--target", "wasm32-wasip2", "--target-dir"])
            .arg(&target)
            .env_remove("CARGO_TARGET_DIR")
            .output()
            .unwrap();
        assert!(output.status.success(), "building {}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        let built = target.join("wasm32-wasip2/release").join(format!("{}.wasm", self.name.replace('-', "_")));
        let own = self.folder().join("component.wasm");
        fs::copy(built, &own).unwrap();
        own
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let into = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_all(&path, &into);
        } else {
            fs::copy(&path, &into).unwrap();
        }
    }
}
