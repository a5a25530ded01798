//! Indexes for tests, and plugins without code to build them from.

#![allow(dead_code, unreachable_pub, reason = "a module of several test programs, each of which uses a part")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use jackfield_index::{Build, BuildError, Built, Location, Page, Release, Root, Timestamp, package_path};
use jackfield_registry::{Contents, Digest, Limits, Manifest, pack};
use jackfield_trust::PrivateKey;
use serde_json::{Value, json};

#[path = "../../../tests/common/mod.rs"]
pub mod packing;

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn version(text: &str) -> semver::Version {
    text.parse().unwrap()
}

/// Now, for tests.
pub fn now() -> Timestamp {
    time("2026-11-28T10:00:00Z")
}

/// A release of this version that works everywhere and offers key-value 0.1.
pub fn release(text: &str) -> Release {
    let digest = Digest::of(text.as_bytes());
    Release {
        version: version(text),
        digest,
        place: Location::Beside(package_path(&digest)),
        size: 1000,
        host: ">=0.1.0".parse().unwrap(),
        capabilities: vec!["jackfield:key-value@0.1.0".parse().unwrap()],
        compatibility: vec![],
        rights: vec![],
        accept: None,
        signer: None,
        yanked: None,
        deprecated: None,
        published: now(),
    }
}

/// The root of an index with these pages, as JSON that can be changed.
pub fn root_of(pages: &BTreeMap<String, Page>) -> Value {
    let listing = |page: &Page| {
        let bytes = page.to_bytes();
        json!({ "page": Digest::of(&bytes), "size": bytes.len(), "description": page.description })
    };
    json!({
        "format": 1,
        "name": "acme",
        "description": "Plugins of Acme",
        "serial": 7,
        "published": "2026-11-01T00:00:00Z",
        "expires": "2027-02-01T00:00:00Z",
        "plugins": pages.iter().map(|(name, page)| (name.clone(), listing(page))).collect::<BTreeMap<_, _>>(),
    })
}

pub fn advisory(id: &str, subject: &str, affected: &str, severity: &str) -> Value {
    json!({
        "id": id,
        "subject": subject,
        "affected": [affected],
        "severity": severity,
        "title": "A fault",
        "description": "Something is wrong.",
        "published": "2026-11-01T00:00:00Z",
    })
}

pub fn page(name: &str, releases: Vec<Release>) -> Page {
    Page::new(name.into(), "Something".into(), releases)
}

pub fn pages(all: impl IntoIterator<Item = Page>) -> BTreeMap<String, Page> {
    all.into_iter().map(|page| (page.name.clone(), page)).collect()
}

pub fn read_root(json: &Value) -> Root {
    Root::read(json.to_string().as_bytes()).unwrap()
}

/// A packed plugin of this name and version, with an endpoint, and so with a right.
pub fn plugin(name: &str, version: &str) -> Vec<u8> {
    let manifest = Manifest::from_toml(&format!(
        "[plugin]\nname = \"{name}\"\nversion = \"{version}\"\ndescription = \"It is {name} {version}\"\nhost = \">=0.1.0\"\n\
         capabilities = [\"acme:echo@1.0.0\"]\n[[endpoints]]\nname = \"api\"\naddress = \"url\"\nmethods = [\"GET\"]\npaths = [\"/\"]\n\
         [[compatibility]]\nsystem = \"etcd\"\nversions = [\"3.5\"]\n[config]\ntype = \"object\"\nproperties.url = {{ type = \"string\" }}\n"
    ));
    let wit = tempfile::tempdir().unwrap();
    fs::write(wit.path().join("echo.wit"), packing::ECHO).unwrap();
    let component = packing::component(&[packing::LIFECYCLE, "acme:echo/echo@1.0.0"]);
    pack(&component, &manifest.unwrap(), &Contents { wit_dirs: &[wit.path()], ..Contents::default() }).unwrap()
}

/// A folder to build an index from, and one to build it into.
pub struct Workshop {
    folder: tempfile::TempDir,
    pub now: Timestamp,
    pub key: Option<PrivateKey>,
}

impl Workshop {
    /// One with settings and nothing else.
    pub fn new() -> Self {
        let workshop = Self { folder: tempfile::tempdir().unwrap(), now: now(), key: None };
        workshop.write("index.toml", "name = \"acme\"\ndescription = \"Plugins of Acme\"\n");
        workshop
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn out(&self) -> PathBuf {
        self.path("out")
    }

    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Puts a plugin's file among those that the index is built from.
    pub fn give(&self, name: &str, version: &str) {
        self.write(&format!("packed/{name}-{version}.wasm"), plugin(name, version));
    }

    pub fn build(&self) -> Result<Built, BuildError> {
        self.build_to(&self.out())
    }

    pub fn build_to(&self, out: &Path) -> Result<Built, BuildError> {
        fs::create_dir_all(self.path("packed")).unwrap();
        let (source, packages) = (self.folder.path(), [self.path("packed")]);
        let given = Limits::default();
        Build { source, packages: &packages, given: &given, key: self.key.as_ref(), now: self.now }.write(out)
    }

    /// All files of the index, by path.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        files(&self.out())
    }

    pub fn root(&self) -> Root {
        Root::read(&self.files()["index.json"]).unwrap()
    }

    pub fn page(&self, name: &str) -> Page {
        self.root().page(name, &self.files()[&format!("plugins/{name}.json")]).unwrap()
    }
}

/// All files below a folder, by path.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn below(folder: &Path, prefix: &str, into: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                below(&entry.path(), &format!("{path}/"), into);
            } else {
                into.insert(path, fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    below(folder, "", &mut all);
    all
}
