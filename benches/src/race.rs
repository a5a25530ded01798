//! Contenders, measured in turn.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::future::{BoxFuture, FutureExt as _};

/// One way to do the same thing: does it so often, one after another.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    run: Box<dyn FnMut(u64) -> BoxFuture<'static, Result<()>>>,
}

/// A way to do something.
pub(crate) fn way<F>(name: &'static str, mut run: impl FnMut(u64) -> F + 'static) -> Way
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    Way { name, run: Box::new(move |times| run(times).boxed()) }
}

/// How long a round of one contender takes.
const ROUND: Duration = Duration::from_millis(30);

/// Nanoseconds of each contender, the median of all rounds.
pub(crate) async fn race(ways: &mut [Way], rounds: usize) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for way in ways.iter_mut() {
        // Twice as many until it takes long enough to be timed.
        let mut n = 1;
        let per_round = loop {
            let took = timed(way, n).await?;
            if took >= ROUND / 4 || n >= 1 << 24 {
                break ((n as f64 * ROUND.as_secs_f64() / took.as_secs_f64()) as u64).max(1);
            }
            n *= 2;
        };
        times.push((per_round, Vec::with_capacity(rounds)));
    }
    for _ in 0..rounds {
        for (way, (n, times)) in ways.iter_mut().zip(&mut times) {
            let took = timed(way, *n).await?;
            times.push(took.as_secs_f64() * 1e9 / *n as f64);
        }
    }
    Ok(times.into_iter().map(|(_, times)| median(times)).collect())
}

async fn timed(way: &mut Way, n: u64) -> Result<Duration> {
    let start = Instant::now();
    (way.run)(n).await?;
    Ok(start.elapsed())
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value below which so many of a hundred are.
pub(crate) fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get((values.len() * percent / 100).min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
