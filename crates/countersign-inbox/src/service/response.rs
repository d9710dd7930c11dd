//! The response to the sender of a message.

use bytes::Bytes;
use countersign_tower::reject::problem;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};

use crate::contract::Enqueued;
use crate::error::InboxError;

/// The stable name of a result of [`Inbox::enqueue`](crate::Inbox::enqueue), in snake case: the `code` of its problem
/// document, and a label for metrics.
pub fn code(stored: &Result<Enqueued, InboxError>) -> &'static str {
    match stored {
        Ok(Enqueued::Stored) => "stored",
        Ok(Enqueued::Duplicate) => "duplicate",
        Ok(Enqueued::InFlight) => "in_flight",
        Err(InboxError::Full) => "store_full",
        Err(InboxError::TimedOut) => "store_timed_out",
        Err(_) => "store_unavailable",
    }
}

/// The response for the result of [`Inbox::enqueue`](crate::Inbox::enqueue): 202 if the message is stored, 200 if it was
/// stored before, and otherwise a problem document with its [`code`] and `Retry-After`.
pub fn response(stored: &Result<Enqueued, InboxError>) -> Response<Bytes> {
    let (status, detail) = match stored {
        Ok(Enqueued::Stored) => return empty(StatusCode::ACCEPTED),
        Ok(Enqueued::Duplicate) => return empty(StatusCode::OK),
        Ok(Enqueued::InFlight) => (StatusCode::CONFLICT, "the message is being handled: retry later"),
        Err(InboxError::Full) => (StatusCode::SERVICE_UNAVAILABLE, "the inbox is full: retry later"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the message could not be stored: retry later"),
    };
    let mut response = problem::response(status, code(stored), detail);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_stored_is_acknowledged() {
        for (stored, status) in [
            (Ok(Enqueued::Stored), 202),
            (Ok(Enqueued::Duplicate), 200),
            (Ok(Enqueued::InFlight), 409),
            (Err(InboxError::Full), 503),
            (Err(InboxError::TimedOut), 503),
            (Err(InboxError::unavailable("the disk is gone")), 503),
        ] {
            let response = response(&stored);
            let retries = response.headers().contains_key(RETRY_AFTER);
            assert_eq!((response.status().as_u16(), retries), (status, status >= 400), "{stored:?}");
        }
    }
}
