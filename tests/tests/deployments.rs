//! Deployments over the command line: the two blocks of the architecture decision as they are written there, routed to the
//! orchestrator that is named; and how the plugins behind them come in, are held, and are moved together.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    time::{Duration, Instant},
};

use common::version;
use jackfield_tests::{Stand, packed};
use serde_json::{Value, json};

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(60);

/// The blocks of the architecture decision, to the letter.
const INTEGRATION: &str = "integration:
  name: kubernetes
  version: \"1.0.0\"
  capabilities:
    - container_orchestration
    - service_discovery
    - ingress_management
";
const DEPLOYMENT: &str = "deployment:
  strategy: rolling
  orchestrator: kubernetes # or docker_swarm, nomad
  config:
    namespace: production
    replicas: 3
";

fn write(stand: &Stand, name: &str, text: &str) -> PathBuf {
    let path = stand.scratch().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

fn run(stand: &Stand, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = stand.server().run(arguments).unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn apply(stand: &Stand, path: &Path, more: &[&str]) -> Value {
    let arguments = [&["apply", "-f", path.to_str().unwrap()], more].concat();
    stand.server().cli(&arguments).unwrap()
}

fn changes(applied: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    applied["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (text(&change["action"]), text(&change["name"])))
        .collect()
}

fn change(action: &str, name: &str) -> Vec<(String, String)> {
    vec![(action.to_owned(), name.to_owned())]
}

fn workload(stand: &Stand) -> Value {
    let params = json!({"namespace": "production", "name": "shop"});
    stand.server().ok("kubernetes", "orchestrator.get", &params).unwrap()["spec"].clone()
}

/// Installs the playground as if it were a plugin for Kubernetes.
fn install_kubernetes(stand: &Stand) {
    let file = version("playground", "1.0.0", stand.scratch(), |manifest| manifest.plugin.name = "kubernetes".into());
    assert_eq!(stand.server().install(&file).unwrap().0, 201);
}

/// One that runs, with a workload `shop`.
fn with_shop() -> (Stand, PathBuf) {
    let stand = Stand::start();
    install_kubernetes(&stand);
    stand.server().integrate("kubernetes", "kubernetes", &json!({})).unwrap();
    let whole = format!("{DEPLOYMENT}    image: shop:1\n");
    let shop = write(&stand, "site/shop.yaml", &whole);
    assert_eq!(changes(&apply(&stand, &shop, &[])), change("add", "kubernetes/production/shop"));
    (stand, shop)
}

#[test]
fn the_integration_block_says_what_is_missing_until_a_plugin_offers_it() {
    let stand = Stand::start();
    let block = write(&stand, "kubernetes.yaml", INTEGRATION);
    let (code, _, said) = run(&stand, &["apply", "-f", block.to_str().unwrap()]);
    assert!(code == Some(1) && said.contains("no plugin `kubernetes`"), "{said}");
    install_kubernetes(&stand);
    let (code, _, said) = run(&stand, &["apply", "-f", block.to_str().unwrap()]);
    assert!(code == Some(1) && said.contains("/integration/capabilities/2") && said.contains("`traffic`"), "{said}");
    let offered = write(&stand, "kubernetes.yaml", &INTEGRATION.replace("    - ingress_management\n", ""));
    assert_eq!(changes(&apply(&stand, &offered, &[])), change("add", "kubernetes"));
}

#[test]
fn the_deployment_block_is_routed_to_its_orchestrator_once_and_drift_shows() {
    let (stand, shop) = with_shop();
    // Called like its file, since nothing else names it. As it is written there it changes what there is.
    let as_written = write(&stand, "site/shop.yaml", DEPLOYMENT);
    for more in [&["--dry-run"][..], &[], &["--prune"]] {
        let again = apply(&stand, &as_written, more);
        assert_eq!((&again["changes"], &again["unchanged"]), (&json!([]), &json!(1)), "{again}");
    }
    assert_eq!((&workload(&stand)["replicas"], &workload(&stand)["image"]), (&json!(3), &json!("shop:1")));

    let by_hand = ["call", "kubernetes", "orchestrator.scale", "namespace=production", "name=shop", "replicas=7"];
    stand.server().cli(&by_hand).unwrap();
    let path = shop.to_str().unwrap();
    let (code, shown, _) = run(&stand, &["apply", "-f", path, "--dry-run", "--exit-code"]);
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("/config/replicas") && shown.contains('7'), "{shown}");
    assert_eq!(changes(&apply(&stand, &shop, &[])), change("update", "kubernetes/production/shop"));
    assert_eq!(workload(&stand)["replicas"], 3);

    let exported = write(&stand, "all.json", &stand.server().cli(&["export"]).unwrap().to_string());
    assert!(fs::read_to_string(&exported).unwrap().contains(r#""orchestrator":"kubernetes""#));
    let again = apply(&stand, &exported, &["--prune"]);
    assert_eq!(again["changes"], json!([]), "{again}");
    let audit = stand.server().get("/v1/audit?limit=1000").unwrap().to_string();
    assert!(audit.contains("deployment-applied") && audit.contains("orchestrator.apply"), "{audit}");
    let swarm = write(&stand, "swarm.yaml", "deployment: {name: a, orchestrator: docker_swarm, config: {image: a}}");
    let (_, _, said) = run(&stand, &["apply", "-f", swarm.to_str().unwrap()]);
    assert!(said.contains("no integration `docker-swarm`"), "{said}");
}

#[test]
fn pruning_takes_what_was_applied_and_leaves_what_others_made() {
    let (stand, _) = with_shop();
    stand
        .server()
        .cli(&["call", "kubernetes", "orchestrator.apply", "workload.name=theirs", "workload.image=a"])
        .unwrap();
    let cart = write(&stand, "cart.yaml", "deployment: {orchestrator: kubernetes, config: {image: 'cart:1'}}");
    let applied = apply(&stand, &cart, &["--prune"]);
    let both = [change("add", "kubernetes/cart"), change("remove", "kubernetes/production/shop")].concat();
    assert_eq!(changes(&applied), both);
    let listed = stand.server().ok("kubernetes", "orchestrator.list", &json!({})).unwrap();
    let names: Vec<&Value> = listed["items"].as_array().unwrap().iter().map(|item| &item["spec"]["name"]).collect();
    assert_eq!(names, ["cart", "theirs"]);
}

#[test]
fn an_orchestrator_that_cannot_be_asked_fails_its_deployments_after_all_else_was_done() {
    let (stand, shop) = with_shop();
    stand.server().cli(&["integration", "disable", "kubernetes"]).unwrap();
    write(&stand, "site/other.yaml", "integration: {name: other, plugin: kubernetes}");
    let site = shop.parent().unwrap().to_str().unwrap();
    let (code, _, said) = run(&stand, &["apply", "-f", site]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("failed: deployment `kubernetes/production/shop`") && said.contains("disabled"), "{said}");
    assert!(stand.server().get("/v1/integrations/other").is_ok(), "all else was done");
    stand.server().cli(&["integration", "enable", "kubernetes"]).unwrap();
    assert_eq!(apply(&stand, Path::new(site), &[])["unchanged"], 2);
}

#[test]
fn a_deployment_is_the_same_write_after_the_server_was_killed() {
    let (mut stand, shop) = with_shop();
    stand.crash();
    stand.restart();
    let again = apply(&stand, &shop, &[]);
    assert_eq!((&again["changes"], &again["unchanged"]), (&json!([]), &json!(1)), "{again}");
    let nothing =
        write(&stand, "none.yaml", "deployment: {name: cart, orchestrator: kubernetes, config: {image: 'cart:1'}}");
    let removed = apply(&stand, &nothing, &["--prune"]);
    assert!(changes(&removed).contains(&("remove".to_owned(), "kubernetes/production/shop".to_owned())), "{removed}");
}

#[test]
fn a_trust_policy_in_a_document_lets_the_plugins_in_that_are_installed_with_it() {
    let stand = Stand::start();
    let file = packed("playground");
    let plan = stand.server().cli(&["plugin", "inspect", file.to_str().unwrap()]).unwrap();
    let (source, accept) = (json!(file), &plan["accept"]);
    let plugin = format!("plugin: {{name: playground, version: \"0.1.0\", source: {source}, accept: {accept}}}\n");
    let trust = "trust:\n  source:\n    - {prefix: 'file:upload', unsigned: allow}\n";
    let integration = "integration: {name: play, plugin: playground}\n";
    let alone = write(&stand, "plugin.yaml", &plugin);
    let (code, _, said) = run(&stand, &["apply", "-f", alone.to_str().unwrap()]);
    assert!(code == Some(1) && said.contains("trust"), "{said}");
    let all = write(&stand, "all.yaml", &format!("{plugin}---\n{trust}---\n{integration}"));
    let planned = apply(&stand, &all, &["--dry-run"]);
    assert_eq!(planned["changes"].as_array().unwrap().len(), 3, "{planned}");
    assert_eq!(stand.server().get("/v1/trust").unwrap()["source"], json!([]));
    apply(&stand, &all, &[]);
    assert_eq!(stand.server().get("/v1/integrations/play").unwrap()["plugin"], "playground");
    let again = apply(&stand, &all, &["--prune"]);
    assert_eq!((&again["changes"], &again["unchanged"]), (&json!([]), &json!(3)), "{again}");
    let exported = stand.server().cli(&["export"]).unwrap();
    assert_eq!(exported["documents"][0]["trust"]["source"][0]["prefix"], "file:upload");
}

#[test]
fn a_pin_holds_and_all_integrations_of_a_plugin_move_together() {
    let stand = Stand::with("a", "playground", &json!({}));
    stand.server().integrate("b", "playground", &json!({})).unwrap();
    for wanted in ["0.2.0", "0.3.0"] {
        let file = version("playground", wanted, stand.scratch(), |_| {});
        assert_eq!(stand.server().install(&file).unwrap().0, 201);
    }
    let cli = |arguments: &[&str]| stand.server().cli(arguments).unwrap();
    cli(&["plugin", "pin", "playground", "0.2.0"]);
    let (_, listed, _) = run(&stand, &["plugin", "list"]);
    let pinned: Vec<&str> = listed.lines().filter(|line| line.contains("yes")).collect();
    assert!(pinned.len() == 1 && pinned[0].contains("0.2.0"), "{listed}");
    let outdated = cli(&["plugin", "outdated"]);
    assert_eq!((&outdated["items"][0]["newest"], outdated["items"].as_array().unwrap().len()), (&json!("0.2.0"), 2));
    let (code, _, said) = run(&stand, &["integration", "upgrade", "a", "--to", "0.3.0"]);
    assert!(code == Some(1) && said.contains("plugin unpin playground"), "{said}");

    let versions = || {
        ["a", "b"]
            .map(|name| stand.server().get(&format!("/v1/integrations/{name}")).unwrap()["plugin-version"].clone())
    };
    let tried = cli(&["plugin", "upgrade", "playground", "--dry-run"]);
    assert_eq!((&tried["items"][1]["to"], &tried["items"][1]["changed"]), (&json!("0.2.0"), &json!(false)), "{tried}");
    assert_eq!(versions(), ["0.1.0", "0.1.0"]);
    cli(&["plugin", "upgrade", "playground"]);
    assert_eq!(versions(), ["0.2.0", "0.2.0"]);
    cli(&["plugin", "rollback", "playground"]);
    assert_eq!(versions(), ["0.1.0", "0.1.0"]);
    let again = cli(&["plugin", "rollback", "playground"]);
    assert_eq!((&again["items"][0]["changed"], versions()), (&json!(false), [json!("0.1.0"), json!("0.1.0")]));
    let (code, _, _) = run(&stand, &["plugin", "remove", "playground@0.2.0"]);
    assert_eq!(code, Some(1), "it is pinned");
    cli(&["plugin", "unpin", "playground"]);
    cli(&["plugin", "upgrade", "playground"]);
    assert_eq!(versions(), ["0.3.0", "0.3.0"]);
}

#[test]
fn what_is_put_into_the_plugin_folder_is_installed_and_what_is_taken_away_goes() {
    let folder = tempfile::tempdir().unwrap();
    let stand = Stand::serving(&["--plugins-folder", folder.path().to_str().unwrap()]);
    let policy = write(&stand, "trust.yaml", "trust: {source: [{prefix: 'file:folder', unsigned: allow}]}");
    apply(&stand, &policy, &[]);
    let (file, source) = (folder.path().join("playground.wasm"), packed("playground"));
    let plan = stand.server().cli(&["plugin", "inspect", source.to_str().unwrap()]).unwrap();
    fs::write(folder.path().join("playground.wasm.accept"), plan["accept"].as_str().unwrap()).unwrap();
    fs::copy(source, &file).unwrap();
    let until = |what: &str, there: bool| {
        let begun = Instant::now();
        let path = "/v1/plugins/playground@0.1.0";
        while (stand.server().send("GET", path, &Value::Null).unwrap().0 == 200) != there {
            assert!(begun.elapsed() < PATIENCE, "{what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    until("it is installed", true);
    fs::remove_file(&file).unwrap();
    until("it is removed", false);
}
