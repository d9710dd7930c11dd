//! A delivery goes on after its sender has disconnected.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

/// Runs a delivery to its end after its sender has disconnected. [`VerifyLayer::detach`] creates it.
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

/// A service whose futures run to their end even if they are dropped. See
/// [`VerifyLayer::detach`](crate::VerifyLayer::detach).
#[derive(Clone, Debug)]
pub struct Detach<S, Sp> {
    inner: S,
    spawn: Sp,
}

impl<S, Sp, Request> Service<Request> for Detach<S, Sp>
where
    S: Service<Request>,
    S::Future: Future<Output: DetachedOutput> + Send + 'static,
    Sp: Fn(DetachedTask) + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = DetachFuture<S::Future, Sp>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        DetachFuture::new(self.inner.call(request), self.spawn.clone())
    }
}

/// A future that is moved to a task of its own if it is dropped before its end.
///
/// hyper drops a request's future when the sender disconnects. That is rare, so this is cheaper than a task for every
/// request. A future that panicked is never resumed. If the end of the response body settles the delivery, the body is
/// read to its end too.
///
/// ```
/// use std::convert::Infallible;
///
/// use countersign_tower::detach::{DetachFuture, DetachedTask};
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
/// let future = DetachFuture::new(work, |rest: DetachedTask| drop(tokio::spawn(rest)));
/// drop(future);
/// assert_eq!(told.await, Ok("done"));
/// # }
/// ```
pub struct DetachFuture<F, Sp>
where
    F: Future<Output: DetachedOutput> + Send + 'static,
    Sp: Fn(DetachedTask),
{
    future: Option<Pin<Box<F>>>,
    spawn: Sp,
}

impl<F, Sp> DetachFuture<F, Sp>
where
    F: Future<Output: DetachedOutput> + Send + 'static,
    Sp: Fn(DetachedTask),
{
    /// Polls `future` when it is polled itself, and passes it to `spawn` if it is dropped before the end.
    ///
    /// `spawn` is called from `drop`, possibly after the runtime has shut down. See
    /// [`VerifyLayer::detach`](crate::VerifyLayer::detach).
    pub fn new(future: F, spawn: Sp) -> Self {
        Self { future: Some(Box::pin(future)), spawn }
    }
}

impl<F, Sp> Future for DetachFuture<F, Sp>
where
    F: Future<Output: DetachedOutput> + Send + 'static,
    Sp: Fn(DetachedTask),
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Taken out while polling, so a future that panicked is never resumed.
        let Some(mut future) = self.future.take() else { return Poll::Pending };
        let poll = future.as_mut().poll(cx);
        if poll.is_pending() {
            self.future = Some(future);
        }
        poll
    }
}

// Nothing is pinned in place, because the future has its own box.
impl<F, Sp> Unpin for DetachFuture<F, Sp>
where
    F: Future<Output: DetachedOutput> + Send + 'static,
    Sp: Fn(DetachedTask),
{
}

impl<F, Sp> Drop for DetachFuture<F, Sp>
where
    F: Future<Output: DetachedOutput> + Send + 'static,
    Sp: Fn(DetachedTask),
{
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            (self.spawn)(DetachedTask { future: Box::pin(Detached::Responding(future)) });
        }
    }
}

impl<F, Sp> fmt::Debug for DetachFuture<F, Sp>
where
    F: Future<Output: DetachedOutput> + Send + 'static,
    Sp: Fn(DetachedTask),
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetachFuture").field("is_done", &self.future.is_none()).finish_non_exhaustive()
    }
}

/// The remaining work of a future that was dropped. It settles its delivery at its end, and its response is discarded.
#[must_use = "a task that is dropped without being run releases its delivery"]
pub struct DetachedTask {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Future for DetachedTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.future.as_mut().poll(cx)
    }
}

impl fmt::Debug for DetachedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DetachedTask(..)")
    }
}

/// Marks a response whose body settles the delivery at its end, in its extensions.
#[derive(Clone, Copy)]
pub(crate) struct Deferred;

/// The output of a detached future. If it is discarded, work may remain.
pub trait DetachedOutput: Send {
    /// The remaining work: reading the body, if its end settles the delivery.
    fn remaining(self) -> Option<DetachedTask>;
}

impl<B: Body + Send + 'static, E: Send> DetachedOutput for Result<Response<B>, E> {
    fn remaining(self) -> Option<DetachedTask> {
        let response = self.ok()?;
        let is_deferred = response.extensions().get::<Deferred>().is_some();
        is_deferred.then(|| DetachedTask { future: Box::pin(Drain { body: Box::pin(response.into_body()) }) })
    }
}

/// A future whose output is discarded: first its response, then the rest of the body.
enum Detached<F> {
    Responding(Pin<Box<F>>),
    Ending(DetachedTask),
}

impl<F: Future<Output: DetachedOutput>> Future for Detached<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Responding(future) = &mut *self {
            match ready!(future.as_mut().poll(cx)).remaining() {
                Some(rest) => *self = Self::Ending(rest),
                None => return Poll::Ready(()),
            }
        }
        match &mut *self {
            Self::Ending(rest) => Pin::new(rest).poll(cx),
            Self::Responding(_) => Poll::Ready(()),
        }
    }
}

/// Reads a body until it ends or fails.
struct Drain<B> {
    body: Pin<Box<B>>,
}

/// The task yields after this many frames.
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
