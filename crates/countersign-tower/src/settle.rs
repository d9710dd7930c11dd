//! What an answer of the service says of the delivery that it was given.

use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode};
use http_body::Body;

use crate::grpc::{self, Protocol};
use crate::policy::{ConfirmAt, Unclaimed};
use crate::report::Outcome;

/// What can be said when the head of an answer is there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Conclusion {
    Handled,
    Failed,
    /// The body tells, at its end.
    Open(Ending),
}

/// What makes the end of a body a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Trailers with `grpc-status: 0`.
    Grpc,
    /// That it comes; after so many bytes, if that is known: servers do not ask for more then.
    Http { left: Option<u64> },
}

/// 2xx is success. A call of gRPC says it in `grpc-status`, and answers 200 whatever became of it.
pub(crate) fn conclude<B: Body>(response: &Response<B>, protocol: Protocol, confirm_at: ConfirmAt) -> Conclusion {
    let is_over = response.body().is_end_stream();
    if !response.status().is_success() {
        Conclusion::Failed
    } else if protocol.is_grpc() || grpc::is_answer(response.headers()) {
        match grpc::succeeded(response.headers()) {
            Some(true) => Conclusion::Handled,
            Some(false) => Conclusion::Failed,
            None if is_over => Conclusion::Failed,
            None => Conclusion::Open(Ending::Grpc),
        }
    } else if confirm_at == ConfirmAt::Head || is_over || has_no_body(response.status()) {
        Conclusion::Handled
    } else {
        let announced = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let left = announced.or(response.body().size_hint().exact());
        if left == Some(0) { Conclusion::Handled } else { Conclusion::Open(Ending::Http { left }) }
    }
}

/// Servers do not ask for the body of such an answer, whatever it is.
fn has_no_body(status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT
}

/// What became of a delivery that there is no claim to confirm of.
pub(crate) fn unconfirmed(unclaimed: Option<Unclaimed>, handled: bool) -> Outcome {
    match (unclaimed, handled) {
        (Some(Unclaimed::Duplicate), _) => Outcome::Duplicate,
        (_, true) => Outcome::Unrecorded,
        (_, false) => Outcome::Released,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use http_body::Frame;
    use http_body_util::{Empty, Full};

    use super::*;

    const GRPC: Protocol = Protocol::Grpc { protobuf: true };

    fn response(status: u16, headers: &[(&str, &str)]) -> http::response::Builder {
        headers.iter().fold(Response::builder().status(status), |builder, (name, value)| builder.header(*name, *value))
    }

    fn full(status: u16, headers: &[(&str, &str)]) -> Response<Full<Bytes>> {
        response(status, headers).body(Full::from("body")).expect("a response")
    }

    #[test]
    fn a_2xx_is_success_at_its_head_or_at_its_end() {
        for (status, at_head, at_end) in [
            (200, Conclusion::Handled, Conclusion::Open(Ending::Http { left: Some(4) })),
            (204, Conclusion::Handled, Conclusion::Handled),
            (302, Conclusion::Failed, Conclusion::Failed),
            (500, Conclusion::Failed, Conclusion::Failed),
        ] {
            assert_eq!(conclude(&full(status, &[]), Protocol::Http, ConfirmAt::Head), at_head, "{status}");
            assert_eq!(conclude(&full(status, &[]), Protocol::Http, ConfirmAt::BodyEnd), at_end, "{status}");
        }
    }

    #[test]
    fn the_end_of_a_body_is_where_a_server_stops_asking() {
        let empty = response(200, &[]).body(Empty::<Bytes>::new()).expect("a response");
        assert_eq!(conclude(&empty, Protocol::Http, ConfirmAt::BodyEnd), Conclusion::Handled);
        let frames = |headers| {
            conclude(&response(200, headers).body(Unknown).expect("a response"), Protocol::Http, ConfirmAt::BodyEnd)
        };
        assert_eq!(frames(&[]), Conclusion::Open(Ending::Http { left: None }));
        assert_eq!(frames(&[("content-length", "7")]), Conclusion::Open(Ending::Http { left: Some(7) }));
        assert_eq!(frames(&[("content-length", "0")]), Conclusion::Handled);
    }

    #[test]
    fn a_call_says_in_its_status_whether_it_succeeded() {
        for (headers, expected) in [
            (&[("grpc-status", "0")][..], Conclusion::Handled),
            (&[("grpc-status", "13")], Conclusion::Failed),
            (&[], Conclusion::Open(Ending::Grpc)),
        ] {
            for confirm_at in [ConfirmAt::Head, ConfirmAt::BodyEnd] {
                assert_eq!(conclude(&full(200, headers), GRPC, confirm_at), expected, "{headers:?}");
            }
        }
        assert_eq!(conclude(&full(503, &[("grpc-status", "0")]), GRPC, ConfirmAt::Head), Conclusion::Failed);
        // A 200 of gRPC or gRPC-Web is not one of HTTP, whoever asked.
        for content_type in ["application/grpc", "application/grpc-web+proto"] {
            let answer = full(200, &[("content-type", content_type)]);
            assert_eq!(conclude(&answer, Protocol::Http, ConfirmAt::Head), Conclusion::Open(Ending::Grpc));
        }
        let empty = response(200, &[]).body(Empty::<Bytes>::new()).expect("a response");
        assert_eq!(conclude(&empty, GRPC, ConfirmAt::Head), Conclusion::Failed);
    }

    /// A body that does not know its length.
    struct Unknown;

    impl Body for Unknown {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }
    }
}
