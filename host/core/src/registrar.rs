//! The one who changes what is installed and configured.
//!
//! Whatever takes long (compiling, asking a guest) is done before, by whoever asks, on a view that may be old by then. The
//! registrar takes the results one after another: it decides on the view of that moment, commits to the store, swaps the
//! new view in, tells. So there is no lock, no half-made change, and nothing is visible that is not durable.

use std::sync::Arc;

use jackfield_store::Mutation;
use tokio::sync::{mpsc, oneshot};

use crate::{
    Error, EventKind, Result, faults, integrations,
    shared::{About, Shared},
    view::View,
};

/// Changes that may wait before those who ask do.
const CAPACITY: usize = 64;

/// What is decided on the view of the moment.
pub(crate) enum Decision {
    /// It is so already.
    Nothing,
    /// To be made so.
    Change(Change),
}

/// Makes the next view, given the commit's revision.
pub(crate) type Apply = Box<dyn FnOnce(&mut View, u64) + Send>;

/// A change that is made wholly or not at all.
pub(crate) struct Change {
    /// What is committed.
    pub(crate) mutations: Vec<Mutation>,
    /// What becomes of the view, given the commit's revision.
    pub(crate) apply: Apply,
    /// What is told: kind, integration, plugin, sentence.
    pub(crate) event: (EventKind, Option<String>, Option<String>, String),
}

/// Decides on the view of the moment.
type Decide = Box<dyn FnOnce(&View) -> Result<Decision> + Send>;

/// A change that is asked for.
pub(crate) struct Job {
    decide: Decide,
    done: oneshot::Sender<Result<bool>>,
}

/// Where changes are asked for.
pub(crate) struct Queue(mpsc::Sender<Job>);

impl Queue {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Job>) {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (Self(sender), receiver)
    }

    /// Has something changed; returns whether that was necessary. Who stops waiting does not stop the change.
    pub(crate) async fn change(&self, decide: impl FnOnce(&View) -> Result<Decision> + Send + 'static) -> Result<bool> {
        let (done, answer) = oneshot::channel();
        let ended = |_| faults::shutting_down();
        self.0.send(Job { decide: Box::new(decide), done }).await.map_err(|_| faults::shutting_down())?;
        answer.await.map_err(ended)?
    }
}

/// Makes changes until the host stops; those that wait then are told so.
pub(crate) async fn run(shared: Arc<Shared>, mut jobs: mpsc::Receiver<Job>) {
    let mut stop = shared.stop.subscribe();
    loop {
        let job = tokio::select! {
            () = crate::tasks::stopped(&mut stop) => return,
            job = jobs.recv() => job,
        };
        let Some(Job { decide, done }) = job else { return };
        // Nobody may wait any more; the change is made all the same.
        let _ = done.send(carry_out(&shared, decide).await);
    }
}

async fn carry_out(shared: &Shared, decide: Decide) -> Result<bool> {
    let view = shared.view.load_full();
    let change = match decide(&view)? {
        Decision::Nothing => return Ok(false),
        Decision::Change(change) => change,
    };
    let (kind, integration, plugin, message) = change.event;
    let work = async {
        let revision = shared.store.commit(change.mutations).await.map_err(faults::store)?;
        let mut next = (*view).clone();
        (change.apply)(&mut next, revision);
        shared.view.store(Arc::new(next));
        shared.changed.notify_one();
        shared.probation.notify_one();
        shared.shadows.changed.notify_one();
        Ok(((), message.clone()))
    };
    let about = About::installed(integration.as_deref(), plugin.as_deref());
    shared.act(kind, about, &message, work).await?;
    // Here and not where it was asked for: who asked may have gone away meanwhile.
    if let Some(name) = &integration {
        integrations::changed(shared, &view, kind, name).await;
    }
    Ok(true)
}

/// A record as it is stored.
pub(crate) fn encode(record: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(record).map_err(|e| Error::internal(format!("a record could not be written: {e}")))
}
