//! A plugin that was changed on its way, sent to a running server: refused, or shown as the other plugin that it is; and
//! nothing of it is left behind either way. Each byte of a small package is changed in the package format's own tests.

use std::fs;

use jackfield_registry::{Digest, Package, strip};
use jackfield_tests::{Stand, packed};
use serde_json::{Value, json};

/// How many bytes of the component are changed, and as many of what packing added.
const CHANGES: usize = 150;
/// One of so many that pass the first look is installed, which compiles it.
const INSTALLED: usize = 10;

#[test]
fn a_plugin_with_another_byte_is_refused_or_another_plugin_and_nothing_is_left_of_it() {
    let stand = Stand::start();
    let whole = fs::read(packed("playground")).unwrap();
    let component = strip(&whole).unwrap().len();
    let added = whole.len() - component;
    let spread = |from: usize, length: usize| (0..CHANGES).map(move |n| from + length * n / CHANGES);
    let (mut refused, mut passed) = (0, 0);
    for (n, at) in spread(0, component).chain(spread(component, added)).enumerate() {
        let mut changed = whole.clone();
        changed[at] ^= [0x01, 0x80, 0xff][n % 3];
        let file = stand.scratch().join("changed.wasm");
        fs::write(&file, &changed).unwrap();
        let (status, plan) = stand.server().upload(&file, "?dry-run=true").unwrap();
        if status != 200 {
            assert!((400..500).contains(&status), "byte {at}: {status} {plan}");
            refused += 1;
            continue;
        }
        passed += 1;
        assert_eq!(plan["digest"], json!(Digest::of(&changed)), "byte {at}: pinned as what it is not");
        assert_ne!(plan["digest"], json!(Digest::of(&whole)), "byte {at}: taken for what it was");
        // Whatever the manifest says now is what an operator is shown.
        let manifest = serde_json::to_value(&Package::read(&changed).unwrap().manifest).unwrap();
        assert_eq!(plan["manifest"], manifest, "byte {at}");
        if passed % INSTALLED == 0 {
            let accept = plan["accept"].as_str().map(|accept| format!("?accept={accept}")).unwrap_or_default();
            comes_and_goes(&stand, &file, &accept, &plan, at);
        }
    }
    assert!(refused > CHANGES / 4 && passed > CHANGES / 4, "{refused} refused, {passed} passed: nothing is tested");
    assert_eq!(stand.server().get("/v1/plugins").unwrap()["items"], json!([]), "something was left");
    // What was sent as it is is what the others were not.
    stand.install("playground");
    assert_eq!(stand.server().get("/v1/plugins/playground").unwrap()["digest"], json!(Digest::of(&whole)));
}

/// Installs a plugin: it is there as a whole and can be removed, or it is not there.
fn comes_and_goes(stand: &Stand, file: &std::path::Path, accept: &str, plan: &Value, at: usize) {
    let (status, answer) = stand.server().upload(file, accept).unwrap();
    let listed = stand.server().get("/v1/plugins").unwrap();
    if status != 201 {
        assert!((400..500).contains(&status), "byte {at}: {status} {answer}");
        assert_eq!(listed["items"], json!([]), "byte {at}: refused, and half installed");
        return;
    }
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "byte {at}: {listed}");
    let item = &listed["items"][0];
    for member in ["id", "digest", "manifest"] {
        assert_eq!(item[member], plan[member], "byte {at}: another `{member}` than was shown");
    }
    let path = format!("/v1/plugins/{}", item["id"].as_str().unwrap().replace('+', "%2B"));
    let (status, answer) = stand.server().send("DELETE", &path, &Value::Null).unwrap();
    assert_eq!(status, 204, "byte {at}: {answer}");
}
