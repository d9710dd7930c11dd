//! Verifies a request of actix, and settles its message.

use std::error::Error;
use std::time::Duration;

use actix_web::http::header::RETRY_AFTER;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use countersign::clock::{Clock as _, SystemClock};
use countersign::replay::{Claim, MemoryStore, ReplayStore as _};
use countersign::{Reason, Rejection, Verified, Verifier};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The largest body, in bytes.
const BODY_LIMIT: usize = 1 << 20;
/// How long a handler may take before another attempt of the message is handled.
const LEASE: Duration = Duration::from_mins(1);
/// How long the ids of handled messages are remembered: longer than the sender retries.
const RETAIN: Duration = Duration::from_hours(25);

/// The keys of a sender, and the ids of its messages.
pub(crate) struct Webhooks {
    verifier: Verifier,
    store: MemoryStore,
}

impl Webhooks {
    pub(crate) fn new(verifier: Verifier) -> Self {
        Self { verifier, store: MemoryStore::builder().retain(RETAIN).build() }
    }

    /// Calls the handler for an authentic, recent message that was not handled before.
    pub(crate) async fn receive<H>(&self, request: &HttpRequest, body: Payload, handler: H) -> HttpResponse
    where
        H: AsyncFnOnce(Verified) -> Result<(), Box<dyn Error>>,
    {
        // A request with a bad head is rejected before its body is read.
        let attempt = match self.verifier.begin(&headers(request), SystemClock.now()) {
            Ok(attempt) => attempt,
            Err(rejection) => return rejected(rejection),
        };
        let Ok(read) = body.to_bytes_limited(BODY_LIMIT).await else {
            return HttpResponse::PayloadTooLarge().finish();
        };
        let Ok(body) = read else { return HttpResponse::BadRequest().finish() };
        let verified = match attempt.finish(body) {
            Ok(verified) => verified,
            Err(rejection) => return rejected(rejection),
        };
        self.settle(verified, handler).await
    }

    async fn settle<H>(&self, verified: Verified, handler: H) -> HttpResponse
    where
        H: AsyncFnOnce(Verified) -> Result<(), Box<dyn Error>>,
    {
        let token = match self.store.claim(verified.replay_key(), LEASE, SystemClock.read()).await {
            Ok(Claim::Fresh(token)) => token,
            // A retry of a message that was handled must end with 2xx.
            Ok(Claim::Done) => return HttpResponse::Ok().finish(),
            Ok(_) => return HttpResponse::Conflict().insert_header((RETRY_AFTER, "5")).finish(),
            Err(_) => return HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, "5")).finish(),
        };
        // If the sender disconnects, actix drops this future, and the claim ends with its lease.
        match handler(verified).await {
            Ok(()) => {
                // If it is not recorded, the next attempt is handled again.
                let _ = self.store.confirm(token, SystemClock.read()).await;
                HttpResponse::NoContent().finish()
            }
            Err(error) => {
                eprintln!("a message was not handled: {error}");
                self.store.release(token);
                HttpResponse::InternalServerError().finish()
            }
        }
    }
}

/// The headers in the types of the core: actix uses an older version of `http`.
fn headers(request: &HttpRequest) -> HeaderMap {
    let headers = request.headers().iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_ref()).ok()?;
        Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    });
    let mut all = HeaderMap::new();
    headers.for_each(|(name, value)| _ = all.append(name, value));
    all
}

fn rejected(rejection: Rejection) -> HttpResponse {
    eprintln!("rejected: {rejection}");
    let mut response = match rejection.reason() {
        Reason::MissingHeader
        | Reason::DuplicateHeader
        | Reason::MalformedId
        | Reason::MalformedTimestamp
        | Reason::MalformedSignature
        | Reason::TokenMalformed => HttpResponse::BadRequest(),
        Reason::BodyTooLarge => HttpResponse::PayloadTooLarge(),
        _ => HttpResponse::Unauthorized(),
    };
    response.body(rejection.reason().as_str())
}
