//! The streams of an HTTP/2 connection. Each is a task, and is reset alone if its response is not read.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use super::body::Progress;
use super::{Ending, OnEnding};
use crate::connection::Address;

/// Runs the streams of one connection.
#[derive(Clone)]
pub(super) struct Streams {
    on_ending: OnEnding,
    peer: Address,
    write_timeout: Duration,
    /// For the request that hyper has just passed to the service. hyper spawns its stream next.
    next: Arc<Mutex<Option<Arc<Progress>>>>,
}

impl Streams {
    pub(super) fn new(on_ending: &OnEnding, peer: Address, write_timeout: Duration) -> Self {
        Self { on_ending: Arc::clone(on_ending), peer, write_timeout, next: Arc::default() }
    }

    /// For the request that hyper passes to the service. hyper spawns its stream before it passes the next request.
    pub(super) fn progress(&self) -> Arc<Progress> {
        let progress = Progress::new();
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&progress));
        progress
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let progress = self.next.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (on_ending, peer, write_timeout) = (Arc::clone(&self.on_ending), self.peer, self.write_timeout);
        tokio::spawn(Limited { stream, on_ending, peer, write_timeout, progress, limit: None });
    }
}

pin_project! {
    /// A stream that is reset, by dropping it, if its client does not read for too long.
    struct Limited<F> {
        #[pin]
        stream: F,
        on_ending: OnEnding,
        peer: Address,
        write_timeout: Duration,
        progress: Option<Arc<Progress>>,
        limit: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future<Output = ()>> Future for Limited<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(since) = this.progress.as_ref().and_then(|progress| progress.waiting_since()) else {
            *this.limit = None;
            return Poll::Pending;
        };
        let end = (since + *this.write_timeout).into();
        let limit = this.limit.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if limit.deadline() != end {
            limit.as_mut().reset(end);
        }
        ready!(limit.as_mut().poll(cx));
        (this.on_ending)(Ending::WriteTimeout, *this.peer);
        Poll::Ready(())
    }
}
