//! Documents over the command line: plugins are installed from the files that they name, what they want is so, and what was
//! changed by hand shows.

use std::{fs, path::PathBuf};

use jackfield_tests::{Stand, packed};
use serde_json::{Value, json};

/// A folder of documents: a plugin from a file beside it, and an integration in TOML.
fn site(stand: &Stand, accept: &str) -> PathBuf {
    let folder = stand.scratch().join("site");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(packed("playground"), folder.join("playground.wasm")).unwrap();
    let plugin = format!("plugin:\n  name: playground\n  version: \"0.1.0\"\n  source: playground.wasm\n{accept}");
    fs::write(folder.join("1-plugins.yaml"), plugin).unwrap();
    let integration = "[integration]\nname = \"play\"\nplugin = \"playground\"\ncapabilities = [\"key-value\", \"service_discovery\"]\nlabels = { env = \"dev\" }\n";
    fs::write(folder.join("2-integrations.toml"), integration).unwrap();
    fs::write(folder.join("README.md"), "no document").unwrap();
    folder
}

fn apply(stand: &Stand, folder: &std::path::Path, more: &[&str]) -> Result<Value, String> {
    let arguments = [&["apply", "--allow-unsigned", "-f", folder.to_str().unwrap()], more].concat();
    stand.server().cli(&arguments).map_err(|error| error.to_string())
}

#[test]
fn a_folder_of_documents_is_applied_once_and_drift_shows() {
    let stand = Stand::start();
    let folder = site(&stand, "");
    let refused = apply(&stand, &folder, &[]).unwrap_err();
    assert!(refused.contains("write `accept: "), "nobody accepted what the plugin asks for: {refused}");
    assert_eq!(stand.server().get("/v1/plugins").unwrap()["items"], json!([]));

    let file = folder.join("playground.wasm");
    let plan = stand.server().cli(&["plugin", "inspect", file.to_str().unwrap()]).unwrap();
    let folder = site(&stand, &format!("  accept: {}\n", plan["accept"]));
    let dry = apply(&stand, &folder, &["--dry-run"]).unwrap();
    let actions: Vec<_> = dry["changes"].as_array().unwrap().iter().map(|change| change["action"].clone()).collect();
    assert_eq!((actions, &dry["dry-run"]), (vec![json!("install"), json!("add")], &json!(true)), "{dry}");
    assert_eq!(stand.server().get("/v1/plugins").unwrap()["items"], json!([]), "a dry run installs nothing");

    let first = apply(&stand, &folder, &[]).unwrap();
    assert_eq!(first["changes"][0]["action"], "add", "{first}");
    for more in [&[][..], &["--dry-run"], &["--prune"]] {
        let again = apply(&stand, &folder, more).unwrap();
        assert_eq!((&again["changes"], &again["unchanged"]), (&json!([]), &json!(2)), "{again}");
    }

    stand.server().cli(&["integration", "update", "play", "--label", "env=prod"]).unwrap();
    let drift = apply(&stand, &folder, &["--dry-run"]).unwrap();
    let field = json!({"field": "/labels/env", "from": "prod", "to": "dev"});
    assert_eq!(drift["changes"][0]["fields"], json!([field]), "{drift}");
    apply(&stand, &folder, &[]).unwrap();
    assert_eq!(stand.server().get("/v1/integrations/play").unwrap()["labels"], json!({"env": "dev"}));
}

#[test]
fn what_is_exported_is_what_there_is_and_applied_with_pruning_changes_nothing() {
    let stand = Stand::with("play", "playground", &json!({}));
    stand.server().integrate("other", "playground", &json!({})).unwrap();
    let exported = stand.server().cli(&["export"]).unwrap();
    let file = stand.scratch().join("all.json");
    fs::write(&file, exported.to_string()).unwrap();
    let applied = apply(&stand, &file, &["--prune"]).unwrap();
    assert_eq!((&applied["changes"], &applied["unchanged"]), (&json!([]), &json!(3)), "{applied}");

    let one = json!({"integration": {"name": "play", "plugin": "playground"}});
    fs::write(&file, one.to_string()).unwrap();
    let applied = apply(&stand, &file, &["--prune"]).unwrap();
    assert_eq!(applied["changes"], json!([{"kind": "integration", "name": "other", "action": "remove"}]), "{applied}");
    assert_eq!(stand.server().send("GET", "/v1/integrations/other", &Value::Null).unwrap().0, 404);
}

#[test]
fn a_document_that_cannot_be_had_is_named_by_its_file_and_number() {
    let stand = Stand::with("play", "playground", &json!({}));
    let file = stand.scratch().join("bad.yaml");
    fs::write(
        &file,
        "integration: {name: a, plugin: playground}\n---\nintegration: {name: b, plugin: playground, config: {x: 1}}\n",
    )
    .unwrap();
    let mut command = stand.program().command();
    command.args(["apply", "-f", file.to_str().unwrap(), "--data", stand.data().to_str().unwrap()]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("bad.yaml, document 2: /integration/config/x"), "{said}");
    assert_eq!(stand.server().get("/v1/integrations").unwrap()["items"].as_array().unwrap().len(), 1);
}
