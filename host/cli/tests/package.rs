//! README, license and bill of materials: from an author's folder into the package, and out of the host that has it.

mod support;

use std::fs;

use jackfield_registry::strip;
use support::{Bench, playground};

const SBOM: &str = "{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.6\",\"components\":[]}\n";

/// The playground's manifest and component, as files beside each other.
fn folder(bench: &Bench) -> String {
    let dir = bench.path().join("plugin");
    fs::create_dir(&dir).unwrap();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/playground/plugin.toml");
    fs::copy(manifest, dir.join("plugin.toml")).unwrap();
    fs::write(dir.join("component.wasm"), strip(&fs::read(playground()).unwrap()).unwrap()).unwrap();
    dir.to_str().unwrap().to_owned()
}

#[test]
fn what_an_author_gives_along_is_packed_installed_and_shown() {
    let bench = Bench::new();
    let dir = folder(&bench);
    let pack = ["plugin", "pack", &dir, "--component", "plugin/component.wasm", "-o", "p.wasm", "--format", "json"];
    let without = bench.run(&pack).ok().json();
    assert!(without["readme"].is_null() && without["sbom"].is_null(), "{without}");
    assert_eq!(without["license"], serde_json::json!([]));

    let write = |name: &str, text: &str| fs::write(bench.path().join("plugin").join(name), text).unwrap();
    write("README.md", "# Play\r\n\n\x1b]0;owned\x07\tand so on");
    write("LICENSE-MIT", "mit\n");
    write("LICENSE-APACHE", "apache\n");
    write("sbom.json", SBOM);
    let told = bench.run(&pack).ok().json();
    assert!(told["readme"].as_str().unwrap().ends_with("README.md"), "{told}");
    let licenses: Vec<_> = told["license"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    assert!(licenses[0].ends_with("LICENSE-APACHE") && licenses[1].ends_with("LICENSE-MIT"), "{told}");
    assert_eq!(told["sbom-format"], "CycloneDX 1.x");
    assert_ne!(told["digest"], without["digest"]);
    assert_eq!(told["digest"], bench.run(&pack).ok().json()["digest"]);

    let accept = bench.accept("p.wasm");
    bench.run(&["plugin", "install", "p.wasm", "--allow-unsigned", "--accept", &accept]).ok();
    let show = |option: &str| bench.run(&["plugin", "show", "playground", option]).ok().out;
    assert_eq!(show("--readme"), "# Play\n\n\\u{1b}]0;owned\\u{7}\tand so on\n", "shown, and not obeyed");
    assert_eq!(show("--license"), "apache\n\n\nmit\n");
    assert_eq!(show("--sbom"), SBOM);
    let bytes = bench.run(&["plugin", "show", "playground@0.1.0", "--sbom", "-o", "json"]).ok().out;
    assert_eq!(bytes, SBOM);
    let two = bench.run(&["plugin", "show", "playground", "--sbom", "--readme"]);
    assert_eq!(two.code, 2, "{two:?}");
}

#[test]
fn what_a_plugin_was_packed_without_is_told_to_be_missing() {
    let bench = Bench::new();
    let dir = folder(&bench);
    bench.run(&["plugin", "pack", &dir, "--component", "plugin/component.wasm", "-o", "p.wasm"]).ok();
    let accept = bench.accept("p.wasm");
    bench.run(&["plugin", "install", "p.wasm", "--allow-unsigned", "--accept", &accept]).ok();
    for (option, words) in [
        ("--readme", "`playground@0.1.0` was packed without a README"),
        ("--license", "`playground@0.1.0` was packed without a license text"),
        ("--sbom", "`playground@0.1.0` was packed without a bill of materials"),
    ] {
        let ran = bench.run(&["plugin", "show", "playground", option]);
        assert!(ran.code == 1 && ran.err.contains(words), "{ran:?}");
    }
    let nobody = bench.run(&["plugin", "show", "playgrund", "--readme"]);
    assert!(nobody.code == 1 && nobody.err.contains("playground"), "{nobody:?}");
}

#[test]
fn what_is_no_bill_of_materials_is_not_packed() {
    let bench = Bench::new();
    let dir = folder(&bench);
    fs::write(bench.path().join("list.json"), "{\"dependencies\":[]}").unwrap();
    let pack = ["plugin", "pack", &dir, "--component", "plugin/component.wasm", "-o", "p.wasm", "--sbom"];
    let ran = bench.run(&[&pack[..], &["list.json"]].concat());
    assert!(ran.code == 1 && ran.err.contains("list.json is no bill of materials"), "{ran:?}");
    let ran = bench.run(&[&pack[..], &["nowhere.json"]].concat());
    assert!(ran.code == 2 && ran.err.contains("nowhere.json cannot be read"), "{ran:?}");
    assert!(!bench.path().join("p.wasm").exists());
}
