//! Whether a response of the service confirms its delivery: by its head, or by the end of its body.

use bytes::Buf;
use countersign::replay::Settled;
use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode};
use http_body::{Body, Frame};

use crate::grpc::{self, Protocol};
use crate::policy::{ConfirmAt, Unclaimed};
use crate::report::Outcome;

/// The decision by the head of a response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Conclusion {
    Handled,
    Failed,
    /// The end of the body decides.
    Open(Ending),
}

/// The condition under which the end of a body confirms a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Trailers with `grpc-status: 0`.
    Grpc,
    /// The body is complete. If its length is known, that is after the `left` bytes, because servers do not poll for
    /// more.
    Http { left: Option<u64> },
}

/// A 2xx response confirms. In gRPC, `grpc-status` decides, because the HTTP status of a failed call is 200 too.
pub(crate) fn conclude<B: Body>(response: &Response<B>, protocol: Protocol, confirm_at: ConfirmAt) -> Conclusion {
    let is_over = response.body().is_end_stream();
    if !response.status().is_success() {
        Conclusion::Failed
    } else if protocol.is_grpc() || grpc::is_grpc_response(response.headers()) {
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

/// Servers never poll the body of such a response.
fn has_no_body(status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT
}

/// The decision by a frame, or by the end of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    Open,
    Handled,
    Failed,
}

impl Ending {
    /// Judges the next frame. `is_end` is whether the body ends with it.
    pub(crate) fn judge<D: Buf>(&mut self, frame: &Frame<D>, is_end: bool) -> Judgement {
        match (&mut *self, frame.trailers_ref()) {
            (Self::Grpc, Some(trailers)) if grpc::succeeded(trailers) == Some(true) => Judgement::Handled,
            (Self::Grpc, Some(_)) => Judgement::Failed,
            (Self::Grpc, None) if is_end => Judgement::Failed,
            (Self::Grpc, None) => Judgement::Open,
            (Self::Http { .. }, Some(_)) => self.judge_end(),
            (Self::Http { left }, None) => {
                let sent = frame.data_ref().map_or(0, Buf::remaining) as u64;
                *left = left.map(|left| left.saturating_sub(sent));
                match *left {
                    Some(0) => Judgement::Handled,
                    _ if is_end => self.judge_end(),
                    _ => Judgement::Open,
                }
            }
        }
    }

    /// Servers abort a response that ends before its announced length.
    pub(crate) fn judge_end(self) -> Judgement {
        match self {
            Self::Http { left: None | Some(0) } => Judgement::Handled,
            Self::Http { left: Some(_) } | Self::Grpc => Judgement::Failed,
        }
    }
}

/// The outcome of a confirmed claim; `None` if the store failed.
pub(crate) fn recorded(settled: Option<Settled>) -> Outcome {
    match settled {
        Some(Settled::Recorded) => Outcome::Confirmed,
        Some(Settled::Superseded) | None => Outcome::Unrecorded,
    }
}

/// The outcome of a delivery without a claim to confirm.
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
    fn the_end_of_a_body_is_where_a_server_stops_polling() {
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
    fn a_grpc_call_succeeds_by_its_grpc_status() {
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
        // HTTP status 200 does not mean success in gRPC or gRPC-Web, whatever the protocol of the request.
        for content_type in ["application/grpc", "application/grpc-web+proto"] {
            let response = full(200, &[("content-type", content_type)]);
            assert_eq!(conclude(&response, Protocol::Http, ConfirmAt::Head), Conclusion::Open(Ending::Grpc));
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
