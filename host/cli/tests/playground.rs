//! A real plugin, from its file to its answers: in this process and through a server, with the same bytes either way.

mod support;

use serde_json::{Value, json};
use support::{Bench, playground};

#[test]
fn a_plugin_is_installed_once_and_shown_with_what_it_asks_for() {
    let bench = Bench::new();
    let file = playground();
    let file = file.to_str().unwrap();
    let unsigned = bench.run(&["plugin", "install", file]);
    assert!(unsigned.code == 1 && unsigned.err.contains("--allow-unsigned"), "{unsigned:?}");
    let asked = bench.run(&["plugin", "install", file, "--allow-unsigned"]);
    let accept = bench.accept(file);
    assert!(asked.code == 1 && asked.err.contains(&format!("--accept {accept}")), "{asked:?}");
    assert!(asked.err.contains("have writes sent again whose outcome is unknown: key-value.*"), "{asked:?}");
    let other =
        bench.run(&["plugin", "install", file, "--allow-unsigned", "--accept", "0123456789abcdef0123456789abcdef"]);
    assert!(other.code == 1 && other.err.contains("what was accepted is not what it asks for"), "{other:?}");
    let first = bench.run(&["plugin", "install", file, "--allow-unsigned", "--accept", &accept]).ok();
    assert!(first.out.starts_with("installed playground "), "{first:?}");
    assert!(first.err.contains("jackfield integration add NAME --plugin playground"), "{first:?}");
    let again = bench.run_with(&std::fs::read(file).unwrap(), &["plugin", "install", "-", "--allow-unsigned"]).ok();
    assert!(again.out.starts_with("is installed already: playground "), "{again:?}");

    let list = bench.run(&["plugin", "list"]).ok().out;
    assert!(list.starts_with("NAME") && list.contains("jackfield:key-value@0.1.0"), "{list}");
    let shown = bench.run(&["plugin", "show", "playground"]).ok().out;
    assert!(shown.contains("sha256:"), "{shown}");
    assert!(shown.contains("have writes sent again whose outcome is unknown: key-value.*"), "{shown}");

    bench.run(&["plugin", "uninstall", "playground"]).ok();
    assert_eq!(bench.run(&["plugin", "show", "playground"]).code, 1);
}

#[test]
fn a_file_that_is_no_plugin_is_refused_with_1() {
    let bench = Bench::new();
    let ran = bench.run_with(b"not a component", &["plugin", "install", "-"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("kind: invalid"), "{ran:?}");
}

#[test]
fn what_is_put_is_got_and_bytes_are_text_for_people_and_base64_for_programs() {
    let bench = Bench::new().with_playground();
    let put = bench.run(&["call", "pg", "key-value.put", "key=greeting", "value=hello", "-o", "json"]).ok().json();
    assert_eq!((&put["key"], &put["value"]), (&json!("greeting"), &json!("aGVsbG8=")));
    let got = bench.run(&["call", "pg", "key-value.get", "key=greeting"]).ok().out;
    assert!(got.contains("value     hello\n"), "{got}");
    let yaml = bench.run(&["call", "pg", "key-value.get", "key=greeting", "-o", "yaml"]).ok().out;
    assert!(yaml.starts_with("key: greeting\nvalue: aGVsbG8=\n"), "{yaml}");
    assert_eq!(bench.run(&["call", "pg", "key-value.get", "key=nothing"]).ok().out, "(none)\n");
    assert_eq!(bench.run(&["call", "pg", "key-value.get", "key=nothing", "-o", "json"]).ok().out, "null\n");

    let listed = bench.run(&["call", "pg", "key-value.list", "prefix="]).ok().out;
    assert!(listed.starts_with("KEY") && listed.contains("hello"), "{listed}");
}

#[test]
fn parameters_come_from_the_command_line_a_file_standard_input_or_json() {
    let bench = Bench::new().with_playground();
    let get = |key: &str| {
        let key = format!("key={key}");
        bench.run(&["call", "pg", "key-value.get", &key, "-o", "json"]).ok().json()["value"].clone()
    };
    std::fs::write(bench.path().join("blob"), b"\xff\n").unwrap();
    bench.run(&["call", "pg", "key-value.put", "key=file", "value=@blob"]).ok();
    assert_eq!(get("file"), "/wo=");
    bench.run_with(b"in", &["call", "pg", "key-value.put", "key=stdin", "value=@-"]).ok();
    assert_eq!(get("stdin"), "aW4=");
    bench.run(&["call", "pg", "key-value.put", "--json", r#"{"key":"json","value":"AA=="}"#]).ok();
    assert_eq!(get("json"), "AA==");
    bench.run_with(br#"{"key":"x","value":"AA=="}"#, &["call", "pg", "key-value.put", "--json", "-", "key=over"]).ok();
    assert_eq!(get("over"), "AA==");
}

#[test]
fn a_dry_run_changes_nothing_and_a_read_has_none() {
    let bench = Bench::new().with_playground();
    bench.run(&["call", "pg", "key-value.put", "key=a", "value=1", "--dry-run"]).ok();
    assert_eq!(bench.run(&["call", "pg", "key-value.get", "key=a", "-o", "json"]).ok().out, "null\n");
    let ran = bench.run(&["call", "pg", "key-value.get", "key=a", "--dry-run"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn a_slip_of_the_finger_is_answered_with_the_name_meant() {
    let bench = Bench::new().with_playground();
    for (arguments, code, meant) in [
        (&["call", "pg", "key-value.put", "key=a", "vlaue=x"][..], 2, "`value`"),
        (&["call", "pg", "key-value.put", "key=a", "value=x", "options.dryrun=true"], 2, "`dry-run`"),
        (&["call", "pg", "key-value.putt", "key=a"], 1, "`put`"),
        (&["call", "pg", "key-valu.put", "key=a"], 1, "key-value"),
        (&["call", "gp", "key-value.get", "key=a"], 1, "pg"),
        (&["watch", "pg", "key-value.get"], 1, "no change feed"),
    ] {
        let ran = bench.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(meant), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn a_precondition_that_fails_says_what_to_do() {
    let bench = Bench::new().with_playground();
    let put = &["call", "pg", "key-value.put", "key=a", "value=1", "options.precondition=absent"];
    bench.run(put).ok();
    let ran = bench.run(put);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("kind: conflict") && ran.err.contains("  try: "), "{ran:?}");
}

#[test]
fn a_long_list_tells_how_to_go_on_and_going_on_gives_the_rest() {
    let bench = Bench::new().with_playground();
    let server = bench.serve();
    for key in ["a", "b", "c"] {
        bench.run(&["call", "pg", "key-value.put", &format!("key={key}"), "value=1"]).ok();
    }
    let first = bench.run(&["call", "pg", "key-value.list", "prefix=", "page.limit=2"]).ok();
    let hint = first.err.lines().find_map(|line| line.split_once("add page.cursor=")).expect("a hint").1.to_owned();
    let rest =
        bench.run(&["call", "pg", "key-value.list", "prefix=", &format!("page.cursor={hint}"), "-o", "json"]).ok();
    assert_eq!(rest.json()["items"][0]["key"], "c");
    drop(server);
}

#[test]
fn an_integration_is_listed_shown_checked_updated_and_removed() {
    let bench = Bench::new().with_playground();
    assert_eq!(bench.run(&["integration", "add", "pg", "--plugin", "playground"]).code, 1);
    let list = bench.run(&["integration", "list", "--label", "env=test"]).ok().out;
    assert!(list.contains("pg ") && list.contains("env=test"), "{list}");
    let none = bench.run(&["integration", "list", "--label", "env=prod", "-o", "json"]).ok().json();
    assert_eq!(none["items"], json!([]));
    assert!(bench.run(&["integration", "check", "pg"]).ok().out.contains("healthy"));

    bench.run(&["integration", "update", "pg", "--label", "team=a", "--remove-label", "env"]).ok();
    let shown = bench.run(&["integration", "show", "pg", "-o", "json"]).ok().json();
    assert_eq!(shown["labels"], json!({"team": "a"}));
    let ran = bench.run(&["integration", "update", "pg", "--label", "team=b", "--revision", "999"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let ran = bench.run(&["integration", "update", "pg", "--set", "nonsense=1"]);
    assert_eq!(ran.code, 2, "{ran:?}");

    bench.run(&["integration", "remove", "pg"]).ok();
    assert_eq!(bench.run(&["integration", "show", "pg"]).code, 1);
}

#[test]
fn a_disabled_integration_refuses_calls_with_1_and_is_seen_as_disabled_until_it_is_enabled() {
    let bench = Bench::new().with_playground();
    let call = || bench.run(&["call", "pg", "key-value.get", "key=a"]);
    call().ok();
    for _ in 0..2 {
        assert!(bench.run(&["integration", "disable", "pg"]).ok().out.starts_with("disabled integration pg "));
    }
    let refused = call();
    assert!(refused.code == 1 && refused.err.contains("jackfield integration enable pg"), "{refused:?}");
    assert!(refused.err.contains("integration-disabled"), "{refused:?}");
    assert_eq!(bench.run(&["integration", "check", "pg"]).code, 1);
    assert!(bench.run(&["integration", "list"]).ok().out.contains(" disabled "));
    assert!(bench.run(&["integration", "show", "pg"]).ok().out.contains("until it is enabled"));
    let status = bench.run(&["status"]).ok();
    assert!(status.out.contains("1 disabled\n"), "that it is disabled is no concern: {status:?}");
    assert!(bench.run(&["integration", "enable", "pg"]).ok().out.starts_with("enabled integration pg "));
    call().ok();
}

#[test]
fn a_capability_shows_its_operations_its_schemas_and_its_wit() {
    let bench = Bench::new().with_playground();
    assert!(bench.run(&["capability", "list"]).ok().out.contains("jackfield:key-value@0.1.0"));
    let shown = bench.run(&["capability", "show", "key-value"]).ok().out;
    assert!(shown.contains("key-value.put  (write)") && shown.contains("poll-changes  (change feed)"), "{shown}");
    let one = bench.run(&["capability", "show", "key-value.put"]).ok().out;
    assert!(one.contains("required") && !one.contains("key-value.get"), "{one}");
    assert!(bench.run(&["capability", "show", "key-value", "--wit"]).ok().out.contains("interface key-value {"));
}

#[test]
fn the_answer_is_the_same_bytes_from_a_server_and_from_this_process() {
    let bench = Bench::new().with_playground();
    bench.run(&["call", "pg", "key-value.put", "key=a", "value=ü"]).ok();
    let asked: [&[&str]; 4] = [
        &["plugin", "show", "playground", "-o", "json"],
        &["capability", "show", "key-value", "-o", "json"],
        &["call", "pg", "key-value.get", "key=a", "-o", "json"],
        &["call", "pg", "key-value.list", "prefix=", "-o", "json"],
    ];
    let alone: Vec<_> = asked.iter().map(|arguments| bench.run(arguments).ok().out).collect();
    let server = bench.serve();
    let served: Vec<_> = asked.iter().map(|arguments| bench.run(arguments).ok().out).collect();
    assert_eq!(alone, served);
    let (status, body) = server.get("/v1/capabilities/key-value");
    assert_eq!((status, [body, b"\n".to_vec()].concat()), (200, served[1].clone().into_bytes()));
}

#[test]
fn a_command_finds_the_server_that_runs_on_its_data_folder() {
    let bench = Bench::new().with_playground();
    let server = bench.serve();
    let ran = bench.run(&["call", "pg", "key-value.put", "key=a", "value=1", "-v"]).ok();
    assert!(ran.err.contains(&format!("using the server at {}", server.url)), "{ran:?}");
    // Another folder, the server by its address.
    let other = Bench::new();
    let got = other.run(&["--server", &server.url, "call", "pg", "key-value.get", "key=a", "-o", "json"]).ok();
    assert_eq!(got.json()["value"], "MQ==");
    assert_eq!(server.stop(), Some(0), "a server that is told to stop ends well");
    bench.run(&["call", "pg", "key-value.get", "key=a"]).ok();
}

#[test]
fn commands_that_run_at_once_on_one_data_folder_take_turns() {
    let bench = Bench::new().with_playground();
    std::thread::scope(|scope| {
        for turn in 0..4 {
            let bench = &bench;
            scope.spawn(move || bench.run(&["call", "pg", "key-value.put", &format!("key=k{turn}"), "value=1"]).ok());
        }
    });
    let listed = bench.run(&["call", "pg", "key-value.list", "prefix=", "-o", "json"]).ok().json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(4));
}

#[test]
fn a_second_server_on_a_data_folder_or_on_a_port_is_told_why_not() {
    let bench = Bench::new();
    let server = bench.serve();
    let ran = bench.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("error: "), "{ran:?}");
    let address = server.url.strip_prefix("http://").unwrap();
    let ran = Bench::new().run(&["serve", "--listen", address]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("in use"), "{ran:?}");
    let ran = Bench::new().run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(ran.code, 1, "{ran:?}");
}

#[test]
fn a_watch_shows_changes_as_they_happen_and_ctrl_c_ends_it_well() {
    let bench = Bench::new().with_playground();
    let _server = bench.serve();
    let mut watch = bench.start(&["watch", "pg", "key-value", "-o", "json"]);
    let first = until_seen(&bench, &mut watch);
    assert_eq!(first["put"]["key"], "probe");
    bench.run(&["call", "pg", "key-value.delete", "key=probe"]).ok();
    let mut line = watch.line();
    while line.contains("\"put\"") {
        line = watch.line();
    }
    assert!(line.starts_with("{\"deleted\":"), "{line}");
    assert_eq!(watch.interrupt().0, Some(0));
}

#[test]
fn a_watch_goes_on_where_it_broke_off_when_the_server_comes_back() {
    let bench = Bench::new().with_playground();
    let server = bench.serve();
    let mut watch = bench.start(&["watch", "pg", "key-value", "prefix=w/", "--cursors", "-o", "json"]);
    let mut seen = 0;
    let put = |n: u32| bench.run(&["call", "pg", "key-value.put", &format!("key=w/{n}"), "value=1"]).ok();
    // The feed starts now, and now is some time after the command started.
    let first = loop {
        seen += 1;
        put(seen);
        if let Some(line) = watch.line_within(std::time::Duration::from_millis(300)) {
            break line;
        }
    };
    let first: Value = serde_json::from_str(&first).unwrap();
    assert!(first["cursor"].is_string(), "{first}");
    assert_eq!(server.stop(), Some(0));
    put(100);
    let _again = bench.serve();
    put(101);
    let mut keys = Vec::new();
    while keys.last().is_none_or(|key| key != "w/101") {
        let change: Value = serde_json::from_str(&watch.line()).unwrap();
        keys.push(change["change"]["put"]["key"].as_str().unwrap().to_owned());
    }
    assert!(keys.ends_with(&["w/100".to_owned(), "w/101".to_owned()]), "{keys:?}");
    let (code, err) = watch.interrupt();
    assert_eq!(code, Some(0));
    assert!(err.contains("interrupted: "), "{err}");
}

#[test]
fn a_watch_from_a_cursor_ends_after_the_changes_that_were_asked_for() {
    let bench = Bench::new().with_playground();
    let server = bench.serve();
    let mut watch = bench.start(&["watch", "pg", "key-value", "--cursors", "-o", "json"]);
    until_seen(&bench, &mut watch);
    drop(watch);
    let mut watch = bench.start(&["watch", "pg", "key-value", "--cursors", "-o", "json"]);
    let cursor = until_seen(&bench, &mut watch)["cursor"].as_str().unwrap().to_owned();
    drop(watch);
    drop(server);
    bench.run(&["call", "pg", "key-value.put", "key=later", "value=hi"]).ok();
    let ran = bench.run(&["watch", "pg", "key-value", "prefix=later", "--from", &cursor, "--count", "1"]).ok();
    assert!(ran.out.starts_with("put key=later value=hi "), "{ran:?}");
    assert!(ran.err.contains("--from "), "{ran:?}");
}

#[test]
fn events_tell_what_others_do_to_the_host() {
    let bench = Bench::new().with_playground();
    let _server = bench.serve();
    let mut events = bench.start(&["events"]);
    let line = loop {
        bench.run(&["integration", "update", "pg", "--label", "env=test"]).ok();
        bench.run(&["integration", "update", "pg", "--label", "env=other"]).ok();
        if let Some(line) = events.line_within(std::time::Duration::from_millis(300)) {
            break line;
        }
    };
    assert!(line.contains("integration-updated") && line.contains("pg"), "{line}");
    assert_eq!(events.interrupt().0, Some(0));
}

/// Puts a key until the watch, which starts at its own time, shows it.
fn until_seen(bench: &Bench, watch: &mut support::Going) -> Value {
    loop {
        bench.run(&["call", "pg", "key-value.put", "key=probe", "value=1"]).ok();
        if let Some(line) = watch.line_within(std::time::Duration::from_millis(300)) {
            return serde_json::from_str(&line).unwrap();
        }
    }
}
