//! The layer's own responses.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use crate::COUNTERSIGN_OUTCOME;
use crate::body::ResponseBody;
use crate::grpc::{self, Protocol, code};
use crate::reject::rejection::Rejection;
use crate::reject::render::Rendered;
use crate::report::Outcome;

/// The response to a rejected request. `render` creates its body and content type, and cannot change the rest.
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

/// A successful response without calling the service.
///
/// A gRPC client expects a message. It gets an empty one, which Protocol Buffers decode as the default value of any
/// message type. An empty message may be invalid in other formats, so their clients get `ALREADY_EXISTS`.
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
            let detail = "this message was handled before, or its event type is not wanted: do not retry";
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
