//! Upgrades in parts of a running server: under load, over the command line, and while the server is killed.

#![allow(clippy::print_stdout, reason = "tells the figures, which are shown with --nocapture")]

mod common;

use std::collections::BTreeSet;

use common::version;
use jackfield_peers::http;
use jackfield_tests::{Stand, base64, load::no_call_fails_while};
use serde_json::{Value, json};

/// Shares that are told one after the other, so many times.
const SHARES: [usize; 4] = [1, 10, 50, 99];
const ROUNDS: usize = 10;
/// Kills.
const KILLS: usize = 12;

fn with_two_versions() -> Stand {
    let stand = Stand::with("play", "playground", &json!({}));
    let second = version("playground", "0.2.0", stand.scratch(), |_| {});
    let (status, answer) = stand.server().upload(&second, "").unwrap();
    assert_eq!(status, 201, "{answer}");
    stand
}

/// Which version it runs with, and the share of the other.
fn runs(stand: &Stand) -> (String, Option<u64>) {
    let shown = stand.server().get("/v1/integrations/play").unwrap();
    (shown["plugin-version"].as_str().unwrap().to_owned(), shown["share"]["percent"].as_u64())
}

fn give(stand: &Stand, share: usize) {
    let wanted = json!({"version": "0.2.0", "share": share});
    let (status, answer) = stand.server().send("POST", "/v1/integrations/play/upgrade", &wanted).unwrap();
    assert_eq!(status, 200, "{answer}");
}

#[test]
fn no_call_fails_while_a_share_is_moved_given_whole_and_taken_back_over_the_command_line() {
    let stand = with_two_versions();
    let cli = |arguments: &[&str]| stand.server().cli(arguments).unwrap();
    let calls = no_call_fails_while(&stand, "play", "during/", || {
        for round in 0..ROUNDS {
            for share in SHARES {
                give(&stand, share);
            }
            match round % 2 {
                0 => drop(cli(&["integration", "rollback", "play"])),
                _ => {
                    let done = cli(&["integration", "upgrade", "play", "--watch", "0s"]);
                    assert_eq!((&done["to"], &done["share"]), (&json!("0.2.0"), &json!(100)), "{done}");
                    cli(&["integration", "rollback", "play"]);
                }
            }
            assert_eq!(runs(&stand), ("0.1.0".into(), None));
        }
    });
    println!("{} shares under {calls} calls", ROUNDS * SHARES.len());
    let shared = cli(&["integration", "upgrade", "play", "--share", "25"]);
    assert_eq!((&shared["to"], &shared["share"], &shared["changed"]), (&json!("0.2.0"), &json!(25), &json!(true)));
    assert_eq!(runs(&stand), ("0.1.0".into(), Some(25)));
    let refused = stand.server().cli(&["integration", "update", "play", "--label", "a=b"]).unwrap_err().to_string();
    assert!(refused.contains("jackfield integration rollback play"), "{refused}");
    assert!(cli(&["status"]).to_string().contains("25 of 100 calls go to 0.2.0"));
    for number in 0..60 {
        let put = json!({"key": format!("k{number}"), "value": base64("x")});
        stand.server().ok("play", "key-value.put", &put).unwrap();
    }
    let writes = stand.server().get("/v1/operations?integration=play&limit=60").unwrap();
    let latest = writes["items"].as_array().unwrap().iter().map(|write| write["plugin-digest"].as_str().unwrap());
    let digests: BTreeSet<&str> = latest.collect();
    assert_eq!(digests.len(), 2, "each version took some of them");
}

#[test]
fn a_server_that_is_killed_while_a_share_is_moved_has_one_that_was_told_and_loses_none_that_was_acknowledged() {
    let mut stand = with_two_versions();
    give(&stand, 1);
    let mut last = 1;
    for kill in 0..KILLS {
        let next = 5 + kill * 7 % 90;
        let address = stand.server().address().to_owned();
        let asked = std::thread::spawn(move || {
            let wanted = json!({"share": next});
            http::post_json(&address, "/v1/integrations/play/upgrade", &wanted).is_ok_and(|answer| answer.status == 200)
        });
        std::thread::sleep(std::time::Duration::from_millis(kill as u64 * 3));
        stand.crash();
        let acknowledged = asked.join().unwrap();
        stand.restart();
        let (version, share) = runs(&stand);
        let share = usize::try_from(share.unwrap()).unwrap();
        assert_eq!(version, "0.1.0");
        assert!(
            share == next || share == last && !acknowledged,
            "{share} after {last}, {next} was told: {acknowledged}"
        );
        last = share;
        let key = format!("k{kill}");
        stand.server().ok("play", "key-value.put", &json!({"key": key, "value": base64("x")})).unwrap();
        let got = stand.server().ok("play", "key-value.get", &json!({"key": key})).unwrap();
        assert_ne!(got, Value::Null);
    }
    give(&stand, 100);
    assert_eq!(runs(&stand), ("0.2.0".into(), None));
}
