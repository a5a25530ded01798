//! What goes wrong is told so that it can be put right: what, where, by whose fault, and the next thing to do.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
    time::{Duration, Instant},
};

use jackfield_peers::{http, ports};
use jackfield_tests::{Stand, fake::Fake, packed};
use serde_json::{Value, json};

/// An empty core module and an empty component: magic, version, layer.
const CORE_MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";
const EMPTY_COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

fn install(stand: &Stand, bytes: &[u8]) -> (u16, Value) {
    let file = stand.scratch().join("upload.wasm");
    fs::write(&file, bytes).unwrap();
    stand.server().install(&file).unwrap()
}

fn detail(problem: &Value) -> &str {
    problem["detail"].as_str().unwrap_or_else(|| panic!("no detail in {problem}"))
}

/// A problem of this status, kind and source.
#[track_caller]
fn is(answer: &(u16, Value), status: u16, kind: &str, source: &str) {
    let (found, problem) = answer;
    assert_eq!((*found, &problem["kind"], &problem["source"]), (status, &json!(kind), &json!(source)), "{problem}");
}

#[test]
fn what_is_no_component_is_told_apart() {
    let stand = Stand::start();
    let html = install(&stand, b"<html>not found</html>");
    is(&html, 400, "invalid", "caller");
    let core = install(&stand, &CORE_MODULE);
    is(&core, 400, "invalid", "caller");
    assert!(detail(&core.1).contains("core"), "{}", core.1);
    let no_manifest = install(&stand, &EMPTY_COMPONENT);
    is(&no_manifest, 400, "invalid", "caller");
    assert!(detail(&no_manifest.1).contains("manifest"), "{}", no_manifest.1);
    assert!(detail(&no_manifest.1).contains("pack"), "the remedy is missing: {}", no_manifest.1);
    let details: Vec<_> = [&html, &core, &no_manifest].iter().map(|answer| detail(&answer.1).to_string()).collect();
    assert!(details[0] != details[1] && details[1] != details[2], "{details:?}");
    is(&install(&stand, b""), 400, "invalid", "caller");
}

#[test]
fn a_damaged_plugin_is_refused_wherever_the_damage_is() {
    let stand = Stand::start();
    let whole = fs::read(packed("playground")).unwrap();
    for cut in [9, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        is(&install(&stand, &whole[..cut]), 400, "invalid", "caller");
    }
    // Bytes turned over here and there: refused or, where nobody reads them, taken; never a server error.
    for step in 1..40 {
        let mut damaged = whole.clone();
        let at = whole.len() * step / 40;
        damaged[at] ^= 0xff;
        let (status, answer) = install(&stand, &damaged);
        assert!(status < 500, "byte {at}: {status} {answer}");
    }
}

#[test]
fn a_manifest_that_is_wrong_is_told_by_key() {
    let stand = Stand::start();
    let folder = stand.scratch().join("plugin");
    fs::create_dir(&folder).unwrap();
    let component = stand.scratch().join("component.wasm");
    fs::write(&component, EMPTY_COMPONENT).unwrap();
    let pack = |manifest: &str| -> Output {
        fs::write(folder.join("plugin.toml"), manifest).unwrap();
        let mut command = stand.program().command();
        command.args(["plugin", "pack"]).arg(&folder).arg("--component").arg(&component);
        command.arg("-o").arg(stand.scratch().join("out.wasm")).output().unwrap()
    };
    let good = "[plugin]\nname = \"x\"\nversion = \"0.1.0\"\ndescription = \"d\"\nhost = \">=0.1.0\"\n\
                capabilities = [\"jackfield:key-value@0.1.0\"]\n";
    for (manifest, words) in [
        (good.replace("description", "descripton"), vec!["descripton", "description"]),
        (good.replace("name = \"x\"", "name = \"X!\""), vec!["name"]),
        (good.replace("\"0.1.0\"\nd", "\"one\"\nd"), vec!["version"]),
        ("[plugin\n".into(), vec!["plugin.toml"]),
        // A component that is no plugin at all.
        (good.into(), vec!["does not export", "lifecycle"]),
    ] {
        let output = pack(&manifest);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{manifest} was packed");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in: {said}");
        }
    }
}

#[test]
fn a_configuration_that_breaks_the_schema_is_told_by_path_expected_and_found() {
    let stand = Stand::start();
    stand.install("etcd");
    let add = |config: Value| {
        let new = json!({"name": "e", "plugin": "etcd", "config": config});
        stand.server().send("POST", "/v1/integrations", &new).unwrap()
    };
    let wrong = add(json!({"url": 7}));
    is(&wrong, 400, "invalid", "caller");
    assert!(wrong.1["field"].as_str().unwrap().ends_with("/url"), "{}", wrong.1);
    assert!(detail(&wrong.1).contains("string") && detail(&wrong.1).contains('7'), "{}", wrong.1);

    let missing = add(json!({}));
    is(&missing, 400, "invalid", "caller");
    assert!(detail(&missing.1).contains("url"), "{}", missing.1);

    let unknown = add(json!({"url": "http://127.0.0.1:1", "urll": "x"}));
    is(&unknown, 400, "invalid", "caller");
    assert!(detail(&unknown.1).contains("urll"), "{}", unknown.1);

    let not_an_address = add(json!({"url": "ftp://127.0.0.1/"}));
    is(&not_an_address, 400, "invalid", "caller");

    let unknown_field = json!({"name": "e", "plugin": "etcd", "confg": {}});
    let (status, problem) = stand.server().send("POST", "/v1/integrations", &unknown_field).unwrap();
    assert_eq!(status, 400, "{problem}");
    assert!(detail(&problem).contains("confg"), "{problem}");

    for name in ["", "E", "a b", "../x", &"a".repeat(64)] {
        let new = json!({"name": name, "plugin": "etcd", "config": {"url": "http://127.0.0.1:1"}});
        is(&stand.server().send("POST", "/v1/integrations", &new).unwrap(), 400, "invalid", "caller");
    }
    let (status, listed) = stand.server().send("GET", "/v1/integrations", &Value::Null).unwrap();
    assert_eq!((status, &listed["items"]), (200, &json!([])), "a refused integration was added");
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    let stand = Stand::with("play", "playground", &json!({}));
    let call = |integration: &str, operation: &str| {
        let answer = stand.server().call(integration, operation, &json!({"key": "a"})).unwrap();
        is(&answer, 404, "not-found", "caller");
        detail(&answer.1).to_string()
    };
    assert!(call("pley", "key-value.get").contains("play"));
    assert!(call("play", "key-valu.get").contains("key-value"));
    assert!(call("play", "key-value.gett").contains("get"));
    let new = json!({"name": "p", "plugin": "playgrund"});
    let (status, problem) = stand.server().send("POST", "/v1/integrations", &new).unwrap();
    assert!(matches!(status, 400 | 404) && detail(&problem).contains("playground"), "{status} {problem}");

    // The same in the program, with its exit codes.
    let output = stand.server().run(&["call", "pley", "key-value.get", "key=a"]).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("play"));
    assert_eq!(stand.server().run(&["cal"]).unwrap().status.code(), Some(2));
}

#[test]
fn a_name_that_is_taken_is_taken() {
    let stand = Stand::with("play", "playground", &json!({}));
    let new = json!({"name": "play", "plugin": "playground"});
    is(&stand.server().send("POST", "/v1/integrations", &new).unwrap(), 409, "already-exists", "caller");
    // A plugin in use stays.
    let (status, problem) = stand.server().send("DELETE", "/v1/plugins/playground", &Value::Null).unwrap();
    assert_eq!(status, 409, "{problem}");
    assert!(detail(&problem).contains("play"), "{problem}");
    // The same file again changes nothing.
    assert_eq!(stand.server().install(&packed("playground")).unwrap().0, 200);
}

#[test]
fn a_request_that_cannot_be_read_is_the_callers() {
    let stand = Stand::with("play", "playground", &json!({}));
    let address = stand.server().address();
    let path = "/v1/integrations/play/key-value/get";
    let headers = [("content-type", "application/json")];
    for body in ["", "{", "[]", "null", "{\"key\": 1}", "{\"key\": \"a\", \"kei\": \"b\"}", "\u{feff}{}"] {
        let answer = http::request(address, "POST", path, &headers, body.as_bytes()).unwrap();
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{body}");
    }
    let deep = format!("{{\"key\": {}", "[".repeat(100_000));
    assert_eq!(http::request(address, "POST", path, &headers, deep.as_bytes()).unwrap().status, 400);
    assert_eq!(http::request(address, "PUT", path, &headers, b"{}").unwrap().status, 405);
    assert_eq!(http::get(address, "/v1/nothing").unwrap().status, 404);
}

/// A server that cannot be started; its exit code and what it said.
fn serve(stand: &Stand, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command: Command = stand.program().command();
    let output = command.arg("serve").args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_port_in_use_and_an_open_address_are_refused_with_a_remedy() {
    let stand = Stand::start();
    let other = stand.scratch().join("other");
    let other = other.to_str().unwrap();
    let (code, said) = serve(&stand, &["--data", other, "--listen", stand.server().address()]);
    assert_eq!(code, Some(1), "{said}");
    let port = stand.server().address().rsplit(':').next().unwrap();
    assert!(said.contains(port) && said.contains("--listen"), "{said}");

    // Without authentication, loopback only.
    let open = format!("0.0.0.0:{}", ports::free());
    let (code, said) = serve(&stand, &["--data", other, "--listen", &open]);
    assert!(code.is_some_and(|code| code != 0), "{said}");
    assert!(said.contains("loopback"), "{said}");
}

#[test]
fn a_data_folder_has_one_writer() {
    let stand = Stand::start();
    let data = stand.data();
    let address = format!("127.0.0.1:{}", ports::free());
    let (code, said) = serve(&stand, &["--data", data.to_str().unwrap(), "--listen", &address]);
    assert_eq!(code, Some(1), "{said}");
    // Who has it, so that the reader knows what to stop or to talk to.
    assert!(said.contains(&data.display().to_string()), "{said}");
    assert!(said.contains(stand.server().address()), "{said}");
}

#[test]
fn a_data_folder_that_cannot_be_written_or_is_newer_is_left_alone() {
    let mut stand = Stand::with("play", "playground", &json!({}));
    stand.stop();
    let data = stand.data();
    let listen = format!("127.0.0.1:{}", ports::free());

    // A file where the folder should be: refused also for root, who may write everywhere else.
    let file = stand.scratch().join("a-file");
    fs::write(&file, "x").unwrap();
    let (code, said) = serve(&stand, &["--data", file.to_str().unwrap(), "--listen", &listen]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("a-file"), "{said}");
    let sealed = stand.scratch().join("sealed");
    fs::create_dir(&sealed).unwrap();
    fs::set_permissions(&sealed, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(sealed.join("probe"), "").is_err() {
        let (code, said) = serve(&stand, &["--data", sealed.to_str().unwrap(), "--listen", &listen]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("sealed"), "{said}");
    }

    // From a version that knows more than this one.
    let database = fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3")))
        .expect("a database in the data folder");
    let mut bytes = fs::read(&database).unwrap();
    // The user version is the big-endian number at offset 60 of the database's header.
    bytes[60..64].copy_from_slice(&9999u32.to_be_bytes());
    fs::write(&database, &bytes).unwrap();
    let (code, said) = serve(&stand, &["--data", data.to_str().unwrap(), "--listen", &listen]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("newer") && said.contains("9999"), "{said}");
    assert!(fs::read(&database).unwrap() == bytes, "the newer database was changed");
}

#[test]
fn no_server_is_exit_code_3() {
    let stand = Stand::start();
    let mut command = stand.program().command();
    let nobody = format!("http://127.0.0.1:{}", ports::free());
    let output = command.args(["--server", &nobody, "plugin", "list"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What the outside system does, and what comes of a read and of a write.
#[test]
fn a_faulty_outside_system_is_told_by_kind_and_source() {
    let stand = Stand::start();
    for plugin in ["prometheus", "alertmanager"] {
        stand.install(plugin);
    }
    let nobody = format!("http://127.0.0.1:{}", ports::free());
    let html = Fake::answers(200, "text/html", "<html>hello</html>");
    let wrong_json = Fake::answers(200, "application/json", "{\"status\":\"success\",\"data\":7}");
    let broken_off =
        Fake::Says(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"".to_vec());
    let not_http = Fake::Says(b"220 mail.example ESMTP\r\n".to_vec());
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("down", nobody, &["unavailable"]),
        ("html", html.start(), &["internal", "unavailable", "unsupported"]),
        ("wrong-json", wrong_json.start(), &["internal", "unavailable", "unsupported"]),
        ("broken-off", broken_off.start(), &["internal", "unavailable"]),
        ("not-http", not_http.start(), &["internal", "unavailable"]),
        ("hangs-up", Fake::HangsUp.start(), &["unavailable"]),
        ("silent", Fake::Silent.start(), &["deadline-exceeded", "unavailable"]),
        ("drips", Fake::Drips(Duration::from_millis(200)).start(), &["deadline-exceeded", "unavailable"]),
        ("busy", Fake::answers(429, "text/plain", "slow down").start(), &["rate-limited"]),
        ("failing", Fake::answers(503, "text/plain", "try later").start(), &["unavailable"]),
        ("refusing", Fake::answers(403, "text/plain", "no").start(), &["permission-denied"]),
        ("asking", Fake::answers(401, "text/plain", "who?").start(), &["unauthenticated"]),
    ];
    for (name, url, kinds) in cases {
        stand.server().integrate(name, "prometheus", &json!({"url": url})).unwrap();
        let begun = Instant::now();
        let path = format!("/v1/integrations/{name}/metrics/query");
        let headers = [("content-type", "application/json"), ("jackfield-timeout-ms", "1500")];
        let answer = http::request(stand.server().address(), "POST", &path, &headers, b"{\"query\":\"up\"}").unwrap();
        let problem = answer.json().unwrap();
        assert!(kinds.contains(&problem["kind"].as_str().unwrap()), "{name}: {problem}");
        assert_eq!(problem["source"], "downstream", "{name}: {problem}");
        assert!(answer.status >= 429, "{name}: {problem}");
        assert!(begun.elapsed() < Duration::from_secs(8), "{name} took {:?}", begun.elapsed());
    }
}

#[test]
fn a_write_whose_answer_is_lost_has_an_unknown_outcome() {
    let stand = Stand::start();
    stand.install("alertmanager");
    let silence = json!({"silence": {"matchers": ["a=\"b\""], "ends-at": 4_000_000_000_000u64, "created-by": "t",
        "comment": "c"}, "options": {"idempotency-key": "k"}});
    // The search before the write finds nothing; the write itself is swallowed.
    let url = swallows_posts();
    stand.server().integrate("lossy", "alertmanager", &json!({"url": url})).unwrap();
    let answer = stand.server().call("lossy", "alerting.silence", &silence).unwrap();
    is(&answer, 502, "outcome-unknown", "downstream");
}

/// An Alertmanager without silences that reads a POST and hangs up.
fn swallows_posts() -> String {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 65536];
                while let Ok(read @ 1..) = stream.read(&mut buffer) {
                    if !buffer[..read].starts_with(b"GET") {
                        return;
                    }
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]";
                    if stream.write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}
