//! Waiting with an end. A timer that is made for each request wakes a thread that sleeps until a later one: measured, a
//! third of what a short call takes. Nearly all bodies are there when they are asked for the second time, since hyper hands
//! over in the second poll what it had received before the first; so the timer is made only then.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

pin_project! {
    /// Work that ends with nothing when it has not ended in time.
    pub(crate) struct Within<F> {
        #[pin]
        work: F,
        limit: Duration,
        waited: bool,
        #[pin]
        timer: Option<Sleep>,
    }
}

/// Ends with nothing when `work` has not ended in `limit`.
pub(crate) fn within<F: Future>(limit: Duration, work: F) -> Within<F> {
    Within { work, limit, waited: false, timer: None }
}

impl<F: Future> Future for Within<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(output) = this.work.poll(cx) {
            return Poll::Ready(Some(output));
        }
        if !*this.waited {
            *this.waited = true;
            // So that there is a second time, also when nothing ever comes.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.timer.is_none() {
            this.timer.set(Some(sleep(*this.limit)));
        }
        match this.timer.as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_never_ends_is_given_up_and_what_ends_in_time_is_not() {
        assert_eq!(within(Duration::from_millis(5), std::future::pending::<()>()).await, None);
        let soon = async { tokio::time::sleep(Duration::from_millis(5)).await };
        assert_eq!(within(Duration::from_secs(60), soon).await, Some(()));
    }
}
