//! Cleans a backend's response for the sender.

use std::error::Error;
use std::fmt;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode, Version, response};

use super::failure::Failure;
use crate::trust;

/// Prepares the head of a backend's response for the sender, or returns why it cannot be passed on.
///
/// The framing towards the sender follows from the body as it was read, so all framing headers of the backend are
/// removed.
pub(super) fn accept(head: &mut response::Parts) -> Result<(), Unusable> {
    match head.status {
        status if status == StatusCode::GONE || status.is_redirection() => return Err(Unusable::Withheld(status)),
        status if !(200..600).contains(&status.as_u16()) => return Err(Unusable::Status(status)),
        _ => {}
    }
    if !is_decoded(&head.headers) {
        return Err(Unusable::TransferCoding);
    }
    // So that a body without a length is chunked towards an HTTP/1.1 sender, even if the backend speaks HTTP/1.0.
    head.version = Version::HTTP_11;
    clean(&mut head.headers);
    Ok(())
}

/// Why a response cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// A sender would disable the endpoint (410) or follow a redirect (3xx).
    Withheld(StatusCode),
    /// The status is invalid: 101, which the gateway does not request, or above 599.
    Status(StatusCode),
    /// The body is in a transfer coding other than `chunked`.
    TransferCoding,
}

impl Unusable {
    pub(super) const fn failure(self) -> Failure {
        match self {
            Self::Withheld(status) => Failure::Status(status),
            Self::Status(_) | Self::TransferCoding => Failure::Malformed,
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Withheld(status) => write!(f, "the upstream's status {} is not passed on", status.as_u16()),
            Self::Status(status) => write!(f, "the upstream's status {} is not a final HTTP status", status.as_u16()),
            Self::TransferCoding => f.write_str("the upstream's `Transfer-Encoding` is not `chunked`"),
        }
    }
}

impl Error for Unusable {}

/// Removes the headers, or trailers, of a response that must not be passed on: hop-by-hop headers, framing, and those
/// that look like the gateway's own.
pub(super) fn clean(headers: &mut HeaderMap) {
    trust::remove_hop_by_hop(headers);
    headers.remove(CONTENT_LENGTH);
    trust::remove_vouching(headers);
}

/// Whether the body has no transfer coding left after it was read. A coding other than a single `chunked` would be
/// passed on without its name.
fn is_decoded(headers: &HeaderMap) -> bool {
    let values = headers.get_all(TRANSFER_ENCODING).iter();
    let codings = values.map(|value| value.to_str().unwrap_or("?")).flat_map(|value| value.split(','));
    let mut codings = codings.map(str::trim).filter(|coding| !coding.is_empty() && !is(coding, "identity"));
    codings.next().is_none_or(|coding| is(coding, "chunked")) && codings.next().is_none()
}

fn is(coding: &str, name: &str) -> bool {
    coding.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, Response};

    use super::*;

    fn head(status: u16, headers: &[(&str, &str)]) -> response::Parts {
        let builder = Response::builder().status(status).version(Version::HTTP_10);
        let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
        builder.body(()).expect("a response").into_parts().0
    }

    #[test]
    fn a_status_that_a_sender_must_not_see_is_a_failure() {
        for (status, failure) in [
            (410, "upstream_status"),
            (301, "upstream_status"),
            (304, "upstream_status"),
            (101, "upstream_malformed"),
            (199, "upstream_malformed"),
            (600, "upstream_malformed"),
            (999, "upstream_malformed"),
        ] {
            let unusable = accept(&mut head(status, &[])).expect_err("a failure");
            assert_eq!(unusable.failure().code(), failure, "{status}");
        }
        for status in [200, 204, 299, 400, 499, 500, 599] {
            assert_eq!(accept(&mut head(status, &[])), Ok(()), "{status}");
        }
    }

    #[test]
    fn a_body_in_a_coding_that_was_not_removed_is_malformed() {
        for (codings, accepted) in [
            (&["chunked"][..], true),
            (&["Chunked"], true),
            (&["identity"], true),
            (&["identity, chunked"], true),
            (&["", ", chunked"], true),
            (&["gzip, chunked"], false),
            (&["gzip", "chunked"], false),
            (&["chunked, chunked"], false),
            (&["chunked", "chunked"], false),
            (&["gzip"], false),
            (&["chunked, gzip"], false),
            (&["xchunked"], false),
            (&["chunked;a=b"], false),
        ] {
            let headers: Vec<_> = codings.iter().map(|coding| ("transfer-encoding", *coding)).collect();
            assert_eq!(accept(&mut head(200, &headers)).is_ok(), accepted, "{codings:?}");
        }
    }

    #[test]
    fn what_ends_at_the_gateway_does_not_reach_the_sender() {
        let mut head = head(
            200,
            &[
                ("connection", "close, x-hop"),
                ("x-hop", "1"),
                ("keep-alive", "timeout=5"),
                ("proxy-connection", "close"),
                ("te", "trailers"),
                ("trailer", "x"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "h2c"),
                ("content-length", "2"),
                ("content-length", "2, 2"),
                ("countersign-outcome", "duplicate"),
                ("Countersign_Outcome", "duplicate"),
                ("set-cookie", "a=1"),
                ("set-cookie", "b=2"),
                ("content-type", "text/plain"),
            ],
        );
        assert_eq!(accept(&mut head), Ok(()));
        let mut left: Vec<_> = head.headers.iter().map(|(name, _)| HeaderName::as_str(name)).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-type", "set-cookie", "set-cookie"]);
        assert_eq!(head.version, Version::HTTP_11);
    }
}
