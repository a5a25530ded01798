//! Compares reads until the host stops, and ends rehearsals whose time is over.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jackfield_reflect::{OperationKind, Shape};
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    Integration, Job, Look,
    answers::{self, Said, differences, may_pass, says_nothing},
    start,
};
use crate::{Error, ErrorKind, ErrorSource, Result, calls, clock::now_ms, shared::Shared, tasks};

/// The longest sleep: the host's clock may be set, an end fail.
const MAX_SLEEP: Duration = Duration::from_secs(60);
/// The shortest.
const MIN_SLEEP: Duration = Duration::from_millis(50);

/// Compares until the host stops.
pub(crate) async fn run(shared: Arc<Shared>, mut jobs: mpsc::Receiver<Job>) {
    let mut stop = shared.stop.subscribe();
    let mut looks: JoinSet<()> = JoinSet::new();
    let mut sleep = end_what_is_over(&shared).await;
    loop {
        tokio::select! {
            () = tasks::stopped(&mut stop) => return,
            () = shared.shadows.changed.notified() => sleep = end_what_is_over(&shared).await,
            () = tokio::time::sleep(sleep) => sleep = end_what_is_over(&shared).await,
            Some(job) = jobs.recv() => {
                let shared = shared.clone();
                looks.spawn(async move { look(&shared, job).await });
            }
            Some(ended) = looks.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "comparing a read panicked");
                }
            }
        }
    }
}

/// Ends what is over, and says when to look again.
async fn end_what_is_over(shared: &Shared) -> Duration {
    let view = shared.view.load_full();
    let mut next = MAX_SLEEP;
    for integration in view.integrations.values() {
        let Some(record) = &integration.record.shadow else { continue };
        let left = u64::try_from(record.until - now_ms()).unwrap_or(0);
        let why = match (&integration.shadow, left) {
            (_, 0) => "its time is over",
            (None, _) => "it could not go on when the host was started again",
            (Some(_), left) => {
                next = next.min(Duration::from_millis(left));
                continue;
            }
        };
        if let Err(error) = start::stop(shared, &integration.name, Some(integration.revision), why).await {
            // Somebody may have changed it at this moment; then it is looked at again.
            tracing::warn!(integration = &*integration.name, %error, "a rehearsal that is over was not ended");
            next = Duration::from_secs(1);
        }
    }
    next.max(MIN_SLEEP)
}

async fn look(shared: &Shared, job: Job) {
    let Job { place, capability, operation, action, params, answer } = job;
    let shadow = &place.shadow;
    let Ok(_turn) = shadow.places.acquire().await else { return };
    if shadow.is_over() {
        return;
    }
    let read = Question { shared, capability: &capability, operation: &operation, params };
    let look = match read.compare(&shadow.candidate, &shadow.again, answer).await {
        Ok(look) => look,
        Err(why) => Look::Failed(why),
    };
    if !shadow.is_over() {
        shadow.found(shared, &action, look).await;
    }
}

/// What was read.
struct Question<'a> {
    shared: &'a Shared,
    capability: &'a str,
    operation: &'a str,
    params: Bytes,
}

impl Question<'_> {
    /// Asks the version that is rehearsed, and where it answers otherwise the one that runs once more. Fails where there is
    /// nothing to compare.
    async fn compare(
        &self,
        candidate: &Integration,
        again: &Integration,
        answer: Result<Bytes>,
    ) -> Result<Look, String> {
        let mut said = self.ask(candidate, "the rehearsed version").await?;
        let shape = self.shape(candidate, again);
        let first = found(shape.clone(), answer, said.clone()).await?;
        if first.is_empty() {
            return Ok(Look::Equal);
        }
        let now = self.ask(again, "the version that runs").await?;
        if let Err(error) = &said
            && may_pass(error)
        {
            said = self.ask(candidate, "the rehearsed version").await?;
            if said.is_ok() {
                return Err("the rehearsed version: it failed, and answered when it was asked once more".into());
            }
        }
        let second = found(shape, now, said).await?;
        let still = answers::still(first, &second);
        Ok(if still.is_empty() { Look::ChangedMeanwhile } else { Look::Different(still) })
    }

    /// Asks a version. Fails where its answer says nothing about it.
    async fn ask(&self, version: &Integration, who: &str) -> Result<Result<Bytes>, String> {
        let tracks = &version.live.tracks;
        let (refused, kept_back) = (tracks.refused_commits(), tracks.refused_changes());
        let answer = self.call(version).await;
        // Whatever it makes of that is no answer of a version that runs.
        if tracks.refused_changes() != kept_back {
            return Err(format!(
                "{who}: it wants to send what may change the outside system, which is not sent for a rehearsal"
            ));
        }
        match answer {
            Err(error) if says_nothing(&error) => Err(format!("{who}: {}", error.message)),
            Err(_) if tracks.refused_commits() != refused => {
                Err(format!("{who}: it wants to keep something in its state, and nothing is kept for a rehearsal"))
            }
            answer => Ok(answer),
        }
    }

    async fn call(&self, version: &Integration) -> Result<Bytes> {
        let runtime = version.running()?;
        let served = runtime.capability(self.capability)?.operation(self.operation)?;
        let operation = served.operation();
        if operation.kind != OperationKind::Read || operation.feed {
            let message = format!("`{}` is no read in this version, so it was not called", served.action);
            return Err(Error::new(ErrorKind::Unsupported, ErrorSource::Plugin, message));
        }
        calls::run(self.shared, version, runtime, served, self.params.clone(), None).await
    }

    /// The shape of the answer, if it is the same in both versions.
    fn shape(&self, one: &Integration, other: &Integration) -> Option<Shape> {
        let of = |version: &Integration| {
            let served = version.running().ok()?.capability(self.capability).ok()?.operation(self.operation).ok()?;
            served.operation().ok.clone()
        };
        of(one).filter(|shape| of(other).as_ref() == Some(shape))
    }
}

/// In what two answers differ. Long ones take long, so they are compared where that is in nobody's way.
async fn found(
    shape: Option<Shape>,
    active: Result<Bytes>,
    candidate: Result<Bytes>,
) -> Result<Vec<answers::Found>, String> {
    let compare = move || -> Result<Vec<answers::Found>, serde_json::Error> {
        let said = |answer: Result<Bytes>| match answer {
            Ok(json) => serde_json::from_slice::<Value>(&json).map(Said::Answer),
            Err(error) => Ok(Said::Refused(error)),
        };
        Ok(differences(shape.as_ref(), &said(active)?, &said(candidate)?))
    };
    let compared = tokio::task::spawn_blocking(compare).await.map_err(|error| error.to_string())?;
    compared.map_err(|error| format!("an answer cannot be read: {error}"))
}
