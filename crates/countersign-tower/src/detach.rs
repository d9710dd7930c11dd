//! A delivery goes on when its sender has gone.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::report::{Outcome, Report};

/// Runs what is left of a delivery whose sender hung up; made by [`VerifyLayer::detach`].
///
/// [`VerifyLayer::detach`]: crate::VerifyLayer::detach
#[derive(Clone, Debug)]
#[must_use]
pub struct DetachLayer<L, Sp> {
    layer: L,
    spawn: Sp,
}

impl<L, Sp> DetachLayer<L, Sp> {
    pub(crate) fn new(layer: L, spawn: Sp) -> Self {
        Self { layer, spawn }
    }
}

impl<S, L: Layer<S>, Sp: Clone> Layer<S> for DetachLayer<L, Sp> {
    type Service = Detach<L::Service, Sp>;

    fn layer(&self, inner: S) -> Self::Service {
        Detach { inner: self.layer.layer(inner), spawn: self.spawn.clone() }
    }
}

/// A service whose futures are run to their end even if they are dropped; see
/// [`VerifyLayer::detach`](crate::VerifyLayer::detach).
#[derive(Clone, Debug)]
pub struct Detach<S, Sp> {
    inner: S,
    spawn: Sp,
}

impl<S, Sp, Request> Service<Request> for Detach<S, Sp>
where
    S: Service<Request>,
    S::Future: Future<Output: Answer> + Send + 'static,
    Sp: Fn(Rest) + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = FinishAnyway<S::Future, Sp>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        FinishAnyway::new(self.inner.call(request), self.spawn.clone())
    }
}

/// A future whose rest is handed to somebody else if it is dropped before its end.
///
/// hyper drops a request's future when its sender hangs up. Most senders do not, so that a task for each
/// request would be a price that all pay for a few. A future that panicked does not go on. Where the end of
/// an answer's body decides, the body is read to its end, too.
///
/// ```
/// use std::convert::Infallible;
///
/// use countersign_tower::{FinishAnyway, Rest};
/// use http::Response;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (tell, told) = tokio::sync::oneshot::channel();
/// let work = async move {
///     tokio::task::yield_now().await;
///     let _ = tell.send("done");
///     Ok::<_, Infallible>(Response::new(String::new()))
/// };
/// let future = FinishAnyway::new(work, |rest: Rest| drop(tokio::spawn(rest)));
/// drop(future);
/// assert_eq!(told.await, Ok("done"));
/// # }
/// ```
pub struct FinishAnyway<F, Sp>
where
    F: Future<Output: Answer> + Send + 'static,
    Sp: Fn(Rest),
{
    future: Option<Pin<Box<F>>>,
    spawn: Sp,
}

impl<F, Sp> FinishAnyway<F, Sp>
where
    F: Future<Output: Answer> + Send + 'static,
    Sp: Fn(Rest),
{
    /// Runs `future` where this is polled, and its rest with `spawn` if this is dropped before its end.
    ///
    /// `spawn` is called from `drop`, where there may be no runtime any more; see
    /// [`VerifyLayer::detach`](crate::VerifyLayer::detach).
    pub fn new(future: F, spawn: Sp) -> Self {
        Self { future: Some(Box::pin(future)), spawn }
    }
}

impl<F, Sp> Future for FinishAnyway<F, Sp>
where
    F: Future<Output: Answer> + Send + 'static,
    Sp: Fn(Rest),
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Out of its place while it runs: what panics is not to go on.
        let Some(mut future) = self.future.take() else { return Poll::Pending };
        let poll = future.as_mut().poll(cx);
        if poll.is_pending() {
            self.future = Some(future);
        }
        poll
    }
}

// Nothing in it is pinned in place: the future has a box of its own.
impl<F, Sp> Unpin for FinishAnyway<F, Sp>
where
    F: Future<Output: Answer> + Send + 'static,
    Sp: Fn(Rest),
{
}

impl<F, Sp> Drop for FinishAnyway<F, Sp>
where
    F: Future<Output: Answer> + Send + 'static,
    Sp: Fn(Rest),
{
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            (self.spawn)(Rest { future: Box::pin(Unheard::Answering(future)) });
        }
    }
}

impl<F, Sp> fmt::Debug for FinishAnyway<F, Sp>
where
    F: Future<Output: Answer> + Send + 'static,
    Sp: Fn(Rest),
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FinishAnyway").field("is_done", &self.future.is_none()).finish_non_exhaustive()
    }
}

/// What is left of a future that was dropped. It settles its delivery at its end, and has no answer.
#[must_use = "what is not run is given up, as if nothing had been detached"]
pub struct Rest {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Future for Rest {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.future.as_mut().poll(cx)
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rest(..)")
    }
}

/// An answer, of which something may be left to do if nobody waits for it.
pub trait Answer: Send {
    /// What is left: the body, where its end decides what becomes of the delivery.
    fn rest(self) -> Option<Rest>;
}

impl<B: Body + Send + 'static, E: Send> Answer for Result<Response<B>, E> {
    fn rest(self) -> Option<Rest> {
        let response = self.ok()?;
        let is_deferred = response.extensions().get().map(Report::outcome) == Some(&Outcome::Deferred);
        is_deferred.then(|| Rest { future: Box::pin(Drain { body: Box::pin(response.into_body()) }) })
    }
}

/// A future whose output nobody waits for.
enum Unheard<F> {
    Answering(Pin<Box<F>>),
    Ending(Rest),
}

impl<F: Future<Output: Answer>> Future for Unheard<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Answering(future) = &mut *self {
            match ready!(future.as_mut().poll(cx)).rest() {
                Some(rest) => *self = Self::Ending(rest),
                None => return Poll::Ready(()),
            }
        }
        match &mut *self {
            Self::Ending(rest) => Pin::new(rest).poll(cx),
            Self::Answering(_) => Poll::Ready(()),
        }
    }
}

/// Reads a body to its end, or to where it fails.
struct Drain<B> {
    body: Pin<Box<B>>,
}

/// So many frames are read before others have their turn.
const FRAMES: usize = 64;

impl<B: Body> Future for Drain<B> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..FRAMES {
            if !matches!(ready!(self.body.as_mut().poll_frame(cx)), Some(Ok(_))) {
                return Poll::Ready(());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
