//! Other versions of this checkout's plugins.
//!
//! Here and not in the library beside: the fuzz targets are built along with one of these tests, and what the library links
//! would be compiled with counters that only libFuzzer knows.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jackfield_registry::{Contents, Manifest, Package, pack, strip};
use jackfield_tests::packed;

/// A plugin of this checkout, one of those with Jackfield's own capabilities, as another version with another manifest; its
/// file in a folder.
pub(crate) fn version(plugin: &str, version: &str, folder: &Path, change: impl FnOnce(&mut Manifest)) -> PathBuf {
    let file = fs::read(packed(plugin)).unwrap();
    let mut manifest = Package::read(&file).unwrap().manifest;
    manifest.plugin.version = version.parse().unwrap();
    change(&mut manifest);
    let path = folder.join(format!("{plugin}-{version}.wasm"));
    fs::write(&path, pack(&strip(&file).unwrap(), &manifest, &Contents::default()).unwrap()).unwrap();
    path
}
