//! What happens to a request: it is read, verified, forwarded and reported, and its sender gets a response.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use bytes::Bytes;
use countersign::clock::{Clock as _, SystemClock};
use countersign::{Rejection, Verified};
use countersign_explain::Capture;
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::json;

use super::desk::Task;
use super::forward::Forward;
use super::received::{Keys, Problem, Received};
use crate::verdict;

/// How long the body of a request may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Receives requests.
pub(crate) struct Receiver {
    pub(crate) keys: Keys,
    pub(crate) body_limit: usize,
    pub(crate) forward: Option<Forward>,
    pub(crate) desk: SyncSender<Task>,
    /// How many requests the desk was too busy to show since the last one that it got.
    pub(crate) missed: AtomicU64,
}

impl Receiver {
    /// Responds to a request, and hands it to the desk.
    pub(super) async fn receive(&self, request: Request<Incoming>) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        let read = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, self.body_limit).collect()).await;
        let (body, unread) = match read {
            Ok(Ok(body)) => (body.to_bytes(), None),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                let detail = format!("the body has more than {} bytes: set --body-limit", self.body_limit);
                (Bytes::new(), Some((StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)))
            }
            Ok(Err(error)) => {
                let detail = format!("the body is incomplete: {error}");
                (Bytes::new(), Some((StatusCode::BAD_REQUEST, "body_incomplete", detail)))
            }
            Err(_) => {
                let detail = format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs());
                (Bytes::new(), Some((StatusCode::REQUEST_TIMEOUT, "body_incomplete", detail)))
            }
        };
        let (received, response) = self.judge(head, body, unread).await;
        self.report(received);
        response
    }

    async fn judge(
        &self,
        head: Parts,
        body: Bytes,
        unread: Option<(StatusCode, &'static str, String)>,
    ) -> (Received, Response<Bytes>) {
        let arrived_at = SystemClock.now();
        let capture = Capture::new(head.headers, body);
        let (result, forwarded, response) = if head.method != Method::POST {
            let detail = format!("webhooks are sent with POST, and this is {}", head.method);
            let problem = Problem::NotAWebhook { code: "method_not_allowed", detail };
            let mut response = rejection(StatusCode::METHOD_NOT_ALLOWED, &problem);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            (Err(problem), None, response)
        } else if let Some((status, code, detail)) = unread {
            let problem = Problem::NotAWebhook { code, detail };
            let response = rejection(status, &problem);
            (Err(problem), None, response)
        } else {
            match verdict::verdict(&self.keys.verifier, &capture, arrived_at) {
                Ok(verified) => self.accepted(verified, &head.uri, &capture).await,
                Err(error) => rejected(error),
            }
        };
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let status = response.status();
        (Received { method: head.method, path, arrived_at, capture, result, forwarded, status }, response)
    }

    async fn accepted(&self, verified: Verified, uri: &http::Uri, capture: &Capture) -> Judged {
        let Some(forward) = &self.forward else {
            return (Ok(verified), None, Response::new(Bytes::new()));
        };
        match forward.send(uri, capture).await {
            Ok(response) => (Ok(verified), Some(Ok(response.status())), response),
            Err(problem) => {
                let response = document(StatusCode::BAD_GATEWAY, "forward_failed", &problem);
                (Ok(verified), Some(Err(problem)), response)
            }
        }
    }

    fn report(&self, received: Received) {
        let missed = self.missed.swap(0, Ordering::Relaxed);
        // A full desk must not delay senders.
        if let Err(TrySendError::Full(_)) = self.desk.try_send(Task::Show { received: Box::new(received), missed }) {
            self.missed.fetch_add(missed + 1, Ordering::Relaxed);
        }
    }
}

type Judged = (Result<Verified, Problem>, Option<Result<StatusCode, String>>, Response<Bytes>);

fn rejected(error: Rejection) -> Judged {
    let problem = Problem::Rejected(error);
    let response = rejection(StatusCode::UNAUTHORIZED, &problem);
    (Err(problem), None, response)
}

fn rejection(status: StatusCode, problem: &Problem) -> Response<Bytes> {
    document(status, problem.code(), &problem.detail())
}

/// A problem document (RFC 9457).
fn document(status: StatusCode, code: &str, detail: &str) -> Response<Bytes> {
    let document = json!({ "type": "about:blank", "status": status.as_u16(), "code": code, "detail": detail });
    let mut response = Response::new(Bytes::from(document.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
