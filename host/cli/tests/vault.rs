//! Credentials from the command line: what goes in, what is shown, and that nothing of it is left lying about.

mod support;

use std::path::Path;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use support::Bench;

const CANARY: &str = "canary-2f9b71-never-shown";

/// Every file below a folder.
fn files(folder: &Path, all: &mut Vec<u8>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, all),
            path => all.extend(std::fs::read(path).unwrap()),
        }
    }
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[test]
fn a_secret_goes_in_by_file_or_standard_input_and_is_nowhere_to_be_found() {
    let bench = Bench::new();
    let kek = bench.path().join("kek");
    let made = bench.run(&["vault", "init", "--key-file", kek.to_str().unwrap()]).ok().out;
    assert!(made.contains("open") && made.contains("the key file"), "{made}");
    let set =
        bench.run_with(format!("{CANARY}\n").as_bytes(), &["credential", "set", "prom", "--type", "bearer", "--stdin"]);
    let mut seen = format!("{:?}", set.ok());
    std::fs::write(bench.path().join("secret"), format!("{CANARY}-2\r\n")).unwrap();
    let by_file = ["credential", "set", "graf", "--type", "basic", "username=ada", "--file", "password=secret"];
    seen += &format!("{:?}", bench.run(&by_file).ok());
    std::fs::remove_file(bench.path().join("secret")).unwrap();
    for line in ["credential list", "credential show prom -o json", "vault status -o yaml", "vault rekey -vv"] {
        seen += &format!("{:?}", bench.run(&line.split(' ').collect::<Vec<_>>()).ok());
    }
    assert!(seen.contains("graf") && seen.contains("current"), "{seen}");
    let mut stored = seen.into_bytes();
    files(&bench.data(), &mut stored);
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    for form in [CANARY, &hex, BASE64_STANDARD.encode(CANARY).trim_end_matches('=')] {
        assert!(!holds(&stored, form), "{form}");
    }
}

#[test]
fn a_secret_on_the_command_line_is_refused_without_being_repeated() {
    let bench = Bench::new();
    let token = format!("token={CANARY}");
    let ran = bench.run(&["credential", "set", "prom", "--type", "bearer", &token]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("--stdin") && !ran.err.contains(CANARY), "{ran:?}");
}

#[test]
fn without_a_terminal_nothing_is_asked_and_the_remedy_is_told() {
    let bench = Bench::new();
    for (line, remedy) in [
        ("credential set prom --type bearer", "give it in a file"),
        ("credential set graf --type basic", "username=…"),
        ("credential set k --type client-certificate", "--file certificate=PATH"),
        ("credential set k --type kubeconfig", "--file config=PATH"),
        ("vault init --passphrase", "give it in a file"),
    ] {
        let ran = bench.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(remedy), "{ran:?}");
    }
}

#[test]
fn a_vault_with_a_passphrase_is_opened_by_the_file_that_holds_it_and_by_no_other() {
    let bench = Bench::new();
    std::fs::write(bench.path().join("right"), "correct horse battery\n").unwrap();
    std::fs::write(bench.path().join("wrong"), "incorrect horse battery\n").unwrap();
    bench.run(&["vault", "init", "--passphrase-file", "right"]).ok();
    assert!(bench.run(&["vault", "status"]).ok().out.contains("sealed"));
    let set = ["credential", "set", "prom", "--type", "bearer", "--stdin"];
    let refused = bench.run_with(CANARY.as_bytes(), &set);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("jackfield vault unlock"), "{refused:?}");
    let with = |file: &str| [&set[..], &["--vault-passphrase-file", file]].concat().join(" ");
    let run = |file: &str| bench.run_with(CANARY.as_bytes(), &with(file).split(' ').collect::<Vec<_>>());
    assert_eq!(run("wrong").code, 1);
    run("right").ok();
    assert!(bench.run(&["credential", "show", "prom"]).ok().out.contains("current"), "what it is called is no secret");
}
