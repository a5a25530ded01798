//! Whether something was left behind, from looks at a server at rest.
//!
//! What can be counted must be equal at every rest, since one descriptor too many is a leak however slow. Memory has noise:
//! allocators keep some of what was freed, the kernel drops clean pages when it wants. So its growth is judged over the
//! whole series and never from two looks: by the medians of the first and the last quarter, which see a step, and by the
//! median slope of all pairs (Theil and Sen), which sees a steady climb; either has to be wrong about a quarter of the
//! looks before it is wrong. The larger of the two counts. Shrinking is no fault.

use serde::Serialize;

use super::sample::Sample;

/// Fewer looks than this say nothing.
const FEWEST: usize = 4;

/// So much blocking work the load may ask for at once; rather more than it has workers.
const AT_ONCE: f64 = 10.0;

/// The database's descriptors: two for each of the store's five connections, and one that they share.
const DATABASE: u64 = 11;

/// How a quantity went.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Trend {
    /// The median of the first quarter.
    pub first: f64,
    /// The median of the last quarter.
    pub last: f64,
    /// Its growth over the series, in per cent of the first quarter.
    pub growth: f64,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// Resident memory, in KiB.
    pub resident: Trend,
    /// Memory behind no file, in KiB.
    pub anonymous: Trend,
    /// What is wrong; nothing if nothing is.
    pub faults: Vec<String>,
}

/// Judges looks at rest. `growth`: by how many per cent memory may have grown.
pub fn judge(rests: &[Sample], growth: f64) -> Verdict {
    let series = |of: fn(&Sample) -> u64| rests.iter().map(|rest| (rest.at, of(rest) as f64)).collect::<Vec<_>>();
    let resident = trend(&series(|rest| rest.resident));
    let anonymous = trend(&series(|rest| rest.anonymous));
    let mut faults = Vec::new();
    if rests.len() < FEWEST {
        faults.push(format!("{} looks at rest say nothing; it takes {FEWEST}", rests.len()));
    }
    for (name, trend) in [("resident memory", &resident), ("anonymous memory", &anonymous)] {
        if trend.growth > growth {
            faults.push(format!(
                "{name} grew by {:.1} %, from {:.0} to {:.0} KiB; at most {growth} % is noise",
                trend.growth, trend.first, trend.last
            ));
        }
    }
    for (name, values) in [("descriptors", series(|rest| rest.descriptors)), ("tasks", series(|rest| rest.tasks))] {
        if values.windows(2).any(|pair| pair[0].1 != pair[1].1) {
            faults.push(format!("{name} at rest are not equal: {}", listed(&values)));
        }
    }
    for (name, values) in [("long calls", series(|rest| rest.long)), ("busy instances", series(|rest| rest.busy))] {
        if values.iter().any(|(_, value)| *value != 0.0) {
            faults.push(format!("{name} at rest: {}", listed(&values)));
        }
    }
    let by_descriptors = |rest: &&Sample| rest.descriptors;
    if let Some((least, most)) = rests.iter().min_by_key(by_descriptors).zip(rests.iter().max_by_key(by_descriptors))
        && most.descriptors > least.descriptors
    {
        let more = most.opened_since(least).join(", ");
        faults.push(format!("after {:.0} s there was more open than after {:.0} s: {more}", most.at, least.at));
    }
    let database = rests.iter().map(|rest| rest.database).max().unwrap_or(0);
    if database > DATABASE {
        faults.push(format!("{database} descriptors of the database are open; {DATABASE} are all that there are"));
    }
    // Those for blocking work are as many as there was such work at once, lately, and the load's workers can ask for.
    let threads: Vec<f64> = rests.iter().map(|rest| rest.threads as f64).collect();
    let quarter = quarter(threads.len());
    let most = threads[..quarter].iter().copied().fold(0.0, f64::max);
    let fewest = threads[threads.len() - quarter..].iter().copied().fold(f64::MAX, f64::min);
    if quarter > 0 && fewest > most + AT_ONCE {
        faults.push(format!("threads grew: at most {most} in the first quarter, at least {fewest} in the last"));
    }
    Verdict { resident, anonymous, faults }
}

fn listed(values: &[(f64, f64)]) -> String {
    values.iter().map(|(_, value)| value.to_string()).collect::<Vec<_>>().join(" ")
}

/// How many make a quarter.
fn quarter(all: usize) -> usize {
    (all / 4).max(1).min(all)
}

fn trend(series: &[(f64, f64)]) -> Trend {
    // Of a short series a quarter is one look, and one look in ten finds memory that is given back before the next.
    let some = quarter(series.len()).max(3).min(series.len());
    let values = |part: &[(f64, f64)]| median(part.iter().map(|(_, value)| *value).collect());
    let (first, last) = (values(&series[..some]), values(&series[series.len() - some..]));
    let slopes = series.iter().enumerate().flat_map(|(index, (at, value))| {
        series[index + 1..].iter().filter(move |(later, _)| later > at).map(move |(l, v)| (v - value) / (l - at))
    });
    let span = series.last().zip(series.first()).map_or(0.0, |(last, first)| last.0 - first.0);
    let climbed = (median(slopes.collect()) * span).max(last - first);
    Trend { first, last, growth: if first > 0.0 { climbed / first * 100.0 } else { 0.0 } }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::random::Random;

    /// Looks a minute apart at a server of 100 MB; `memory` says by which factor the memory of each differs.
    fn rests(memory: impl Fn(f64) -> f64) -> Vec<Sample> {
        let mut random = Random::new(1);
        let rest = |n: u64| {
            let noise = random.within(0..2000) as f64 / 1e5 - 0.01;
            let resident = (100_000.0 * (memory(n as f64 / 47.0) + noise)) as u64;
            let (threads, descriptors, tasks) = (12 + n % 3, 30, 5);
            let anonymous = resident / 2;
            Sample { at: n as f64 * 60.0, resident, anonymous, descriptors, threads, tasks, ..Sample::default() }
        };
        (0..48).map(rest).collect()
    }

    fn faults(rests: &[Sample]) -> Vec<String> {
        judge(rests, 2.0).faults
    }

    #[test]
    fn memory_that_is_flat_but_for_noise_of_one_per_cent_passes() {
        assert_eq!(faults(&rests(|_| 1.0)), [""; 0]);
    }

    #[test]
    fn a_leak_of_three_per_cent_within_that_noise_fails() {
        let found = faults(&rests(|time| 1.0 + 0.03 * time));
        assert!(found.iter().any(|fault| fault.starts_with("resident memory grew by ")), "{found:?}");
        assert!(found.iter().any(|fault| fault.starts_with("anonymous memory grew by ")), "{found:?}");
    }

    #[test]
    fn a_step_that_stays_fails_and_a_peak_that_goes_passes() {
        assert_ne!(faults(&rests(|time| if time > 0.5 { 1.04 } else { 1.0 })), [""; 0]);
        assert_eq!(faults(&rests(|time| if (0.4..0.5).contains(&time) { 1.5 } else { 1.0 })), [""; 0]);
        assert_eq!(faults(&rests(|time| if time > 0.97 { 1.5 } else { 1.0 })), [""; 0]);
    }

    #[test]
    fn memory_that_shrinks_passes() {
        assert_eq!(faults(&rests(|time| 1.0 - 0.2 * time)), [""; 0]);
    }

    #[test]
    fn one_descriptor_or_task_too_many_at_one_rest_fails() {
        let mut one = rests(|_| 1.0);
        one[40].descriptors += 1;
        one[40].open.push("tcp 1 2 state 01".into());
        assert_eq!(faults(&one)[1], "after 2400 s there was more open than after 0 s: tcp 1 2 state 01");
        assert!(faults(&one)[0].starts_with("descriptors at rest are not equal"), "{:?}", faults(&one));
        let mut one = rests(|_| 1.0);
        one[47].tasks += 1;
        assert!(faults(&one)[0].starts_with("tasks at rest are not equal"), "{:?}", faults(&one));
    }

    #[test]
    fn the_store_may_open_the_connections_that_it_has_and_no_more() {
        let mut more = rests(|_| 1.0);
        more[30..].iter_mut().for_each(|rest| rest.database = 11);
        assert_eq!(faults(&more), [""; 0]);
        more[40].database = 13;
        assert!(faults(&more)[0].starts_with("13 descriptors of the database"), "{:?}", faults(&more));
    }

    #[test]
    fn a_call_that_still_runs_at_rest_fails() {
        let mut one = rests(|_| 1.0);
        one[3].busy = 1;
        one[4].long = 1;
        assert_eq!(faults(&one).len(), 2, "{:?}", faults(&one));
    }

    #[test]
    fn threads_may_come_and_go_but_not_become_more_and_more() {
        let mut more = rests(|_| 1.0);
        more.iter_mut().enumerate().for_each(|(n, rest)| rest.threads += n as u64 / 2);
        assert!(faults(&more)[0].starts_with("threads grew"), "{:?}", faults(&more));
    }

    #[test]
    fn too_few_looks_are_no_proof() {
        assert_eq!(faults(&rests(|_| 1.0)[..3]).len(), 1);
        assert_eq!(faults(&[]).len(), 1);
    }
}
