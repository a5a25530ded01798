//! What callers feel of an upgrade: 64 of them call while the versions of their plugin change under them, and while none does.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use jackfield_core::{CallRequest, Host, NewIntegration, UpgradeIntegration};
use tokio::task::JoinSet;

use crate::{echo, race::percentile, table::Table};

const GROUP: &str = "switch";
const CALLERS: usize = 64;
/// How long after a switch its effects are looked for: it begins when the upgrade is asked for.
const AFTER: Duration = Duration::from_millis(100);

/// When each call was answered, since the start, and how many microseconds it took.
type Calls = Arc<Mutex<Vec<(Duration, f64)>>>;

/// All of it.
pub(crate) async fn all(table: &mut Table, quick: bool) -> Result<()> {
    let (quiet, moves) = if quick { (Duration::from_millis(300), 4) } else { (Duration::from_secs(5), 40) };
    let folder = tempfile::tempdir()?;
    let host = Host::builder().data_dir(folder.path()).build().await?;
    for version in ["0.1.0", "0.2.0"] {
        host.install_plugin(versioned(version)?).await?;
    }
    host.add_integration(NewIntegration::new("echo", "echo@0.1.0")).await?;
    let (calls, failed, over) = (Calls::default(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let start = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (host, calls, failed, over) = (host.clone(), calls.clone(), failed.clone(), over.clone());
        callers.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let asked = Instant::now();
                match host.call(CallRequest::new("echo", "echo", "number", r#"{"n":7}"#)).await {
                    Ok(_) => {
                        let took = asked.elapsed().as_secs_f64() * 1e6;
                        calls.lock().unwrap_or_else(PoisonError::into_inner).push((start.elapsed(), took));
                    }
                    Err(_) => _ = failed.fetch_add(1, Ordering::Relaxed),
                }
                tokio::task::yield_now().await;
            }
        });
    }
    tokio::time::sleep(quiet).await;
    let before = start.elapsed();
    let (mut switches, mut took) = (Vec::new(), Vec::new());
    for n in 0..moves {
        let version = if n % 2 == 0 { "0.2.0" } else { "0.1.0" };
        let begun = start.elapsed();
        let wanted = UpgradeIntegration {
            version: Some(version.parse()?),
            watch_seconds: Some(0),
            ..UpgradeIntegration::default()
        };
        host.upgrade_integration("echo", wanted).await?;
        let switched = start.elapsed();
        took.push((switched - begun).as_secs_f64() * 1e3);
        tokio::time::sleep(AFTER).await;
        switches.push((begun, switched + AFTER));
        // What comes next does not count as this one's.
        tokio::time::sleep(AFTER).await;
    }
    over.store(true, Ordering::Relaxed);
    while callers.join_next().await.is_some() {}
    host.shutdown().await;

    let calls = std::mem::take(&mut *calls.lock().unwrap_or_else(PoisonError::into_inner));
    let of =
        |is: &dyn Fn(Duration) -> bool| calls.iter().filter(|(at, _)| is(*at)).map(|(_, us)| *us).collect::<Vec<_>>();
    // The first of a host are not like the others.
    let mut alone = of(&|at| at > before / 5 && at < before);
    let mut during = of(&|at| switches.iter().any(|(begun, ended)| at >= *begun && at <= *ended));
    let (quiet, busy) = (percentile(&mut alone, 99), percentile(&mut during, 99));
    let case = format!("{CALLERS} callers, {moves} upgrades");
    table.add(GROUP, &case, "p99 before", quiet, "us", &format!("{} calls", alone.len()));
    let note = format!(
        "{:.2} x before; {} calls, {} failed; worst {:.1} ms",
        busy / quiet,
        during.len(),
        failed.load(Ordering::Relaxed),
        percentile(&mut during, 100) / 1e3
    );
    table.add(GROUP, &case, "p99 while versions change", busy, "us", &note);
    table.add(GROUP, &case, "an upgrade", percentile(&mut took, 50), "ms", "from the question until it is so");
    Ok(())
}

/// The echo in another version.
fn versioned(version: &str) -> Result<Vec<u8>> {
    let version = version.parse()?;
    echo::repacked(|manifest| manifest.plugin.version = version)
}
