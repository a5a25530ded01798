//! The soak: a built server under a mixed load for minutes or an hour, and at the end the question whether anything was
//! left behind. One implementation for all its forms: `cargo xtask soak` (the program in `src/bin`), and one minute of it
//! as an ordinary test.
//!
//! The load is bounded in number and paced, so that two processors have time to spare: it is not to find how much a
//! server can do, but what of it stays. It is random, by a seed, and does what users, guests and networks do on a bad day:
//! calls and writes, feeds opened and dropped, guests that crash and exceed every limit, clients and outside systems that
//! go away in the middle, integrations and plugins that come, change and go. Every answer that was not to be expected
//! is a fault.
//!
//! Every so often the load rests. What may differ from one moment to the next without being a leak is then brought to the
//! same state: every call has ended, what was added for a while is removed, outside connections are cut, and each
//! integration is reloaded, since its warm instances hold whatever their last calls asked for (and are let go only by and
//! by). What is left is looked at; see [`verdict`] for how it is judged.

mod load;
mod random;
mod report;
mod sample;
mod site;
mod trades;
pub mod verdict;

use std::{
    thread,
    time::{Duration, Instant},
};

use jackfield_peers::PeerError;

pub use random::Random;
pub use report::Report;
pub use sample::Sample;

use load::Load;
use sample::Meter;
use site::Site;

/// How long the server may take to come to rest.
const SETTLE: Duration = Duration::from_secs(15);
/// Between two looks while it does.
const LOOK: Duration = Duration::from_millis(500);
/// So many looks alike are rest.
const ALIKE: usize = 4;
/// And so many where there is time: memory that is free goes back to the system every two seconds, and a thread's own when
/// it runs; five seconds see both.
const ALIKE_AT_LENGTH: usize = 10;

/// How long a soak takes, and what is expected of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Decides every choice.
    pub seed: u64,
    /// All of it.
    pub length: Duration,
    /// The beginning, in which everything is used for the first time; it is not judged.
    pub warm_up: Duration,
    /// Between two rests.
    pub every: Duration,
    /// By how many per cent memory may grow after that.
    pub growth: f64,
    /// How many looks in a row are alike at rest.
    pub alike: usize,
}

impl Plan {
    /// A soak of so many minutes. A fifth of it is warm-up, ten minutes at most.
    ///
    /// From five minutes on, memory must be flat within 2 %. In less the server has not met everything often enough to have
    /// all the memory that it keeps for use again: 10 % are allowed, which still is an alarm for whatever keeps a buffer a
    /// call. Descriptors and tasks are exact in every form.
    pub fn minutes(minutes: u64, seed: u64) -> Plan {
        let length = Duration::from_secs(60 * minutes.max(1));
        let warm_up = (length / 5).clamp(Duration::from_secs(20), Duration::from_secs(600));
        let every = ((length - warm_up) / 24).clamp(Duration::from_secs(5), Duration::from_secs(60));
        let alike = if minutes < 30 { ALIKE } else { ALIKE_AT_LENGTH };
        Plan { seed, length, warm_up, every, growth: if minutes < 5 { 10.0 } else { 2.0 }, alike }
    }
}

/// Does it. `say` is told what is seen on the way, a line at a time.
pub fn run(plan: &Plan, mut say: impl FnMut(&str)) -> Result<Report, PeerError> {
    if !Meter::works_here() {
        return Err(PeerError::missing("procfs", "what a process holds is read from /proc/PID/smaps_rollup"));
    }
    let mut site = Site::prepare();
    let meter = site.meter();
    let load = Load::new(plan.seed);
    let mut rests = Vec::new();
    let begun = Instant::now();
    let fault = thread::scope(|scope| {
        load.start(scope, &site);
        say(&report::header());
        let mut told = 0;
        let fault = loop {
            thread::sleep(plan.every);
            let looked = load.rest(|| look(&site, &meter, begun, plan.alike));
            let sample = match looked {
                Ok(sample) => sample,
                Err(fault) => break Some(fault),
            };
            let warm = begun.elapsed() > plan.warm_up;
            say(&report::line(&sample, warm, &load));
            let faults = load.faults();
            faults[told..].iter().for_each(|fault| say(&format!("FAULT: {fault}")));
            told = faults.len();
            if warm {
                rests.push(sample);
            }
            if begun.elapsed() >= plan.length || load.is_hopeless() {
                break None;
            }
        };
        load.stop();
        fault
    });
    let mut faults: Vec<String> = fault.into_iter().collect();
    faults.extend(site.end());
    Ok(Report::new(plan, &load, rests, faults))
}

/// Brings the server to rest and looks: when several looks in a row are alike, or it takes too long.
fn look(site: &Site, meter: &Meter, begun: Instant, looks: usize) -> Result<Sample, String> {
    site.calm()?;
    let until = Instant::now() + SETTLE;
    let mut before: Vec<Sample> = Vec::new();
    loop {
        let sample = meter.read(begun.elapsed().as_secs_f64())?;
        let alike = |other: &Sample| {
            (other.descriptors, other.tasks, other.long, other.busy)
                == (sample.descriptors, sample.tasks, sample.long, sample.busy)
        };
        before.retain(alike);
        before.push(sample);
        let last = &before[before.len() - 1];
        let quiet = before.len() >= looks && last.busy == 0;
        if quiet || Instant::now() > until {
            // What is freed goes back to the kernel a little later.
            let least = before.iter().min_by_key(|sample| sample.resident).unwrap_or(last);
            return Ok(least.clone());
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_looks_enough_to_be_judged() {
        for (minutes, looks) in [(1, 5), (10, 20), (60, 40)] {
            let plan = Plan::minutes(minutes, 1);
            // Coming to rest takes two seconds or so, and six where there is time.
            let a_look = plan.every + Duration::from_secs(if minutes < 30 { 2 } else { 6 });
            assert!((plan.length - plan.warm_up).as_secs() / a_look.as_secs() >= looks, "{plan:?}");
            assert!(plan.warm_up >= plan.length / 6, "{plan:?}");
        }
    }
}
