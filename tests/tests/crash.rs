//! A crash at any moment leaves a store that opens, and in it everything that was acknowledged.

use std::time::Duration;

use jackfield_tests::{Stand, base64};
use serde_json::json;

#[test]
fn what_was_acknowledged_survives_fifty_kills_at_any_moment() {
    let mut stand = Stand::with("play", "playground", &json!({}));
    let mut acknowledged = Vec::new();
    for round in 0..50u64 {
        let address = stand.server().address().to_string();
        // Writers of two kinds: integrations in the host's own records, keys in a plugin's state.
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let address = address.clone();
                std::thread::spawn(move || {
                    let mut done = Vec::new();
                    for number in 0.. {
                        let name = format!("r{round}w{writer}n{number}");
                        let (path, body) = match writer {
                            0 => ("/v1/integrations".to_string(), json!({"name": name, "plugin": "playground"})),
                            _ => (
                                "/v1/integrations/play/key-value/put".into(),
                                json!({"key": name, "value": base64(&name)}),
                            ),
                        };
                        match jackfield_peers::http::post_json(&address, &path, &body) {
                            Ok(response) if response.status < 300 => done.push((writer, name)),
                            Ok(response) => panic!("{name}: {} {}", response.status, response.text()),
                            // The server is gone; whether this one was stored is nobody's promise.
                            Err(_) => return done,
                        }
                    }
                    done
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(20 + 7 * (round % 25)));
        stand.crash();
        for writer in writers {
            acknowledged.extend(writer.join().unwrap());
        }
        stand.restart();
    }
    assert!(acknowledged.len() > 20, "only {} writes were acknowledged", acknowledged.len());
    for (writer, name) in &acknowledged {
        match writer {
            0 => assert_eq!(stand.server().get(&format!("/v1/integrations/{name}")).unwrap()["name"], **name),
            _ => {
                let read = stand.server().ok("play", "key-value.get", &json!({"key": name})).unwrap();
                assert_eq!(read["value"], base64(name), "{name}");
            }
        }
    }
}

#[test]
fn a_stopped_server_ends_cleanly_and_gives_the_folder_back() {
    let mut stand = Stand::with("play", "playground", &json!({}));
    let status = stand.server_mut().process().stop().unwrap();
    assert!(status.success(), "{status}: {}", stand.server_mut().process().output());
    // Without a server the program opens the folder itself.
    let data = stand.data();
    let mut command = stand.program().command();
    command.args(["--data", data.to_str().unwrap(), "integration", "list", "-o", "json"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(listed["items"][0]["name"], "play");
}
