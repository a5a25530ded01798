//! The counts of a test run, read from what cargo's tests print and from the record that tests with outside systems
//! keep. A skipped test ends early and prints `ok` like any other; the record tells it apart.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::Value;

use crate::fuzz::Report;

/// So much of what a test says at its end is shown again in the summary, in characters.
const MOST_WORDS: usize = 300;

/// What ran and how it ended.
#[derive(Debug, Default)]
pub(super) struct Summary {
    passed: usize,
    failed: usize,
    ignored: usize,
    /// The failed tests' names.
    failures: BTreeSet<String>,
    /// The last words of threads, which tests are, by name: where they ended, and why.
    last_words: BTreeMap<String, String>,
    /// The thread whose last words are the next line.
    dying: Option<String>,
    /// Why tests were skipped, by test.
    skipped: BTreeMap<String, String>,
    /// The tests that ran against a system, by system and version.
    systems: BTreeMap<(String, String), BTreeSet<String>>,
    /// Figures that tests measured.
    measured: Vec<String>,
    /// What the fuzz targets did, where they ran.
    fuzzed: Option<String>,
}

impl Summary {
    /// Reads one line of a test program's output.
    pub(super) fn add_line(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED")) {
            self.failures.insert(name.trim_end_matches(" - should panic").to_string());
        }
        if let Some(name) = self.dying.take() {
            let line = line.chars().take(MOST_WORDS).collect::<String>();
            self.last_words.entry(name).or_default().extend([" ", &line]);
        }
        // thread 'name' (26898) panicked at tests/tests/issuing.rs:172:9:
        if let Some((name, rest)) = line.strip_prefix("thread '").and_then(|line| line.split_once('\''))
            && let Some((_, place)) = rest.split_once(" panicked at ")
        {
            self.last_words.insert(name.to_owned(), place.to_owned());
            self.dying = Some(name.to_owned());
        }
        // test result: ok. 11 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.04s
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for count in counts.split("; ") {
            let Some((number, what)) = count.split_once(' ') else { continue };
            let number = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    /// Reads the record that tests with outside systems keep.
    pub(super) fn add_record(&mut self, record: &str) {
        let text = |value: &Value| value.as_str().unwrap_or("?").to_string();
        for line in record.lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            if line["skipped"].is_string() {
                self.skipped.insert(text(&line["skipped"]), format!("{}: {}", text(&line["peer"]), text(&line["why"])));
            } else if line["measured"].is_string() {
                self.measured.push(text(&line["measured"]));
            } else {
                let system = (text(&line["peer"]), text(&line["version"]));
                self.systems.entry(system).or_default().insert(text(&line["test"]));
            }
        }
    }

    /// Reads how the fuzz targets ended. One that found something counts as a failed test; one that did not proves too
    /// little in its few seconds to count as passed.
    pub(super) fn add_fuzzing(&mut self, seconds: u32, reports: &[Report]) {
        let inputs: u64 = reports.iter().map(|report| report.tried).sum();
        self.fuzzed = Some(format!("{} targets for {seconds} s each, {inputs} inputs", reports.len()));
        for report in reports.iter().filter(|report| !report.is_clean()) {
            self.failed += 1;
            let name = format!("fuzz target {}", report.name);
            self.last_words.insert(name.clone(), report.finding().unwrap_or_default());
            self.failures.insert(name);
        }
    }

    /// How many tests ran to an end of their own.
    pub(super) fn executed(&self) -> usize {
        self.passed + self.failed
    }

    /// How many failed.
    pub(super) fn failed(&self) -> usize {
        self.failed
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "\nAgainst real systems:")?;
        if self.systems.is_empty() {
            writeln!(out, "  none")?;
        }
        for ((name, version), tests) in &self.systems {
            writeln!(out, "  {name:<18} {version:<10} {:>3} tests", tests.len())?;
        }
        for figure in &self.measured {
            writeln!(out, "measured: {figure}")?;
        }
        if let Some(fuzzed) = &self.fuzzed {
            writeln!(out, "fuzzed: {fuzzed}")?;
        }
        for (test, why) in &self.skipped {
            writeln!(out, "skipped: {test}: {why}")?;
        }
        for name in &self.failures {
            match self.last_words.get(name) {
                Some(why) => writeln!(out, "FAILED: {name}: {why}")?,
                None => writeln!(out, "FAILED: {name}")?,
            }
        }
        let skipped = self.skipped.len();
        let passed = self.passed.saturating_sub(skipped);
        writeln!(out, "{passed} passed, {} failed, {} skipped", self.failed, skipped + self.ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fuzz_target_that_found_something_counts_as_failed_and_a_clean_one_not_as_passed() {
        let mut summary = Summary::default();
        summary
            .add_line("test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.04s");
        summary.add_fuzzing(10, &[Report::read("path", "", true), Report::read("sse", "", false)]);
        let shown = summary.to_string();
        assert!(
            shown.contains("fuzzed: 2 targets for 10 s each, 0 inputs\nFAILED: fuzz target sse: it ended"),
            "{shown}"
        );
        assert!(shown.ends_with("3 passed, 1 failed, 0 skipped\n"), "{shown}");
    }

    #[test]
    fn counts_of_all_programs_add_up_and_skipped_tests_do_not_count_as_passed() {
        let mut summary = Summary::default();
        for line in [
            "test a::b ... ok",
            "test result: ok. 11 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.04s",
            "test c ... FAILED",
            "thread 'c' (26898) panicked at tests/c.rs:17:9:",
            "it did not happen",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
        ] {
            summary.add_line(line);
        }
        summary.add_record(
            "{\"peer\":\"etcd\",\"version\":\"3.4.23\",\"test\":\"x\"}\n{\"skipped\":\"a::b\",\"peer\":\"p\",\"why\":\"w\"}\n",
        );
        assert_eq!((summary.executed(), summary.failed()), (14, 1));
        let shown = summary.to_string();
        assert!(shown.contains("etcd               3.4.23       1 tests"), "{shown}");
        assert!(
            shown.contains("skipped: a::b: p: w") && shown.contains("FAILED: c: tests/c.rs:17:9: it did not happen\n"),
            "{shown}"
        );
        assert!(shown.ends_with("12 passed, 1 failed, 2 skipped\n"), "{shown}");
    }
}
