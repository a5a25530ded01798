//! What was asked for. A few words and options need no parser of their own weight.

use std::path::PathBuf;

/// What `cargo xtask` says of itself.
pub(crate) const USAGE: &str = "\
Usage: cargo xtask <task>

  up [--check] [--data DIR] [--listen ADDR]
                   Build and start Jackfield beside real systems, show a tour of calls, stay until Ctrl-C.
                   --check: on free ports with throw-away data; check every answer, stop everything, and say with
                   the exit code whether all was well. The last line is JSON.
                   --data DIR: where Jackfield keeps its data (.jackfield); --listen ADDR: where it listens
                   (127.0.0.1:7575).
  test [FILTER]    Set up, build and run every test, against real systems where this machine can have them; without a
                   filter also every fuzz target for 10 s.
  bench [--quick] [GROUP...]
                   Measure Jackfield side by side with what it is compared to; a table, and a last line of JSON.
                   Groups: calls, parts, callers, rest, start, memory, leaks, audit, secure, neighbour.
  soak [--minutes N] [--seed S]
                   Ten minutes (or N) of mixed load with crashes, reloads and disconnects: whether memory, descriptors
                   and tasks stay what they were. A line at each rest, and a last line of JSON; the exit code tells.
  fuzz [--seconds N] [--at-once N] [TARGET...]
                   Breed inputs for everything that reads a stranger's bytes, N seconds a target (60), one after the
                   other or N at once; say what was covered and found. Targets: the folders of fuzz/corpus.
  compatibility [RECORD]
                   Write the matrix in docs/compatibility.md anew: from the plugins' manifests, and from what the tests
                   ran against. That is what is kept in tests/data/tested.json; it is replaced by a RECORD, or by that of
                   the last `test` that ran everything.
  index DIR [--key FILE]
                   The first-party index: build and pack the plugins and write an index of them that any web server can
                   host, or bring the one that is there up to date; with --key signed.
  setup            Only what both of them need: the wasm32-wasip2 target, the program, the packed plugins.
  guests           Only build and pack the plugins, to target/plugins/NAME.wasm.";

/// A task.
#[derive(Debug, PartialEq)]
pub(crate) enum Task {
    Help,
    Setup,
    Guests,
    Test { filter: Vec<String> },
    Bench { words: Vec<String> },
    Soak { words: Vec<String> },
    Compatibility { record: Option<PathBuf> },
    Fuzz(FuzzOptions),
    Index(IndexOptions),
    Up(UpOptions),
}

/// How `fuzz` is wanted.
#[derive(Debug, PartialEq)]
pub(crate) struct FuzzOptions {
    /// For each target.
    pub(crate) seconds: u32,
    /// How many targets run at the same time.
    pub(crate) at_once: usize,
    /// None for all.
    pub(crate) targets: Vec<String>,
}

/// How `index` is wanted.
#[derive(Debug, PartialEq)]
pub(crate) struct IndexOptions {
    /// The index's folder.
    pub(crate) out: PathBuf,
    /// The key to sign it with.
    pub(crate) key: Option<PathBuf>,
}

/// How `up` is wanted.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct UpOptions {
    pub(crate) check: bool,
    pub(crate) data: Option<PathBuf>,
    pub(crate) listen: Option<String>,
}

/// Reads the command line, without the program's name.
pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Task, String> {
    let Some(task) = words.next() else { return Ok(Task::Help) };
    match task.as_str() {
        "help" | "--help" | "-h" => Ok(Task::Help),
        "setup" => nothing_more(words, Task::Setup),
        "guests" => nothing_more(words, Task::Guests),
        "test" => Ok(Task::Test { filter: words.collect() }),
        "bench" => Ok(Task::Bench { words: words.collect() }),
        "soak" => Ok(Task::Soak { words: words.collect() }),
        "compatibility" => {
            let record = words.next().map(PathBuf::from);
            nothing_more(words, Task::Compatibility { record })
        }
        "fuzz" => parse_fuzz(words).map(Task::Fuzz),
        "index" => parse_index(words).map(Task::Index),
        "up" => parse_up(words).map(Task::Up),
        other => Err(format!("there is no task `{other}`")),
    }
}

fn parse_fuzz(mut words: impl Iterator<Item = String>) -> Result<FuzzOptions, String> {
    let mut options = FuzzOptions { seconds: 60, at_once: 1, targets: Vec::new() };
    while let Some(word) = words.next() {
        let (name, inline) = split(word);
        let mut count = || {
            let text = inline.clone().or_else(|| words.next()).unwrap_or_default();
            text.parse().ok().filter(|count| *count > 0).ok_or_else(|| format!("`{name}` needs a number from 1"))
        };
        match name.as_str() {
            "--seconds" => options.seconds = count()?,
            "--at-once" => options.at_once = count()? as usize,
            option if option.starts_with('-') => return Err(format!("`fuzz` has no option `{option}`")),
            _ => options.targets.push(name),
        }
    }
    Ok(options)
}

fn parse_index(mut words: impl Iterator<Item = String>) -> Result<IndexOptions, String> {
    let (mut out, mut key) = (None, None);
    while let Some(word) = words.next() {
        let (name, inline) = split(word);
        match name.as_str() {
            "--key" => key = Some(inline.or_else(|| words.next()).ok_or("`--key` needs a value")?.into()),
            option if option.starts_with('-') => return Err(format!("`index` has no option `{option}`")),
            _ if out.is_some() => return Err(format!("unexpected `{name}`")),
            _ => out = Some(name.into()),
        }
    }
    let out = out.ok_or("`index` needs the folder that it is to write: `cargo xtask index DIR`")?;
    Ok(IndexOptions { out, key })
}

/// An option and, where it stands behind `=`, its value.
fn split(word: String) -> (String, Option<String>) {
    match word.split_once('=') {
        Some((name, value)) => (name.to_string(), Some(value.to_string())),
        None => (word, None),
    }
}

fn parse_up(mut words: impl Iterator<Item = String>) -> Result<UpOptions, String> {
    let mut options = UpOptions::default();
    while let Some(word) = words.next() {
        let (name, inline) = split(word);
        let mut value = || inline.clone().or_else(|| words.next()).ok_or_else(|| format!("`{name}` needs a value"));
        match name.as_str() {
            "--check" => options.check = true,
            "--data" => options.data = Some(value()?.into()),
            "--listen" => options.listen = Some(value()?),
            other => return Err(format!("`up` has no option `{other}`")),
        }
    }
    Ok(options)
}

fn nothing_more(mut words: impl Iterator<Item = String>, task: Task) -> Result<Task, String> {
    match words.next() {
        None => Ok(task),
        Some(word) => Err(format!("unexpected `{word}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Task, String> {
        parse(line.split_whitespace().map(str::to_string))
    }

    #[test]
    fn options_of_up_are_read_in_both_spellings() {
        let wanted = UpOptions { check: true, data: Some("d".into()), listen: Some("127.0.0.1:1".into()) };
        assert_eq!(of("up --check --data d --listen=127.0.0.1:1"), Ok(Task::Up(wanted)));
    }

    #[test]
    fn options_and_targets_of_fuzz_stand_in_any_order() {
        let wanted = FuzzOptions { seconds: 5, at_once: 2, targets: vec!["sse".into(), "path".into()] };
        assert_eq!(of("fuzz sse --seconds=5 path --at-once 2"), Ok(Task::Fuzz(wanted)));
        assert!(of("fuzz --seconds 0").unwrap_err().contains("--seconds"));
        assert!(of("fuzz --fast").unwrap_err().contains("--fast"));
    }

    #[test]
    fn an_index_needs_a_folder_and_may_have_a_key() {
        let wanted = IndexOptions { out: "d".into(), key: Some("k".into()) };
        assert_eq!(of("index --key k d"), Ok(Task::Index(wanted)));
        for (line, told) in
            [("index", "DIR"), ("index a b", "`b`"), ("index d --key", "--key"), ("index d --kye=k", "--kye")]
        {
            assert!(of(line).unwrap_err().contains(told), "{line}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        assert!(of("upp").unwrap_err().contains("upp"));
        assert!(of("up --chekc").unwrap_err().contains("--chekc"));
        assert!(of("up --data").unwrap_err().contains("needs a value"));
        assert!(of("setup now").unwrap_err().contains("now"));
    }
}
