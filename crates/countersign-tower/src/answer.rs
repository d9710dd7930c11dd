//! The answers that are the layer's own.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use crate::COUNTERSIGN_OUTCOME;
use crate::body::ResponseBody;
use crate::grpc::{self, Protocol, code};
use crate::rejection::Rejection;
use crate::render::Rendered;
use crate::report::Outcome;

/// Says why a delivery was rejected. Whoever renders it, the status and its headers are there.
pub(crate) fn rejection<B>(
    rejection: &Rejection,
    protocol: Protocol,
    render: impl FnOnce(&Rejection) -> Rendered,
) -> Response<ResponseBody<B>> {
    let mut response = if protocol.is_grpc() {
        let (status, detail) = (rejection.grpc_status(), rejection.to_string());
        let mut response = Response::new(ResponseBody::own(Bytes::new()));
        *response.headers_mut() = grpc::trailers_only(status, rejection.code(), &detail, rejection.retry_after());
        response
    } else {
        let Rendered { content_type, body } = render(rejection);
        let mut response = Response::new(ResponseBody::own(body));
        *response.status_mut() = rejection.status();
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    };
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Webhook-Signature"));
    }
    if let Some(after) = rejection.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(after.as_secs()));
    }
    response
}

/// A success that the service had no part in.
///
/// A gRPC client needs a message for that: one of no bytes, which Protocol Buffers read as the default of
/// any message. Other formats may not, so their clients are told that it exists already.
pub(crate) fn acknowledgement<B>(outcome: &Outcome, protocol: Protocol) -> Response<ResponseBody<B>> {
    let mut response = match protocol {
        Protocol::Http => Response::new(ResponseBody::own(Bytes::new())),
        Protocol::Grpc { protobuf: true } => {
            let mut response = Response::new(ResponseBody::own_call(grpc::EMPTY_MESSAGE));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            response
        }
        Protocol::Grpc { protobuf: false } => {
            let mut response = Response::new(ResponseBody::own(Bytes::new()));
            let detail = "this delivery was taken before, or is of a kind that nobody asked for: do not send it again";
            *response.headers_mut() = grpc::trailers_only(code::ALREADY_EXISTS, outcome.as_str(), detail, None);
            response
        }
    };
    if (protocol, outcome) == (Protocol::Http, &Outcome::Filtered) {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response.headers_mut().insert(COUNTERSIGN_OUTCOME, HeaderValue::from_static(outcome.as_str()));
    response
}
