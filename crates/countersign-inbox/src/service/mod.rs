//! An inbox as a Tower service: store, respond, and handle the message afterwards.
//!
//! [`InboxService`] goes inside a [`VerifyLayer`](countersign_tower::VerifyLayer). It stores each verified message and
//! responds with 202. A [`Worker`] runs the handler from the inbox, with retries and dead letters.
//! What was acknowledged is handled, also after a crash.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use countersign::{Secret, Verifier};
//! use countersign_inbox::Inbox;
//! use countersign_inbox::service::InboxService;
//! use countersign_inbox::worker::{Attempt, AttemptOutcome};
//! use countersign_tower::VerifyLayer;
//!
//! # fn example(store: impl Inbox) -> Result<(), Box<dyn std::error::Error>> {
//! # let verifier = Verifier::builder("gemini").secret(Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?).build()?;
//! async fn handle(attempt: Attempt) -> AttemptOutcome {
//!     println!("{} arrived: {} bytes", attempt.message.key.message_id(), attempt.message.body.len());
//!     AttemptOutcome::Done // or `AttemptOutcome::failed("the database is down")`, to try again later
//! }
//!
//! // `store` is for example `countersign_sqlite::SqliteStore::open("inbox.db", Options::default())?`.
//! let inbox = InboxService::new(Arc::new(store), "gemini");
//! let worker = inbox.worker(handle).concurrency(4).build();
//! let service = inbox.verified_by(VerifyLayer::new(verifier));
//! # drop(service);
//! // Serve `service`, for example with axum's `route_service`, and run the worker until the service stops:
//! let run = worker.run(async { /* wait for a signal */ }, Duration::from_secs(10));
//! # drop(run);
//! # Ok(())
//! # }
//! ```
//!
//! - **Duplicates**: a message that was stored before gets 200, and is not handled again. The inbox remembers its id for
//!   [`retain`](InboxService::retain), across restarts.
//! - **A full or unavailable inbox** responds with 503 and `Retry-After`, so that the sender tries again.
//! - **At least once**: a handler runs again if the process ends after its work and before that is recorded. Use
//!   [`Attempt::message`](crate::worker::Attempt)'s key to recognise it.
//! - **What is stored**: the path, the headers and the body. The headers `authorization`, `cookie` and
//!   `proxy-authorization` are left out.

mod response;

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use countersign::Verified;
use countersign::clock::{Clock, SystemClock};
use countersign_tower::DeliveryBody;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{Request, Response};
use http_body_util::Full;
use tower_layer::Layer;
use tower_service::Service;

pub use response::{code, response};

use crate::contract::{Enqueued, Inbox};
use crate::error::InboxError;
use crate::headers::Headers;
use crate::message::{NewMessage, StoredMessage};
use crate::worker::{Deliver, SharedInbox, Worker, WorkerBuilder};

/// The maximum time until a message is stored.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Three days, and an hour more: as long as senders usually retry.
const RETAIN: Duration = Duration::from_secs(73 * 3600);

/// Stores verified messages for one destination, and responds with 202. Clones share the inbox.
///
/// It must be inside a [`VerifyLayer`](countersign_tower::VerifyLayer). See the [module](self) for an example.
#[derive(Clone)]
pub struct InboxService {
    inbox: SharedInbox,
    destination: Arc<str>,
    retain: Duration,
    clock: Arc<dyn Clock>,
}

impl InboxService {
    /// Stores messages in `inbox`, for the handler of this destination. Services with different handlers need different
    /// destinations.
    pub fn new(inbox: Arc<dyn Inbox>, destination: &str) -> Self {
        Self::shared(SharedInbox::new(inbox), destination)
    }

    /// Like [`new`](Self::new), for an inbox that has several destinations in this process.
    pub fn shared(inbox: SharedInbox, destination: &str) -> Self {
        Self { inbox, destination: destination.into(), retain: RETAIN, clock: Arc::new(SystemClock) }
    }

    /// How long the ids of messages are remembered. It should cover the time for which the sender retries. Default: 73 h.
    #[must_use]
    pub fn retain(mut self, retain: Duration) -> Self {
        self.retain = retain;
        self
    }

    /// Sets the clock, which must be that of the layer and of the worker. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Configures the worker that runs `handler` for each stored message.
    pub fn worker<D: Deliver>(&self, handler: D) -> WorkerBuilder<D> {
        Worker::builder(self.inbox.clone(), &*self.destination, handler).clock(Arc::clone(&self.clock))
    }

    /// The service behind this layer, which must be a [`VerifyLayer`](countersign_tower::VerifyLayer).
    pub fn verified_by<L: Layer<Self>>(self, layer: L) -> L::Service {
        layer.layer(self)
    }

    async fn store(self, request: Request<DeliveryBody>) -> Result<Enqueued, InboxError> {
        let now = self.clock.read();
        let (mut head, _) = request.into_parts();
        let Some(verified) = head.extensions.remove::<Verified>() else {
            return Err(InboxError::unavailable(
                "the request was not verified: put the service inside a `VerifyLayer`",
            ));
        };
        for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
            head.headers.remove(name);
        }
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let message = StoredMessage::of(&verified, path, Headers::from(&head.headers), now.wall);
        self.inbox.enqueue(NewMessage::new(message, &*self.destination, self.retain), now).await
    }
}

impl Service<Request<DeliveryBody>> for InboxService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<DeliveryBody>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let stored = tokio::time::timeout(TIMEOUT, service.store(request)).await;
            let stored = stored.unwrap_or(Err(InboxError::TimedOut));
            if let Err(error) = &stored {
                tracing::warn!(%error, "a message is not stored");
            }
            Ok(response(&stored).map(Full::new))
        })
    }
}

impl fmt::Debug for InboxService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboxService").field("destination", &self.destination).finish_non_exhaustive()
    }
}
