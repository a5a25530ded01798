//! Versions of a plugin in a running server: installed over the command line, upgraded to and back under load, and while the
//! server is killed.

#![allow(clippy::print_stdout, reason = "tells the figures, which are shown with --nocapture")]

mod common;

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use common::version;
use jackfield_peers::http;
use jackfield_tests::{Stand, base64, load::no_call_fails_while};
use serde_json::{Value, json};

/// Upgrades and ways back.
const MOVES: usize = 100;
/// One in so many is met by a kill.
const KILLED: usize = 4;
const CALLERS: usize = 4;

fn with_two_versions() -> Stand {
    let stand = Stand::with("play", "playground", &json!({}));
    let second = version("playground", "0.2.0", stand.scratch(), |_| {});
    let (status, answer) = stand.server().upload(&second, "").unwrap();
    assert_eq!(status, 201, "it asks for no more than the first: {answer}");
    stand
}

fn runs(stand: &Stand) -> Value {
    stand.server().get("/v1/integrations/play").unwrap()
}

#[test]
fn a_new_version_is_tried_switched_to_and_left_again_over_the_command_line() {
    let stand = with_two_versions();
    let cli = |arguments: &[&str]| stand.server().cli(arguments).unwrap();
    let tried = cli(&["integration", "upgrade", "play", "--dry-run"]);
    assert_eq!((&tried["to"], &tried["changed"], &tried["checked"]), (&json!("0.2.0"), &json!(false), &json!(true)));
    assert_eq!(runs(&stand)["plugin-version"], "0.1.0");
    let upgraded = cli(&["integration", "upgrade", "play", "--watch", "0s"]);
    assert_eq!((&upgraded["from"], &upgraded["changed"]), (&json!("0.1.0"), &json!(true)), "{upgraded}");
    let shown = cli(&["integration", "show", "play"]);
    assert_eq!((&shown["plugin-version"], &shown["previous"]["plugin-version"]), (&json!("0.2.0"), &json!("0.1.0")));
    let back = cli(&["integration", "rollback", "play"]);
    assert_eq!(back["plugin-version"], "0.1.0", "{back}");
    let (status, problem) = stand.server().send("DELETE", "/v1/plugins/playground@0.1.0", &Value::Null).unwrap();
    assert_eq!(status, 409, "{problem}");
    cli(&["plugin", "remove", "playground@0.2.0"]);
    let (status, problem) = stand.server().send("POST", "/v1/integrations/play/rollback", &json!({})).unwrap();
    assert_eq!((status, &problem["kind"]), (409, &json!("conflict")), "{problem}");
    let audit = stand.server().get("/v1/audit?limit=1000").unwrap().to_string();
    assert!(audit.contains("integration-upgraded") && audit.contains("integration-rolled-back"), "{audit}");
}

#[test]
fn after_a_second_version_who_runs_with_the_first_is_named_and_upgraded_with_the_settings_it_needs() {
    let stand = Stand::with("play", "playground", &json!({}));
    let second = version("playground", "0.2.0", stand.scratch(), |manifest| {
        let greeting = json!({"greeting": {"type": "string"}});
        manifest.config.insert("properties".into(), greeting);
        manifest.config.insert("required".into(), json!(["greeting"]));
    });
    let cli = |arguments: &[&str]| stand.server().cli(arguments).unwrap();
    assert_eq!(cli(&["plugin", "outdated"]), json!({"items": []}));
    let mut command = stand.program().command();
    command.args([
        "plugin",
        "install",
        "--allow-unsigned",
        second.to_str().unwrap(),
        "--data",
        stand.data().to_str().unwrap(),
    ]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("play still runs with 0.1.0\nnext: jackfield integration upgrade play"), "{said}");
    let item = json!({"integration": "play", "plugin": "playground", "plugin-version": "0.1.0", "newest": "0.2.0",
        "command": "jackfield integration upgrade play"});
    assert_eq!(cli(&["plugin", "outdated"]), json!({"items": [item]}));

    let refused = stand.server().cli(&["integration", "upgrade", "play"]).unwrap_err().to_string();
    assert!(refused.contains("--set"), "{refused}");
    // Text, since its schema says so.
    let upgraded = cli(&["integration", "upgrade", "play", "--set", "greeting=7"]);
    assert_eq!((&upgraded["to"], &upgraded["config"]), (&json!("0.2.0"), &json!({"greeting": "7"})), "{upgraded}");
    assert_eq!(cli(&["plugin", "outdated"]), json!({"items": []}));
}

#[test]
fn a_version_that_asks_for_one_more_host_is_not_installed_until_exactly_that_is_accepted() {
    let stand = Stand::start();
    stand.install("prometheus");
    let more = version("prometheus", "0.2.0", stand.scratch(), |manifest| {
        let mut telemetry = manifest.endpoints[0].clone();
        telemetry.name = "telemetry".into();
        telemetry.address = "telemetry-url".into();
        telemetry.methods = vec!["POST".into()];
        telemetry.paths = vec!["/push".into()];
        telemetry.safe_posts.clear();
        manifest.endpoints.push(telemetry);
        manifest.config["properties"]["telemetry-url"] = json!({"type": "string"});
    });
    let plan = stand.server().cli(&["plugin", "inspect", more.to_str().unwrap()]).unwrap();
    assert_eq!(
        plan["new-rights"],
        json!(["send to `telemetry` (the address in `telemetry-url`): POST /push"]),
        "{plan}"
    );
    for query in ["", "?accept=00000000000000000000000000000000"] {
        let (status, problem) = stand.server().upload(&more, query).unwrap();
        assert_eq!((status, &problem["code"]), (403, &json!("acceptance-needed")), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("send to `telemetry`"), "{problem}");
    }
    assert_eq!(stand.server().get("/v1/plugins").unwrap()["items"].as_array().unwrap().len(), 1);
    let accept = plan["accept"].as_str().unwrap();
    let (status, answer) = stand.server().upload(&more, &format!("?accept={accept}")).unwrap();
    assert_eq!((status, &answer["id"]), (201, &json!("prometheus@0.2.0")), "{answer}");
}

#[test]
fn no_call_fails_while_versions_change() {
    let stand = with_two_versions();
    let calls = no_call_fails_while(&stand, "play", "during/", || {
        for _ in 0..MOVES / 2 {
            move_on(&stand, true);
            move_on(&stand, false);
        }
    });
    println!("{MOVES} moves under {calls} calls");
}

/// Does something when it goes.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// To 0.2.0, or back.
fn move_on(stand: &Stand, forward: bool) {
    let (path, body) = request(forward);
    let (status, answer) = stand.server().send("POST", path, &body).unwrap();
    assert_eq!(status, 200, "{answer}");
}

fn request(forward: bool) -> (&'static str, Value) {
    match forward {
        true => ("/v1/integrations/play/upgrade", json!({"version": "0.2.0"})),
        false => ("/v1/integrations/play/rollback", json!({})),
    }
}

#[test]
fn a_server_that_is_killed_while_versions_change_has_one_of_them_wholly_and_no_other_call_fails() {
    let mut stand = with_two_versions();
    let digests: Vec<String> = ["0.1.0", "0.2.0"]
        .map(|version| {
            let plugin = stand.server().get(&format!("/v1/plugins/playground@{version}")).unwrap();
            plugin["digest"].as_str().unwrap().to_owned()
        })
        .into();
    let address = stand.server().address().to_owned();
    let (over, down) = (AtomicBool::new(false), AtomicBool::new(false));
    let (calls, cut) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed = thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (over, down, calls, cut, address) = (&over, &down, &calls, &cut, &address);
                scope.spawn(move || {
                    let mut failed = Vec::new();
                    let body = json!({"key": format!("k{caller}"), "value": base64("x")});
                    while !over.load(Ordering::SeqCst) {
                        let was_down = down.load(Ordering::SeqCst);
                        let path = "/v1/integrations/play/key-value/put";
                        match http::post_json(address, path, &body) {
                            Ok(answer) if answer.status == 200 => {
                                calls.fetch_add(1, Ordering::SeqCst);
                            }
                            // Whatever is answered while nobody was killed has to be an answer.
                            Ok(answer) => failed.push(answer.text()),
                            Err(error) if !was_down && !down.load(Ordering::SeqCst) => failed.push(error.to_string()),
                            Err(_) => {
                                cut.fetch_add(1, Ordering::SeqCst);
                                thread::sleep(Duration::from_millis(5));
                            }
                        }
                    }
                    failed
                })
            })
            .collect();
        // Also where something is not as it should be: nobody else would end them.
        let _end = OnDrop(|| over.store(true, Ordering::SeqCst));
        for step in 0..MOVES {
            let second = runs(&stand)["plugin-version"] == "0.2.0";
            if step % KILLED == 0 {
                let (path, body) = request(!second);
                let asked = scope.spawn({
                    let address = &address;
                    move || http::post_json(address, path, &body).is_ok_and(|answer| answer.status == 200)
                });
                thread::sleep(Duration::from_millis(step as u64 * 7 % 40));
                down.store(true, Ordering::SeqCst);
                stand.crash();
                let acknowledged = asked.join().unwrap();
                stand.restart();
                down.store(false, Ordering::SeqCst);
                let now = runs(&stand);
                let after = now["plugin-version"] == "0.2.0";
                assert!(!acknowledged || after != second, "a move that was acknowledged is gone: {now}");
                assert_eq!(now["plugin-digest"], digests[usize::from(after)], "{now}");
                assert!(!now["capabilities"].as_array().unwrap().is_empty(), "it does not run: {now}");
            } else {
                move_on(&stand, !second);
            }
        }
        over.store(true, Ordering::SeqCst);
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect::<Vec<String>>()
    });
    println!("{MOVES} moves, {} calls, {} cut by kills", calls.into_inner(), cut.into_inner());
    assert!(failed.is_empty(), "{} calls failed, such as: {}", failed.len(), failed[0]);
}
