//! How a run of a target ended, read from what libFuzzer prints.

use std::fmt;

/// So many of the last lines are shown when something was found.
const LAST_LINES: usize = 40;

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Report {
    /// The target.
    pub(crate) name: String,
    /// Inputs tried.
    pub(crate) tried: u64,
    /// Edges of our code that were passed.
    coverage: u64,
    /// Inputs that each pass some edge in a way of their own.
    kept: u64,
    /// The most memory it held.
    memory_mib: u64,
    /// Where the input is that broke something, and what was said; none where all held.
    finding: Option<Finding>,
}

/// What was found.
#[derive(Debug)]
struct Finding {
    /// The file with the input; none where the program broke before there was one.
    input: Option<String>,
    /// The end of what was printed.
    said: String,
}

impl Report {
    /// Whether all held.
    pub(crate) fn is_clean(&self) -> bool {
        self.finding.is_none()
    }

    /// In one line what was found, with the input where it is short: enough to find it again from a log.
    pub(crate) fn finding(&self) -> Option<String> {
        let said = &self.finding.as_ref()?.said;
        let mut lines = said.lines();
        let mut reason =
            lines.find(|line| line.contains(" panicked at ") || line.contains("ERROR: libFuzzer")).map(str::to_owned);
        if let Some(reason) = reason.as_mut().filter(|reason| reason.ends_with(':')) {
            reason.extend([" ", lines.next().unwrap_or_default()]);
        }
        let input = said.lines().rev().find_map(|line| line.strip_prefix("Base64: ")).unwrap_or("not told");
        Some(format!("{}; input in base64: {input}", reason.as_deref().unwrap_or("it ended")))
    }

    /// Reads what libFuzzer printed.
    pub(crate) fn read(name: &str, log: &str, clean: bool) -> Self {
        let statistic = |name: &str| log.lines().rev().find_map(|line| number(line.strip_prefix("stat::")?, name));
        // #65536  pulse  cov: 412 ft: 1033 corp: 98/2048b lim: 652 exec/s: 32768 rss: 61Mb
        let progress =
            |name: &str| log.lines().rev().filter(|l| l.starts_with('#')).find_map(|line| number(line, name));
        let finding = (!clean).then(|| {
            let input =
                log.lines().rev().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path);
            let lines: Vec<&str> = log.lines().collect();
            let said = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
            Finding { input: input.map(str::to_owned), said }
        });
        Self {
            name: name.to_owned(),
            tried: statistic("number_of_executed_units:").or_else(|| last_count(log)).unwrap_or(0),
            coverage: progress("cov:").unwrap_or(0),
            kept: progress("corp:").unwrap_or(0),
            memory_mib: statistic("peak_rss_mb:").unwrap_or(0),
            finding,
        }
    }
}

/// The number after a name in a line.
fn number(line: &str, name: &str) -> Option<u64> {
    let (_, rest) = line.split_once(name)?;
    let rest = rest.trim_start();
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

/// The count at the start of the last line of progress: a crash leaves no statistics.
fn last_count(log: &str) -> Option<u64> {
    log.lines().rev().filter(|line| line.starts_with('#')).find_map(|line| number(line, "#"))
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, tried, coverage, kept, memory_mib, finding } = self;
        write!(
            out,
            "  {name:<12} {tried:>10} inputs, {coverage:>5} edges covered, {kept:>5} inputs kept, {memory_mib:>4} MiB: "
        )?;
        match finding {
            None => write!(out, "clean"),
            Some(Finding { input, said }) => {
                writeln!(out, "FOUND SOMETHING")?;
                writeln!(out, "{said}")?;
                match input {
                    Some(path) => {
                        write!(out, "  the input is {path}; `target/release/fuzz-{name} {path}` shows it again")
                    }
                    None => write!(out, "  it broke before there was an input"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_run_is_told_by_its_statistics() {
        let log = "#2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 40Mb\n#99\tDONE   cov: 412 ft: 9 corp: 98/2Kb lim: 4 exec/s: 3 rss: 61Mb\nDone 99 runs in 1 second(s)\nstat::number_of_executed_units: 99\nstat::peak_rss_mb:              61\n";
        let report = Report::read("path", log, true);
        assert_eq!((report.tried, report.coverage, report.kept, report.memory_mib), (99, 412, 98, 61));
        assert!(report.to_string().ends_with("clean"), "{report}");
    }

    #[test]
    fn a_finding_is_told_with_its_input_and_how_to_see_it_again() {
        let log = "#7\tNEW    cov: 3 ft: 3 corp: 2/9b\nthread '<unnamed>' (7) panicked at fuzz/src/path.rs:9:5:\nanother path\nartifact_prefix='f/'; Test unit written to f/crash-1\nBase64: Lw==\n";
        let report = Report::read("path", log, false);
        assert_eq!(report.tried, 7);
        let shown = report.to_string();
        assert!(shown.contains("another path") && shown.contains("fuzz-path f/crash-1"), "{shown}");
        let told = "thread '<unnamed>' (7) panicked at fuzz/src/path.rs:9:5: another path; input in base64: Lw==";
        assert_eq!(report.finding().as_deref(), Some(told));
    }
}
