//! Writes from the command line: sent again, looked at afterwards, and what cannot be settled.

mod support;

use support::Bench;

#[test]
fn a_write_that_is_sent_again_is_answered_as_before_and_is_found_in_the_list() {
    let bench = Bench::new().with_playground();
    // Made only where there is none, so a second one would fail.
    let create = |key: &str| {
        let line =
            ["call", "pg", "key-value.compare-and-set", "key=a", "value=1", "--idempotency-key", key, "-o", "json"];
        bench.run(&line)
    };
    let first = create("deploy/7").ok().json();
    assert_eq!(create("deploy/7").ok().json(), first, "also by another process, after a restart");
    assert_eq!(create("deploy/8").code, 1);

    let listed = bench.run(&["operation", "list"]).ok().out;
    assert!(listed.starts_with("INTEGRATION"), "{listed}");
    for (key, state) in [("deploy/7", "applied"), ("deploy/8", "not-applied")] {
        assert!(listed.lines().any(|line| line.contains(key) && line.contains(state)), "{key}: {listed}");
    }
    let shown = bench.run(&["operation", "show", "pg", "deploy/7"]).ok().out;
    assert!(shown.contains("key-value.compare-and-set") && shown.contains("applied"), "{shown}");
    assert_eq!(bench.run(&["operation", "list", "--unknown"]).ok().out, "(no write of unknown outcome)\n");
}

#[test]
fn only_what_is_unknown_is_settled_and_the_finding_is_asked_for() {
    let bench = Bench::new().with_playground();
    bench.run(&["call", "pg", "key-value.put", "key=a", "value=1", "--idempotency-key", "k"]).ok();
    let ran = bench.run(&["operation", "resolve", "pg", "k", "--applied"]);
    assert!(ran.code == 1 && ran.err.contains("not of unknown outcome"), "{ran:?}");
    let ran = bench.run(&["operation", "resolve", "pg", "none", "--not-applied"]);
    assert!(ran.code == 1 && ran.err.contains("no write with the key `none`"), "{ran:?}");
    assert_eq!(bench.run(&["operation", "resolve", "pg", "k"]).code, 2);
    assert_eq!(bench.run(&["operation", "resolve", "pg", "k", "--applied", "--not-applied"]).code, 2);
}

#[test]
fn a_dry_run_leaves_nothing_to_find() {
    let bench = Bench::new().with_playground();
    bench.run(&["call", "pg", "key-value.put", "key=a", "value=1", "--dry-run"]).ok();
    let listed = bench.run(&["operation", "list"]).ok().out;
    assert!(listed.starts_with("(no writes"), "{listed}");
}
