//! A minute of mixed load, after which the server holds what it held before. The long forms are `cargo xtask soak`.

use jackfield_peers::{peer, record};
use jackfield_tests::soak::{self, Plan, Random};

#[test]
fn a_minute_of_crashes_reloads_and_disconnects_leaves_nothing_behind() {
    let plan = Plan::minutes(1, Random::any_seed());
    let mut lines = Vec::new();
    let report = peer!(soak::run(&plan, |line| lines.push(line.to_owned())));
    record::measured(report.to_string().lines().next().unwrap_or_default());
    assert!(report.passed(), "{}\n{report}\n{}", lines.join("\n"), report.json());
}
