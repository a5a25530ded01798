//! The first-party index: what `registry/index/` says and the plugins of this checkout make an index that a host takes, with
//! every plugin in it.

use std::{collections::BTreeMap, fs, path::Path};

use jackfield_registry::{Digest, Manifest};
use jackfield_tests::{Stand, packed, workspace};
use serde_json::Value;

/// The manifests of the first-party plugins, by name.
fn manifests() -> BTreeMap<String, Manifest> {
    let folders = fs::read_dir(workspace().join("plugins")).unwrap().flatten();
    let texts = folders.filter_map(|folder| fs::read_to_string(folder.path().join("plugin.toml")).ok());
    let manifests = texts.map(|text| Manifest::from_toml(&text).unwrap());
    manifests.map(|manifest| (manifest.plugin.name.clone(), manifest)).collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_first_party_index_has_every_plugin_and_a_host_takes_it() {
    let stand = Stand::start();
    let done = |arguments: &[&str]| -> Value {
        let output = stand.server().command().args(arguments).args(["-o", "json"]).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let manifests = manifests();
    assert!(manifests.len() >= 5, "{:?}", manifests.keys());
    let (sources, out) = (workspace().join("registry/index"), stand.scratch().join("index"));
    let packages: Vec<String> = manifests.keys().map(|name| packed(name).to_str().unwrap().to_owned()).collect();
    let mut build = vec!["registry", "build", sources.to_str().unwrap(), "--out", out.to_str().unwrap()];
    packages.iter().for_each(|package| build.extend(["--packages", package]));
    assert_eq!(done(&build)["outcome"], "written");
    assert_eq!(done(&build)["outcome"], "unchanged");

    let root = json(&out.join("index.json"));
    assert_eq!(root["plugins"].as_object().unwrap().len(), manifests.len());
    for (name, manifest) in &manifests {
        let plugin = &manifest.plugin;
        assert_eq!(root["plugins"][name]["newest"], plugin.version.to_string(), "{name}");
        let page = json(&out.join(format!("plugins/{name}.json")));
        let release = &page["releases"][0];
        let file = fs::read(packed(name)).unwrap();
        assert_eq!(release["digest"], Digest::of(&file).to_string(), "{name}");
        assert_eq!(release["capabilities"].as_array().unwrap().len(), plugin.capabilities.len(), "{name}");
        let copy = out.join(release["place"].as_str().unwrap());
        assert!(fs::read(copy).unwrap() == file, "{name}: the copy in the index is another file");
    }

    done(&["registry", "add", "first", out.to_str().unwrap(), "--allow-unsigned"]);
    let found = done(&["registry", "search"]);
    let found: Vec<_> = found["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(found, manifests.keys().collect::<Vec<_>>());
}
