//! The audit trail of a server on its way to where it is sent besides: a file that can be verified, a webhook that is away
//! for a while and comes back, a real rsyslog that is restarted.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use jackfield_peers::{Rsyslog, peer};
use jackfield_tests::{Stand, base64};
use serde_json::{Value, json};

fn put(stand: &Stand, keys: std::ops::Range<u32>) {
    for n in keys {
        let put = json!({"key": format!("k-{n}"), "value": base64("x")});
        stand.server().ok("play", "key-value.put", &put).unwrap();
    }
}

fn sinks(stand: &Stand) -> Vec<Value> {
    stand.server().cli(&["audit", "sinks"]).unwrap()["items"].as_array().unwrap().clone()
}

/// Waits until every sink has been sent everything.
fn until_sent(stand: &Stand) {
    let mut last = Vec::new();
    for _ in 0..400 {
        last = sinks(stand);
        if last.iter().all(|sink| sink["sent"] == sink["head"]) {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("{last:?}");
}

fn verify_open(stand: &Stand, path: &Path) -> Value {
    stand.server().cli(&["audit", "verify", path.to_str().unwrap(), "--open"]).unwrap()
}

/// A webhook: lines by the number of their record.
#[derive(Clone, Default)]
struct Hook {
    lines: Arc<Mutex<BTreeMap<u64, String>>>,
    tokens: Arc<Mutex<Vec<String>>>,
}

impl Hook {
    fn listen(&self, address: &str) -> String {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let hook = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let hook = hook.clone();
                thread::spawn(move || hook.serve(stream));
            }
        });
        address
    }

    /// Answers one request and closes.
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let (mut length, mut first) = (0, 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line.trim_end().is_empty() {
                    break;
                }
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().ok()?,
                "jackfield-audit-first" => first = value.parse().ok()?,
                "authorization" => self.tokens.lock().unwrap().push(value.to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body = String::from_utf8(body).ok()?;
        self.lines.lock().unwrap().extend((first..).zip(body.lines().map(str::to_owned)));
        stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").ok()
    }
}

#[test]
fn a_file_and_a_webhook_have_the_whole_trail_after_kills_and_an_outage() {
    let folder = tempfile::tempdir().unwrap();
    let (path, token) = (folder.path().join("audit.ndjson"), folder.path().join("token"));
    std::fs::write(&token, "h00k-s3cr3t-token\n").unwrap();
    // Somebody's address, who is not there yet.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let file = format!("file:{}", path.display());
    let webhook = format!("webhook:http://{address}/hook,name=siem,token-file={}", token.display());
    let mut stand = Stand::serving(&["--audit-sink", &file, "--audit-sink", &webhook]);
    stand.add("play", "playground", &json!({}));
    put(&stand, 0..20);
    let shown = sinks(&stand);
    assert_eq!((&shown[0]["kind"], &shown[1]["name"]), (&json!("file"), &json!("siem")));
    assert_eq!(shown[1]["state"], "retrying", "{shown:?}");
    assert!(shown[1]["last-error"]["message"].as_str().unwrap().contains("connection refused"), "{shown:?}");
    stand.crash();
    stand.restart();
    put(&stand, 20..40);
    let hook = Hook::default();
    hook.listen(&address);
    until_sent(&stand);
    stand.crash();
    stand.restart();
    put(&stand, 40..60);
    until_sent(&stand);

    let in_file = verify_open(&stand, &path);
    let of_host = stand.server().cli(&["audit", "verify"]).unwrap();
    assert_eq!(in_file["chain"], of_host["chain"]);
    stand
        .server()
        .cli(&["audit", "verify", path.to_str().unwrap(), "--open", "--key", of_host["key"].as_str().unwrap()])
        .unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let records = in_file["records"].as_u64().unwrap();
    assert!(records > 120, "each write is recorded twice: {in_file}");
    let lines = hook.lines.lock().unwrap().clone();
    for (number, line) in (1..=records).zip(text.lines().skip(1)) {
        assert_eq!(lines.get(&number).map(String::as_str), Some(line), "record {number}");
    }
    assert!(hook.tokens.lock().unwrap().iter().all(|token| token == "Bearer h00k-s3cr3t-token"));
    let logs = std::fs::read_to_string(stand.scratch().join("data.log")).unwrap();
    assert!(!logs.contains("h00k-s3cr3t") && !text.contains("h00k-s3cr3t"));

    let metrics = jackfield_peers::http::get(stand.server().address(), "/metrics").unwrap();
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(metrics.contains("jackfield_audit_sink_lost_total{sink=\"siem\"} 0"), "{metrics}");
    assert!(metrics.contains("jackfield_audit_sink_state{sink=\"siem\",kind=\"webhook\",state=\"ok\"} 1"), "{metrics}");

    // Changed in the file: the record is named.
    std::fs::write(&path, text.replacen("\"subject\":\"local\"", "\"subject\":\"nobody\"", 1)).unwrap();
    let verified = stand.server().run(&["audit", "verify", path.to_str().unwrap(), "--open"]).unwrap();
    assert!(!verified.status.success());
}

#[test]
fn a_real_rsyslog_reads_every_record_and_its_structured_data_though_it_is_restarted() {
    let mut rsyslog = peer!(Rsyslog::start());
    let stream = format!("syslog:tcp://{}", rsyslog.address());
    let datagrams = format!("syslog:udp://{},name=udp,from=head", rsyslog.address());
    let stand = Stand::serving(&["--audit-sink", &stream, "--audit-sink", &datagrams]);
    stand.add("play", "playground", &json!({}));
    put(&stand, 0..20);
    until_sent(&stand);
    thread::sleep(Duration::from_millis(500));
    rsyslog.crash();
    put(&stand, 20..40);
    rsyslog.restart().unwrap();
    put(&stand, 40..60);
    until_sent(&stand);

    let head = sinks(&stand)[0]["head"].as_u64().unwrap();
    let numbered = |messages: &[Value]| -> BTreeMap<u64, Value> {
        let number = |message: &Value| message["data"]["audit@32473"]["seq"].as_str()?.parse().ok();
        messages.iter().filter_map(|message| Some((number(message)?, message.clone()))).collect()
    };
    let whole = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(50));
        numbered(&rsyslog.messages()).range(..=head).count() as u64 == head
    });
    let received = numbered(&rsyslog.messages());
    assert!(whole, "{} of {head}", received.len());
    for (number, message) in &received {
        assert_eq!((&message["app"], message["text"].as_str().is_some()), (&json!("jackfield"), true), "{message}");
        let record: Value = serde_json::from_str(message["text"].as_str().unwrap()).unwrap();
        let data = &message["data"]["audit@32473"];
        assert_eq!((record["seq"].as_u64(), &record["action"]), (Some(*number), &data["action"]), "{message}");
    }
}

#[test]
fn a_sink_that_is_none_is_refused_at_the_start_without_being_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = jackfield_peers::jackfield::Program::built().unwrap().command();
    let output = command
        .args(["serve", "--listen", "127.0.0.1:0", "--audit-sink", "webhook:https://user:s3cr3t@h.example", "--data"])
        .arg(folder.path().join("data"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("user name or password") && !said.contains("s3cr3t"), "{said}");
}
