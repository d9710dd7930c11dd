//! A store whose responses are late, out of order or lost.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::clock::ClockReading;
use crate::replay::contract::{Claim, ClaimToken, ReplayKey, ReplayStore, Settled, StoreError, StoreErrorKind};

/// The delay of one call of a [`LateStore`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    /// How many times the future is polled before the store receives the request.
    pub polls_before: usize,
    /// How many times the future is polled after that before it is ready.
    pub polls_after: usize,
    /// Whether the response is lost. The store has handled the request, and the caller gets
    /// [`StoreErrorKind::Unavailable`].
    pub is_lost: bool,
}

/// Delays the calls of another store, as a network does.
///
/// A request is sent when the call is made: if its future is dropped, the store still receives the request, and the
/// response is lost. Calls with different delays overtake each other. Delays are counted in polls, so that a test can
/// drop a future at any point and needs no runtime.
#[derive(Debug)]
pub struct LateStore<S> {
    store: Arc<S>,
    delays: Arc<[Delay]>,
    calls: Arc<AtomicUsize>,
}

impl<S> Clone for LateStore<S> {
    /// Creates another handle of the same store. Both handles count their calls together.
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), delays: Arc::clone(&self.delays), calls: Arc::clone(&self.calls) }
    }
}

impl<S: ReplayStore> LateStore<S> {
    /// Delays the n-th call of `store` by the n-th of `delays`, and starts over after the last. If `delays` is empty, calls
    /// are not delayed.
    pub fn new(store: Arc<S>, delays: impl Into<Arc<[Delay]>>) -> Self {
        Self { store, delays: delays.into(), calls: Arc::default() }
    }

    fn call<T>(&self, request: impl FnOnce(&S) -> Response<T> + Send + 'static) -> LateCall<T> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let delay = self.delays.get(number % self.delays.len().max(1)).copied().unwrap_or_default();
        let store = Arc::clone(&self.store);
        LateCall { delay, state: State::Requesting(Box::new(move || request(&store))) }
    }
}

impl<S: ReplayStore> ReplayStore for LateStore<S> {
    type Claiming = LateCall<Claim>;
    type Confirming = LateCall<Settled>;

    fn claim(&self, key: ReplayKey, lease: Duration, now: ClockReading) -> Self::Claiming {
        self.call(move |store| Box::pin(store.claim(key, lease, now)))
    }

    fn confirm(&self, token: ClaimToken, now: ClockReading) -> Self::Confirming {
        self.call(move |store| Box::pin(store.confirm(token, now)))
    }

    fn release(&self, token: ClaimToken) {
        self.store.release(token);
    }
}

type Response<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// A call of a [`LateStore`].
#[must_use = "futures do nothing unless polled"]
pub struct LateCall<T> {
    delay: Delay,
    state: State<T>,
}

enum State<T> {
    Requesting(Box<dyn FnOnce() -> Response<T> + Send>),
    Working(Response<T>),
    Responding(Result<T, StoreError>),
    Over,
}

// Nothing is structurally pinned: the inner future is in a box.
impl<T> Unpin for LateCall<T> {}

impl<T> Future for LateCall<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            self.state = match std::mem::replace(&mut self.state, State::Over) {
                State::Requesting(request) if self.delay.polls_before > 0 => {
                    self.delay.polls_before -= 1;
                    self.state = State::Requesting(request);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                State::Requesting(request) => State::Working(request()),
                State::Working(mut response) => match response.as_mut().poll(cx) {
                    Poll::Ready(outcome) => State::Responding(outcome),
                    Poll::Pending => {
                        self.state = State::Working(response);
                        return Poll::Pending;
                    }
                },
                State::Responding(outcome) if self.delay.polls_after > 0 => {
                    self.delay.polls_after -= 1;
                    self.state = State::Responding(outcome);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                State::Responding(_) if self.delay.is_lost => {
                    return Poll::Ready(Err(StoreErrorKind::Unavailable.into()));
                }
                State::Responding(outcome) => return Poll::Ready(outcome),
                State::Over => return Poll::Pending,
            };
        }
    }
}

impl<T> Drop for LateCall<T> {
    fn drop(&mut self) {
        // The store receives the request, but the response is lost.
        if let State::Requesting(request) = std::mem::replace(&mut self.state, State::Over) {
            let _ = request().as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl<T> std::fmt::Debug for LateCall<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LateCall").field("delay", &self.delay).finish_non_exhaustive()
    }
}
