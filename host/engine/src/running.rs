//! A call that runs: on its caller's thread as long as it is short, in the background once it is long.
//!
//! Nearly every call is short, and going to another thread would cost it several times what it takes. But a guest that
//! computes for seconds must not hold a thread that others wait for, so at its first yield after [`SHORT`](crate::meter::SHORT) its future moves,
//! whole, to threads of low priority, where the integrations take turns.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{Instant, Sleep, sleep_until},
};
use tokio_util::sync::PollSemaphore;

use crate::{background::Background, meter::Meter, share::Share};

/// Work that can move. It is boxed where it is made: futures that hold it are moved themselves, several times a call, and
/// are small for that.
pub(crate) type Work<R> = Pin<Box<dyn Future<Output = R> + Send>>;

/// A future that moves to the background when it turns out long. Dropped, the work is dropped wherever it is.
pub(crate) struct Running<'a, R> {
    pub(crate) place: Place<R>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) share: &'a Arc<Share>,
    pub(crate) background: &'a Background,
}

/// Where the work is.
pub(crate) enum Place<R> {
    Here(Work<R>),
    There(JoinHandle<R>),
    /// It is on its way, or has ended.
    Gone,
}

impl<'a, R: Send + 'static> Running<'a, R> {
    pub(crate) fn new(work: Work<R>, meter: Arc<Meter>, share: &'a Arc<Share>, background: &'a Background) -> Self {
        Self { place: Place::Here(work), meter, share, background }
    }

    /// Moves the work, if there is where to.
    pub(crate) fn go(&mut self) {
        let Place::Here(work) = std::mem::replace(&mut self.place, Place::Gone) else { return };
        self.place = match (self.background.handle(), Handle::try_current()) {
            (Some(background), Ok(home)) => {
                self.meter.be_exact();
                let turns = PollSemaphore::new(self.share.turns.clone());
                Place::There(background.spawn(Turns { work, meter: self.meter.clone(), turns, home }))
            }
            _ => Place::Here(work),
        };
    }
}

impl<R> Running<'_, R> {
    /// A long call in the background keeps its integration there: who does nothing else never comes back.
    fn remember(&self) {
        if self.meter.is_long() {
            self.share.was_long();
        }
    }
}

impl<R: Send + 'static> Future for Running<'_, R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = &mut *self;
        if let Place::Here(work) = &mut this.place {
            let polled = this.meter.time(|| work.as_mut().poll(cx));
            let long = this.meter.is_long();
            match polled {
                Poll::Pending if long => {
                    this.share.was_long();
                    this.go();
                }
                Poll::Pending => return Poll::Pending,
                ready => {
                    this.share.ended(&this.meter, long);
                    return ready;
                }
            }
        }
        match &mut this.place {
            Place::There(task) => match ready!(Pin::new(task).poll(cx)) {
                Ok(result) => {
                    this.place = Place::Gone;
                    this.remember();
                    Poll::Ready(result)
                }
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // Only `drop` aborts the task, and the runtime ends with the engine, which the caller holds.
                    Err(_) => Poll::Pending,
                },
            },
            // There was nowhere to go: it was polled a moment ago and has its waker.
            Place::Here(_) | Place::Gone => Poll::Pending,
        }
    }
}

impl<R> Drop for Running<'_, R> {
    fn drop(&mut self) {
        if let Place::There(task) = &self.place {
            task.abort();
            self.remember();
        }
    }
}

/// Work in the background: each poll is a slice, and a slice needs one of its integration's turns.
struct Turns<R: 'static> {
    work: Work<R>,
    meter: Arc<Meter>,
    turns: PollSemaphore,
    /// The caller's runtime. Connections and timers that the work makes belong there, not on threads of low priority.
    home: Handle,
}

impl<R: 'static> Future for Turns<R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = &mut *self;
        // Never closed, so never none.
        let _turn = ready!(this.turns.poll_acquire(cx));
        let _home = this.home.enter();
        this.meter.time(|| this.work.as_mut().poll(cx))
    }
}

impl<R: 'static> Drop for Turns<R> {
    /// What ends with the work belongs to the caller's runtime too: a connection that it held goes back to its pool, whose
    /// tasks then start here.
    fn drop(&mut self) {
        let _home = self.home.enter();
        self.work = Box::pin(std::future::pending());
    }
}

pin_project! {
    /// A borrowed call, which cannot move: once it is long it takes turns where it is.
    pub(crate) struct InTurn<'a, F> {
        #[pin]
        pub(crate) work: F,
        pub(crate) meter: &'a Meter,
        pub(crate) share: &'a Share,
        pub(crate) turns: Option<PollSemaphore>,
    }
}

impl<F: Future> Future for InTurn<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _turn = match this.meter.is_long() {
            true => {
                let turns = this.turns.get_or_insert_with(|| PollSemaphore::new(this.share.turns.clone()));
                ready!(turns.poll_acquire(cx))
            }
            false => None,
        };
        this.meter.time(|| this.work.poll(cx))
    }
}

pin_project! {
    /// Work with a deadline. The timer is made when the work has to wait for the first time; most never does.
    pub(crate) struct Until<F> {
        #[pin]
        work: F,
        at: Instant,
        #[pin]
        timer: Option<Sleep>,
    }
}

/// Ends with nothing when `work` has not ended at `at`.
pub(crate) fn until<F: Future>(at: Instant, work: F) -> Until<F> {
    Until { work, at, timer: None }
}

impl<F: Future> Future for Until<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let mut this = self.project();
        if let Poll::Ready(output) = this.work.poll(cx) {
            return Poll::Ready(Some(output));
        }
        if this.timer.is_none() {
            this.timer.set(Some(sleep_until(*this.at)));
        }
        match this.timer.as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    /// Does when it is dropped what a connection may do that goes back to its pool: it takes a timer.
    struct Connection(mpsc::Sender<bool>);

    impl Drop for Connection {
        fn drop(&mut self) {
            let timer = std::panic::catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO)));
            let _ = self.0.send(timer.is_ok());
        }
    }

    #[tokio::test]
    async fn what_a_cancelled_call_in_the_background_held_ends_on_its_callers_runtime() {
        let (share, background) = (Share::new(), Background::default());
        let (sender, ended) = mpsc::channel();
        let connection = Connection(sender);
        let work = async move {
            let _connection = connection;
            std::future::pending::<()>().await;
        };
        let mut running = Running::new(Box::pin(work), Arc::new(Meter::default()), &share, &background);
        running.go();
        drop(running);
        let ended = tokio::task::spawn_blocking(move || ended.recv_timeout(Duration::from_secs(10)));
        assert!(ended.await.unwrap().unwrap(), "there are no timers where it ended");
    }
}
