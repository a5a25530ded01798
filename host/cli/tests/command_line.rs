//! What the program does before any plugin is there: usage, exit codes, forms of output.

mod support;

use std::{io::Read as _, net::TcpListener, process::Stdio};

use serde_json::{Value, json};
use support::Bench;

#[test]
fn a_wrong_command_line_exits_with_2_whatever_is_wrong_with_it() {
    let bench = Bench::new();
    for arguments in [
        &["nonsense"][..],
        &["plugin", "lst"],
        &["plugin", "list", "--output", "xml"],
        &["plugin", "install", "/nowhere/plugin.wasm"],
        &["plugin", "list", "--server", "ftp://x"],
        &["integration", "add", "pg"],
        &["integration", "add", "pg", "--plugin", "p", "--label", "nolabel"],
        &["integration", "add", "pg", "--plugin", "p", "--set", "novalue"],
        &["integration", "add", "pg", "--plugin", "p", "--ca-file", "api=/nowhere"],
        &["integration", "update", "pg"],
        &["call", "pg", "key-value"],
        &["call", "pg", "key-value.get", "novalue"],
        &["call", "pg", "key-value.get", "--json", "[1]"],
        &["call", "pg", "key-value.get", "--json", "@/nowhere"],
        &["call", "pg", "key-value.get", "--timeout", "soon"],
        &["call", "pg", "key-value.get", "--json", "-", "key=@-"],
        &["watch", "pg", "key-value", "cursor=5"],
        &["serve", "--listen", "here"],
        &["completions", "tcsh"],
    ] {
        let ran = bench.run(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{arguments:?}: {ran:?}");
    }
    assert!(!bench.data().exists(), "a wrong command line touches nothing");
}

#[test]
fn no_arguments_show_the_help_and_exit_with_2() {
    let ran = Bench::new().run(&[]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("Usage: jackfield"), "{ran:?}");
}

#[test]
fn help_and_version_exit_with_0_and_help_has_examples() {
    let bench = Bench::new();
    assert!(bench.run(&["--version"]).ok().out.starts_with("jackfield 0."));
    let help = bench.run(&["call", "--help"]).ok().out;
    assert!(help.contains("Examples:") && help.contains("value=hello"), "{help}");
}

#[test]
fn a_server_that_is_not_there_exits_with_3_and_says_how_to_start_one() {
    let bench = Bench::new();
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    for arguments in
        [&["plugin", "list"][..], &["call", "a", "b.c", "d=e"], &["watch", "a", "b"], &["events"], &["status"]]
    {
        let ran = bench.run(&[&["--server", &url], arguments].concat());
        assert_eq!(ran.code, 3, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains("jackfield serve") && ran.err.contains(&url), "{ran:?}");
    }
    let ran = bench.run(&["--server", &url, "plugin", "list", "-o", "json"]);
    let problem: Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!((ran.code, &problem["kind"]), (3, &json!("unavailable")));
}

#[test]
fn a_server_that_is_not_jackfield_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let _ = stream.read(&mut head);
        let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nnope\n");
    });
    let ran = Bench::new().run(&["--server", &url, "plugin", "list"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("is it Jackfield"), "{ran:?}");
}

#[test]
fn without_a_server_the_data_folder_is_opened_in_this_process() {
    let bench = Bench::new();
    let ran = bench.run(&["plugin", "list", "-o", "json"]).ok();
    assert_eq!(ran.out, "{\"items\":[],\"next\":null}\n");
    assert!(bench.data().is_dir());
}

#[test]
fn a_list_is_a_table_json_or_yaml() {
    let bench = Bench::new();
    assert!(bench.run(&["integration", "list"]).ok().out.contains("jackfield integration add"));
    assert_eq!(bench.run(&["integration", "list", "-o", "yaml"]).ok().out, "items: []\nnext: null\n");
    assert_eq!(bench.run(&["-o", "json", "capability", "ls"]).ok().json(), json!({"items": [], "next": null}));
}

#[test]
fn what_does_not_exist_exits_with_1_and_for_programs_is_the_problem_document() {
    let bench = Bench::new();
    let ran = bench.run(&["integration", "show", "nobody"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.starts_with("error: ") && ran.err.contains("\n  kind: not-found"), "{ran:?}");
    assert!(ran.out.is_empty());
    let ran = bench.run(&["integration", "show", "nobody", "-o", "json"]);
    let problem: Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!((ran.code, &problem["status"], &problem["kind"]), (1, &json!(404), &json!("not-found")));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let bench = Bench::new();
    let mut command = bench.command();
    let mut child =
        command.args(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = bench.run(&["completions", shell]).ok().out;
        assert!(script.contains("idempotency-key"), "{shell}");
    }
    bench.run(&["man", "pages/man1"]).ok();
    for page in ["jackfield.1", "jackfield-call.1", "jackfield-plugin-pack.1"] {
        let text = std::fs::read_to_string(bench.path().join("pages/man1").join(page)).unwrap();
        assert!(text.contains(".SH"), "{page}");
    }
}

#[test]
fn packing_what_cannot_be_packed_says_what_is_missing() {
    let bench = Bench::new();
    let ran = bench.run(&["plugin", "pack"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("plugin.toml"), "{ran:?}");

    std::fs::write(bench.path().join("plugin.toml"), "[plugin]\nnaem = \"x\"\n").unwrap();
    let ran = bench.run(&["plugin", "pack", "--component", "plugin.toml"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("naem") && ran.err.contains("name"), "{ran:?}");
}
