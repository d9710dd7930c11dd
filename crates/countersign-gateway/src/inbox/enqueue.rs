//! The service inside the layer of a route with an inbox. It stores verified messages.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use countersign::Verified;
use countersign::clock::Clock;
use countersign_inbox::service;
use countersign_inbox::{Enqueued, Headers, HeadersWriter, Inbox, InboxError, StoredMessage};
use countersign_tower::DeliveryBody;
use countersign_tower::{reject::problem, report::FailureCode};
use http::{Request, Response, StatusCode, request};
use http_body_util::{Either, Full};
use tower_service::Service;

use super::route_inbox::RouteInbox;
use crate::connection::Connection;
use crate::forward::Body;
use crate::metrics::InboxCounts;
use crate::route::host_of;
use crate::telemetry::Trace;
use crate::trust::{BackendHeaders, Opened, SetHeaders};

/// The maximum time until a message is stored.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What became of a message.
type Stored = Result<Option<Enqueued>, InboxError>;

/// Stores verified messages and responds with 202.
#[derive(Clone)]
pub struct Enqueue(Arc<Shared>);

struct Shared {
    inbox: RouteInbox,
    opened: Opened,
    retain: Duration,
    clock: Arc<dyn Clock>,
    counts: InboxCounts,
}

impl Enqueue {
    /// Stores messages in `inbox`, with the client headers that the route has `opened`. Their ids are remembered for
    /// `retain`.
    pub fn new(
        inbox: RouteInbox,
        opened: Opened,
        retain: Duration,
        clock: Arc<dyn Clock>,
        counts: InboxCounts,
    ) -> Self {
        Self(Arc::new(Shared { inbox, opened, retain, clock, counts }))
    }
}

impl Service<Request<DeliveryBody>> for Enqueue {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<DeliveryBody>) -> Self::Future {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let stored = tokio::time::timeout(TIMEOUT, shared.store(request)).await;
            let (code, response) = match stored.unwrap_or(Err(InboxError::TimedOut)).transpose() {
                Some(stored) => (service::code(&stored), service::response(&stored)),
                None => (NO_DESTINATION, unmatched()),
            };
            shared.counts.enqueued(code);
            Ok(response.map(|bytes| Either::Right(Full::new(bytes))))
        })
    }
}

impl Shared {
    /// `None` if the message matches no destination.
    async fn store(&self, request: Request<DeliveryBody>) -> Stored {
        let now = self.clock.read();
        let (head, _) = request.into_parts();
        #[expect(clippy::expect_used, reason = "the layer rejects what it cannot verify")]
        let verified = head.extensions.get::<Verified>().expect("a verified delivery");
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let headers = headers(&head, verified, &self.opened);
        let message = StoredMessage::of(verified, path, headers, now.wall);
        let Some(message) = self.inbox.addressed(message, self.retain) else { return Ok(None) };
        self.inbox.inbox.enqueue(message, now).await.map(Some)
    }
}

/// The headers that describe the request, without those that the route sets: they may be secret, and are added later.
fn headers(head: &request::Parts, verified: &Verified, opened: &Opened) -> Headers {
    let mut headers = HeadersWriter::new();
    let set = SetHeaders::default();
    let backend = BackendHeaders {
        client: &head.headers,
        opened,
        set: &set,
        verified,
        is_duplicate: false,
        connection: head.extensions.get::<Connection>(),
        host: host_of(head),
    };
    // The attempts belong to the span of this request.
    let trace = head.extensions.get::<Trace>();
    backend.each(|name, value| {
        if !trace.is_some_and(|trace| trace.replaces(name)) {
            headers.put(name, value);
        }
    });
    if let Some((name, value)) = trace.map(Trace::traceparent) {
        headers.put(name.as_str(), value.as_bytes());
    }
    headers.finish()
}

/// The code of a message that matches no destination.
const NO_DESTINATION: &str = "no_destination";

fn unmatched() -> Response<Bytes> {
    let detail = "the message matches no destination of the route";
    let mut response = problem::response(StatusCode::UNPROCESSABLE_ENTITY, NO_DESTINATION, detail);
    response.extensions_mut().insert(FailureCode(NO_DESTINATION));
    response
}
