//! What a soak tells: a line for each rest, a summary for people, a line of JSON for programs.

use std::fmt;

use serde_json::{Value, json};

use super::{Plan, Sample, load::Load, verdict, verdict::Verdict};

/// What became of a soak.
#[derive(Debug)]
pub struct Report {
    /// What was found at rest.
    pub verdict: Verdict,
    /// The judged looks.
    pub rests: Vec<Sample>,
    /// Everything that is wrong; nothing if nothing is.
    pub faults: Vec<String>,
    plan: Plan,
    /// What was done, and how often.
    done: Vec<(&'static str, u64)>,
}

impl Report {
    pub(super) fn new(plan: &Plan, load: &Load, rests: Vec<Sample>, mut faults: Vec<String>) -> Report {
        let verdict = verdict::judge(&rests, plan.growth);
        faults.extend(load.faults());
        faults.extend(verdict.faults.iter().cloned());
        Report { verdict, rests, faults, plan: plan.clone(), done: load.done() }
    }

    /// Whether nothing is wrong.
    pub fn passed(&self) -> bool {
        self.faults.is_empty()
    }

    /// All of it on one line.
    pub fn json(&self) -> Value {
        json!({"soak": {
            "passed": self.passed(),
            "seed": self.plan.seed,
            "seconds": self.plan.length.as_secs(),
            "warm-up-seconds": self.plan.warm_up.as_secs(),
            "growth-allowed": self.plan.growth,
            "actions": self.done.iter().map(|(name, count)| ((*name).to_string(), *count)).collect::<std::collections::BTreeMap<_, _>>(),
            "resident-kib": self.verdict.resident,
            "anonymous-kib": self.verdict.anonymous,
            "faults": self.faults,
            "rests": self.rests,
        }})
    }
}

impl fmt::Display for Report {
    /// One line, and one for each fault.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { resident, anonymous, .. } = &self.verdict;
        let [count, mib] = [|trend: &verdict::Trend| trend.growth, |trend: &verdict::Trend| trend.last / 1024.0];
        let rest = self.rests.last().cloned().unwrap_or_default();
        write!(
            out,
            "soak of {} min, seed {}: {} actions, {} looks at rest; resident {:.1} MiB ({:+.2} %), anonymous {:.1} MiB \
             ({:+.2} %), {} descriptors, {} tasks, {} threads",
            self.plan.length.as_secs() / 60,
            self.plan.seed,
            self.done.iter().map(|(_, count)| count).sum::<u64>(),
            self.rests.len(),
            mib(resident),
            count(resident),
            mib(anonymous),
            count(anonymous),
            rest.descriptors,
            rest.tasks,
            rest.threads,
        )?;
        self.faults.iter().try_for_each(|fault| write!(out, "\nFAULT: {fault}"))
    }
}

/// What the columns of [`line`] are.
pub(super) fn header() -> String {
    "    time  resident MiB  anonymous MiB  descriptors   db  tasks  long  threads  busy  idle  actions  faults".into()
}

/// A look as a line. Those of the warm-up are marked.
pub(super) fn line(sample: &Sample, warm: bool, load: &Load) -> String {
    let mib = |kib: u64| kib as f64 / 1024.0;
    format!(
        "{}{:>6.0} s{:>14.1}{:>15.1}{:>13}{:>5}{:>7}{:>6}{:>9}{:>6}{:>6}{:>9}{:>8}",
        if warm { " " } else { "~" },
        sample.at,
        mib(sample.resident),
        mib(sample.anonymous),
        sample.descriptors,
        sample.database,
        sample.tasks,
        sample.long,
        sample.threads,
        sample.busy,
        sample.idle,
        load.done().iter().map(|(_, count)| count).sum::<u64>(),
        load.faults().len(),
    )
}
