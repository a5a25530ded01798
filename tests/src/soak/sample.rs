//! What the server's process holds: as the kernel counts it and as the server's own metrics tell.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use jackfield_peers::http;
use serde::Serialize;

/// How long the connection that asked for the metrics may take to close.
const CLOSING: Duration = Duration::from_millis(50);

/// One look at the server.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sample {
    /// Since the load began, in seconds.
    pub at: f64,
    /// Resident memory, in KiB.
    pub resident: u64,
    /// What of it is backed by no file: heaps, stacks, guests. The rest is code, which the kernel maps and drops as it likes.
    pub anonymous: u64,
    /// Open descriptors, those of the database excepted.
    pub descriptors: u64,
    /// What those are.
    pub open: Vec<String>,
    /// Descriptors of the database: the store opens a connection when as many reads come together as never before.
    pub database: u64,
    /// Threads. Those for blocking work end ten seconds after their last, so their number is never quite at rest.
    pub threads: u64,
    /// Tasks of the runtime that serves.
    pub tasks: u64,
    /// Tasks of long calls.
    pub long: u64,
    /// Instances that run a call.
    pub busy: u64,
    /// Instances that wait for one.
    pub idle: u64,
    /// Linear memory of all instances, in KiB.
    pub guests: u64,
}

impl Sample {
    /// What is open here and was not then.
    pub(super) fn opened_since(&self, then: &Sample) -> Vec<&str> {
        let mut known: Vec<&String> = then.open.iter().collect();
        let mut more = Vec::new();
        for open in &self.open {
            match known.iter().position(|other| *other == open) {
                Some(place) => drop(known.swap_remove(place)),
                None => more.push(open.as_str()),
            }
        }
        more
    }
}

/// Where a server is looked at.
#[derive(Debug)]
pub(super) struct Meter {
    process: PathBuf,
    address: String,
}

impl Meter {
    /// Of the server with this process id that listens there.
    pub(super) fn new(pid: u32, address: &str) -> Meter {
        Meter { process: format!("/proc/{pid}").into(), address: address.into() }
    }

    /// Whether this machine tells what a process holds.
    pub(super) fn works_here() -> bool {
        fs::read_to_string("/proc/self/smaps_rollup").is_ok_and(|text| field(&text, "Rss:").is_some())
    }

    /// Looks. The request for the metrics costs the server a task and a connection, each time the same.
    pub(super) fn read(&self, at: f64) -> Result<Sample, String> {
        let metrics = http::get(&self.address, "/metrics").map_err(|error| format!("/metrics: {error}"))?;
        if metrics.status != 200 {
            return Err(format!("/metrics: {}", metrics.status));
        }
        let metrics = metrics.text();
        // The server closes its side a moment after this one has its answer: what is counted is what stays.
        thread::sleep(CLOSING);
        let failed = |error: io::Error| format!("{}: {error}", self.process.display());
        let entries = |folder: &str| fs::read_dir(self.process.join(folder)).map_err(failed);
        let open = entries("fd")?.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        let (database, open): (Vec<PathBuf>, Vec<PathBuf>) = open.partition(|path| is_database(path));
        let memory = fs::read_to_string(self.process.join("smaps_rollup")).map_err(failed)?;
        let kib = |name| field(&memory, name).ok_or_else(|| format!("smaps_rollup has no {name}"));
        Ok(Sample {
            at,
            resident: kib("Rss:")?,
            anonymous: kib("Anonymous:")?,
            descriptors: open.len() as u64,
            open: self.named(&open),
            database: database.len() as u64,
            threads: entries("task")?.count() as u64,
            tasks: sum(&metrics, "jackfield_tasks_alive", r#"runtime="main""#),
            long: sum(&metrics, "jackfield_tasks_alive", r#"runtime="long""#),
            busy: sum(&metrics, "jackfield_pool_instances", r#"state="busy""#),
            idle: sum(&metrics, "jackfield_pool_instances", r#"state="idle""#),
            guests: sum(&metrics, "jackfield_guest_memory_bytes", "") / 1024,
        })
    }

    /// What descriptors are: of a socket its addresses and state, since its number says nothing.
    fn named(&self, open: &[PathBuf]) -> Vec<String> {
        let read = |file: &str| fs::read_to_string(self.process.join("net").join(file)).unwrap_or_default();
        let connections = read("tcp") + &read("tcp6");
        let name = |path: &PathBuf| {
            let name = path.to_string_lossy().into_owned();
            let inode = name.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
            let found = inode.map(|inode| connections.lines().find_map(|line| connection(line, inode)));
            found.map_or(name.clone(), |found| found.unwrap_or_else(|| "socket".into()))
        };
        open.iter().map(name).collect()
    }
}

/// One line of `/proc/net/tcp`: its addresses, hexadecimal as they are there, and its state, if it is this socket's.
fn connection(line: &str, inode: &str) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, remote, state) = (fields.get(1)?, fields.get(2)?, fields.get(3)?);
    (*fields.get(9)? == inode).then(|| format!("tcp {local} {remote} state {state}"))
}

/// Whether it is the database, its log or its index.
fn is_database(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("jackfield.db"))
}

/// The number after a name at a line's beginning.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

/// The sum of a metric's series that carry a label.
fn sum(metrics: &str, name: &str, label: &str) -> u64 {
    let series = metrics.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} "));
    series.filter(|(labels, _)| labels.contains(label)).filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_label_are_added_up_and_others_are_not() {
        let metrics = "# HELP a_b Help.\na_b{x=\"1\",state=\"busy\"} 2\na_b{x=\"2\",state=\"busy\"} 3\n\
                       a_b{x=\"1\",state=\"idle\"} 7\na_bc{state=\"busy\"} 9\n";
        assert_eq!(sum(metrics, "a_b", "state=\"busy\""), 5);
        assert_eq!(sum(metrics, "a_b", ""), 12);
        assert_eq!(field("Rss:      1234 kB\nPss: 1 kB\n", "Rss:"), Some(1234));
    }
}
