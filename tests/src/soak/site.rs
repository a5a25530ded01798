//! What the load works on: a server, an outside system, and the integrations that are always there.

use std::thread;

use jackfield_peers::jackfield::Server;
use serde_json::{Value, json};

use super::sample::Meter;
use crate::{Stand, outside::Outside};

/// The integration of the playground.
pub(super) const PLAY: &str = "play";
/// The integrations of the unruly guest.
pub(super) const WILD: [&str; 3] = ["wild-0", "wild-1", "wild-2"];
/// So many calls at once an integration may have; a reload moves between these two.
const CONCURRENCY: [u64; 2] = [16, 17];
/// Somewhat more than the unused instances whose memory the engine keeps before it takes no fresh memory.
const INSTANCES: u64 = 160;

/// A server and what is beside it.
#[derive(Debug)]
pub(super) struct Site {
    stand: Stand,
    pub(super) outside: Outside,
}

/// What the operator allows an unruly integration: little, so that each limit is reached in no time.
pub(super) fn limits() -> Value {
    json!({"cpu-ms": 200, "call-timeout-ms": 10_000, "concurrency": CONCURRENCY[0]})
}

impl Site {
    /// Starts everything and has each part do once what the server makes at its first use and keeps.
    pub(super) fn prepare() -> Site {
        let stand = Stand::with(PLAY, "playground", &json!({}));
        let outside = Outside::start();
        stand.install("unruly");
        for name in WILD {
            let new = json!({"name": name, "plugin": "unruly", "config": {"url": outside.url()}, "limits": limits()});
            let (status, answer) = stand.server().send("POST", "/v1/integrations", &new).unwrap();
            assert_eq!(status, 201, "{answer}");
        }
        // The store's connections for reading, and the threads for long calls.
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        stand.server().ok(PLAY, "key-value.list", &json!({"prefix": "", "page": {}})).unwrap();
                    }
                });
            }
        });
        stand.server().ok(WILD[0], "unruly.compute", &json!({"ms": 50})).unwrap();
        let site = Site { stand, outside };
        site.stretch();
        site
    }

    /// Has more instances at once than the load ever has, each with more memory than the engine keeps of it. What it keeps
    /// is used again, and fresh memory is taken only while that is little: without this the bound would be reached by and
    /// by, over many minutes.
    fn stretch(&self) {
        let limits = json!({"concurrency": INSTANCES});
        let new = json!({"name": "many", "plugin": "unruly", "limits": limits});
        self.send("POST", "/v1/integrations", &new, 201).unwrap();
        thread::scope(|scope| {
            for _ in 0..INSTANCES {
                scope.spawn(|| self.ok("many", "unruly.hold", &json!({"mib": 2, "ms": 1500})).unwrap());
            }
        });
        self.send("DELETE", "/v1/integrations/many", &Value::Null, 204).unwrap();
    }

    /// The server.
    pub(super) fn server(&self) -> &Server {
        self.stand.server()
    }

    /// What looks at the server.
    pub(super) fn meter(&mut self) -> Meter {
        let pid = self.stand.server_mut().process().pid();
        Meter::new(pid, self.server().address())
    }

    /// Calls an operation that must succeed.
    pub(super) fn ok(&self, integration: &str, operation: &str, params: &Value) -> Result<Value, String> {
        self.server().ok(integration, operation, params).map_err(|error| error.to_string())
    }

    /// Sends a request that must be answered with this status; the answer.
    pub(super) fn send(&self, method: &str, path: &str, body: &Value, expected: u16) -> Result<Value, String> {
        match self.server().send(method, path, body) {
            Ok((status, answer)) if status == expected => Ok(answer),
            Ok((status, answer)) => Err(format!("{method} {path} {body}: {status}, not {expected}: {answer}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Has an integration start anew beside what runs of it.
    pub(super) fn reload(&self, name: &str) -> Result<(), String> {
        let path = format!("/v1/integrations/{name}");
        let current = self.send("GET", &path, &Value::Null, 200)?["limits"]["concurrency"].as_u64();
        let other = CONCURRENCY.into_iter().find(|concurrency| Some(*concurrency) != current);
        self.send("PATCH", &path, &json!({"limits": {"concurrency": other}}), 200).map(drop)
    }

    /// Brings the server to the state that all rests have in common, once nobody works.
    pub(super) fn calm(&self) -> Result<(), String> {
        for name in WILD.into_iter().chain([PLAY]) {
            self.reload(name)?;
        }
        self.outside.cut();
        let there = self.send("GET", "/v1/integrations", &Value::Null, 200)?;
        let names: Vec<&str> =
            there["items"].as_array().into_iter().flatten().filter_map(|i| i["name"].as_str()).collect();
        match names == [&[PLAY], &WILD[..]].concat() {
            true => Ok(()),
            false => Err(format!("other integrations at rest than there should be: {names:?}")),
        }
    }

    /// Stops the server; what is wrong with how it ended.
    pub(super) fn end(&mut self) -> Option<String> {
        let process = self.stand.server_mut().process();
        if let Some(status) = process.ended() {
            return Some(process.failure(&format!("ended by itself: {status}")).to_string());
        }
        match process.stop() {
            Some(status) if status.success() => {}
            status => return Some(process.failure(&format!("did not stop cleanly: {status:?}")).to_string()),
        }
        // A guest's panic is a line of the log and begins with the time.
        let output = process.output();
        output
            .lines()
            .find(|line| line.starts_with("thread '"))
            .map(|line| format!("the server itself panicked: {line}"))
    }
}
