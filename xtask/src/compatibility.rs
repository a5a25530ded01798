//! `cargo xtask compatibility`: the matrix in `docs/compatibility.md` from the manifests and a test run's record.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use jackfield_peers::compatibility::{self, Tested};

use crate::cargo;

/// Where the record of the last run of all tests is kept.
fn last_run() -> PathBuf {
    cargo::target().join("peers.jsonl")
}

/// Writes the matrix anew. The record becomes what is kept of test runs, where there is one.
pub(crate) fn write(record: Option<&Path>) -> Result<()> {
    let workspace = cargo::workspace();
    let last = last_run();
    if let Some(file) = record.or_else(|| last.is_file().then_some(last.as_path())) {
        let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let tested = Tested::from_record(&text);
        if tested == Tested::default() {
            bail!(
                "{} records no test with an outside system; `cargo xtask test` makes a record that does",
                file.display()
            );
        }
        tested.write(&workspace)?;
        println!("what tests ran against is taken from {}", file.display());
    }
    let changed = compatibility::rewrite(&workspace, &Tested::read(&workspace)?)?;
    let page = compatibility::page(&workspace);
    println!("{} {}", page.display(), if changed { "was written anew" } else { "is as it should be" });
    Ok(())
}

/// Keeps the record of a run of all tests, and tells where it is not what the matrix says.
pub(crate) fn keep(record: &str) -> Result<Option<String>> {
    let file = last_run();
    fs::write(&file, record).with_context(|| format!("writing {}", file.display()))?;
    let (ran, kept) = (Tested::from_record(record), Tested::read(&cargo::workspace())?);
    let new = ran.beyond(&kept);
    Ok((!new.is_empty()).then(|| {
        format!("not in docs/compatibility.md: {}; `cargo xtask compatibility` writes it anew", new.join(", "))
    }))
}
