//! The bodies of requests and responses, which report their progress to their connection.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use countersign::clock::{Clock, SystemClock};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use pin_project_lite::pin_project;

use super::activity::{Activity, Open};
use super::plain::PlainBody;

/// The body of a request as it arrives.
#[derive(Debug)]
pub struct RequestBody(Kind);

#[derive(Debug)]
enum Kind {
    Hyper { incoming: Incoming, activity: Arc<Activity> },
    Plain(PlainBody),
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, activity: &Arc<Activity>) -> Self {
        activity.set_body_unread(!incoming.is_end_stream());
        Self(Kind::Hyper { incoming, activity: Arc::clone(activity) })
    }

    pub(super) fn plain(body: PlainBody) -> Self {
        Self(Kind::Plain(body))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.0 {
            Kind::Hyper { incoming, activity } => {
                let poll = Pin::new(&mut *incoming).poll_frame(cx);
                match &poll {
                    Poll::Ready(None) => activity.set_body_unread(false),
                    Poll::Ready(Some(Ok(_))) if incoming.is_end_stream() => activity.set_body_unread(false),
                    _ => {}
                }
                poll.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            Kind::Plain(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Hyper { incoming, .. } => incoming.is_end_stream(),
            Kind::Plain(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Hyper { incoming, .. } => incoming.size_hint(),
            Kind::Plain(body) => body.size_hint(),
        }
    }
}

/// Since when the client delays a response: when the last frame was passed on, if the next one has not been requested.
#[derive(Debug)]
pub(super) struct Progress {
    epoch: Instant,
    /// Milliseconds from `epoch`, plus one. Zero while the client does not delay the response.
    waiting: AtomicU64,
}

impl Progress {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { epoch: SystemClock.instant(), waiting: AtomicU64::new(0) })
    }

    /// Since when the client delays the response.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let millis = self.waiting.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.epoch + Duration::from_millis(millis))
    }

    fn set_waiting(&self, waiting: bool) {
        let millis = if waiting {
            let elapsed = SystemClock.instant().saturating_duration_since(self.epoch);
            u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX - 1) + 1
        } else {
            0
        };
        self.waiting.store(millis, Ordering::Relaxed);
    }
}

pin_project! {
    /// The body of a response. The request is in progress until this is dropped.
    pub(super) struct ResponseBody<B> {
        #[pin]
        body: B,
        progress: Option<Arc<Progress>>,
        _open: Open,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(progress) = this.project().progress {
                progress.set_waiting(false);
            }
        }
    }
}

impl<B> ResponseBody<B> {
    /// `progress` is for HTTP/2, where one of several responses can be delayed alone.
    pub(super) fn new(body: B, open: Open, progress: Option<Arc<Progress>>) -> Self {
        Self { body, progress, _open: open }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let poll = this.body.poll_frame(cx);
        if let Some(progress) = this.progress {
            progress.set_waiting(matches!(poll, Poll::Ready(Some(Ok(_)))));
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
