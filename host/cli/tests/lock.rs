//! Lock files from the command line, with a plugin in a file: what is recorded is what is installed elsewhere, and a lock
//! that was tampered with installs nothing.

mod support;

use std::{fs, path::Path};

use serde_json::json;
use support::{Bench, Ran, playground};

const FILE: &str = "plugins/playground.wasm";
const LOCK: &str = "jackfield.lock";

/// A folder with the plugin in it, and nothing installed.
fn bench() -> Bench {
    let bench = Bench::new();
    fs::create_dir(bench.path().join("plugins")).unwrap();
    fs::copy(playground(), bench.path().join(FILE)).unwrap();
    bench
}

/// The lock of the plugin, as an installation records it.
fn recorded() -> (Bench, String) {
    let bench = bench();
    let accept = bench.accept(FILE);
    let ran = bench.run(&["plugin", "install", FILE, "--allow-unsigned", "--accept", &accept, "--lock"]).ok();
    assert!(ran.err.contains("recorded playground@0.1.0 in jackfield.lock"), "{ran:?}");
    let text = fs::read_to_string(bench.path().join(LOCK)).unwrap();
    (bench, text)
}

fn locked(bench: &Bench, lock: &str, more: &[&str]) -> Ran {
    fs::write(bench.path().join(LOCK), lock).unwrap();
    bench.run(&[&["plugin", "install", "--locked"], more].concat())
}

#[track_caller]
fn nothing_is_installed(bench: &Bench) {
    assert_eq!(bench.run(&["plugin", "list", "-o", "json"]).ok().json()["items"], json!([]));
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_recorded_on_one_host_is_installed_on_another_by_the_lock_alone() {
    let (bench, lock) = recorded();
    assert!(lock.contains("from = \"plugins/playground.wasm\"\n"), "{lock}");
    assert!(lock.contains("have writes sent again whose outcome is unknown: key-value.*"), "{lock}");
    // What is there already is recorded again, to the same bytes, without being asked for.
    let again = bench.run(&["plugin", "install", FILE, "--allow-unsigned"]).ok();
    assert!(again.err.contains("recorded playground@0.1.0"), "{again:?}");
    bench.run(&["plugin", "lock"]).ok();
    assert_eq!(fs::read_to_string(bench.path().join(LOCK)).unwrap(), lock);
    assert!(!names(bench.path()).iter().any(|name| name.starts_with(".tmp")), "no draft of it is left behind");

    let other = self::bench();
    let refused = locked(&other, &lock, &[]);
    assert!(refused.code == 1 && refused.err.contains("--allow-unsigned"), "a lock vouches for nobody: {refused:?}");
    nothing_is_installed(&other);
    let installed = locked(&other, &lock, &["--allow-unsigned"]).ok();
    assert!(installed.out.starts_with("installed playground 0.1.0"), "nobody is asked: {installed:?}");
    let again = locked(&other, &lock, &["--allow-unsigned", "-o", "json"]).ok().json();
    assert_eq!(again["items"][0]["id"], "playground@0.1.0", "{again}");
    let by_place = locked(&other, &lock, &["--allow-unsigned", FILE]).ok();
    assert!(by_place.out.starts_with("is installed already: playground"), "{by_place:?}");
    assert_eq!(fs::read_to_string(other.path().join(LOCK)).unwrap(), lock, "what holds is not written");
}

#[test]
fn a_lock_that_was_tampered_with_installs_nothing_and_says_what_differs() {
    let (_, lock) = recorded();
    let line = |begin: &str| lock.lines().find(|line| line.trim_start().starts_with(begin)).unwrap().to_owned();
    let (digest, accept) = (line("digest ="), line("accept ="));
    let right = line("\"have writes sent again");
    let zeros = format!("digest = \"sha256:{}\"", "0".repeat(64));
    let signer = format!("{digest}\nsigner = {{ kind = \"key\", fingerprint = \"sha256:{}\" }}", "0".repeat(64));
    let other_accept = format!("accept = \"{}\"", "0".repeat(32));
    for (from, to, told) in [
        (digest.as_str(), zeros.as_str(), "digest: locked `sha256:0000"),
        (&digest, &signer, "signer: locked `key sha256:0000"),
        (&accept, &other_accept, "accept: locked `0000"),
        (&right, "  \"have nothing\",", "rights: locked `have nothing`, found nothing"),
        (&right, "  \"have nothing\",", "rights: locked nothing, found `have writes sent again"),
        ("version = \"0.1.0\"", "version = \"0.1.1\"", "version: locked `0.1.1`, found `0.1.0`"),
        ("name = \"playground\"", "name = \"playgroun\"", "name: locked `playgroun`, found `playground`"),
    ] {
        let bench = bench();
        let tampered = lock.replacen(from, to, 1);
        assert_ne!(tampered, lock, "{from}");
        let ran = locked(&bench, &tampered, &["--allow-unsigned"]);
        assert!(ran.code == 1 && ran.err.contains(told), "{told}: {ran:?}");
        assert!(ran.err.contains("nothing was installed"), "{ran:?}");
        nothing_is_installed(&bench);
    }
}

#[test]
fn a_lock_that_cannot_be_read_is_told_with_its_line_before_anything_is_done() {
    let (_, lock) = recorded();
    let bench = bench();
    let accept = bench.accept(FILE);
    for (text, told) in [
        (lock.replacen("digest =", "digset =", 1), "line 8: unknown field `digset`"),
        (lock.replacen("version = 1", "version = 2", 1), "line 3: its form is 2"),
        (format!("{lock}<<<<<<< HEAD\n"), "jackfield.lock cannot be read: line "),
    ] {
        let ran = locked(&bench, &text, &["--allow-unsigned"]);
        assert!(ran.code == 2 && ran.err.contains(told), "{told}: {ran:?}");
        // It would be recorded there: that it cannot be is known before.
        let ran = bench.run(&["plugin", "install", FILE, "--allow-unsigned", "--accept", &accept]);
        assert!(ran.code == 2 && ran.err.contains(told), "{told}: {ran:?}");
        nothing_is_installed(&bench);
    }
    fs::remove_file(bench.path().join(LOCK)).unwrap();
    let ran = bench.run(&["plugin", "install", "--locked"]);
    assert!(ran.code == 2 && ran.err.contains("jackfield plugin lock"), "{ran:?}");
}

#[test]
fn what_is_not_in_the_lock_is_not_installed_by_it() {
    let bench = bench();
    let ran = locked(&bench, "version = 1\n", &["--allow-unsigned", FILE]);
    assert!(ran.code == 1 && ran.err.contains("`playground@0.1.0` is not in it"), "{ran:?}");
    nothing_is_installed(&bench);
    let none = locked(&bench, "version = 1\n", &[]).ok();
    assert_eq!(none.out, "jackfield.lock names no plugin\n");
}

#[test]
fn a_file_of_which_nobody_knows_where_it_lies_is_locked_by_its_digest() {
    let (_, lock) = recorded();
    let bench = bench();
    let file = fs::read(bench.path().join(FILE)).unwrap();
    let accept = bench.accept(FILE);
    bench.run_with(&file, &["plugin", "install", "-", "--allow-unsigned", "--accept", &accept]).ok();
    let written = bench.run(&["plugin", "lock", "-o", "json"]).ok().json();
    assert_eq!(written["without-source"], json!(["playground@0.1.0"]), "{written}");
    let text = fs::read_to_string(bench.path().join(LOCK)).unwrap();
    assert_eq!(text, lock.replace("from = \"plugins/playground.wasm\"\n", ""));

    let other = self::bench();
    let ran = locked(&other, &text, &["--allow-unsigned"]);
    assert!(ran.code == 2 && ran.err.contains("plugin install FILE --locked"), "{ran:?}");
    locked(&other, &text, &["--allow-unsigned", FILE]).ok();
}

#[test]
fn documents_are_applied_with_what_is_locked_and_nothing_else() {
    let (_, lock) = recorded();
    let bench = bench();
    let documents = "plugin: {name: playground, version: 0.1.0}\n---\nintegration: {name: pg, plugin: playground}\n";
    fs::write(bench.path().join("site.yaml"), documents).unwrap();
    let apply = ["apply", "-f", "site.yaml", "--locked", "--allow-unsigned"];
    fs::write(bench.path().join(LOCK), "version = 1\n").unwrap();
    let ran = bench.run(&apply);
    assert!(ran.code == 1 && ran.err.contains("`playground` of integration `pg` is not in it"), "{ran:?}");
    nothing_is_installed(&bench);
    // Nor is the trust policy set that comes with them.
    let policy = "trust: {source: [{prefix: \"file:upload\", unsigned: allow}]}\n---\n";
    fs::write(bench.path().join("trusted.yaml"), format!("{policy}{documents}")).unwrap();
    let ran = bench.run(&["apply", "-f", "trusted.yaml", "--locked"]);
    assert!(ran.code == 1 && ran.err.contains("nothing was changed"), "{ran:?}");
    assert!(!bench.run(&["export"]).ok().out.contains("trust"), "it was set");

    fs::write(bench.path().join(LOCK), &lock).unwrap();
    bench.run(&apply).ok();
    assert!(bench.run(&apply).ok().out.contains("nothing to change"));
    // What is installed is held against the lock too.
    let accept = bench.accept(FILE);
    fs::write(bench.path().join(LOCK), lock.replace(&accept, &"0".repeat(32))).unwrap();
    let ran = bench.run(&apply);
    assert!(ran.code == 1 && ran.err.contains("nothing was changed"), "{ran:?}");
    assert_eq!(ran.err.matches("accept: locked").count(), 1, "told once, whoever names it: {ran:?}");
}
