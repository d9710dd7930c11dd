//! The log lines about failures of upstreams, one for each failure.

use std::error::Error;

use crate::causes::causes;
use crate::upstream::Upstream;

/// No usable response head came from this upstream.
pub(super) fn no_response(upstream: &Upstream, error: &dyn Error) {
    tracing::warn!(
        upstream = upstream.name(),
        address = %upstream.address,
        %error,
        cause = causes(error),
        "no response from the upstream"
    );
}

/// The head of a response was passed on, and its body broke off.
pub(super) fn incomplete_body(upstream: &Upstream, error: &dyn Error) {
    tracing::warn!(
        upstream = upstream.name(),
        address = %upstream.address,
        %error,
        cause = causes(error),
        "the upstream's response is incomplete"
    );
}

/// A connection was closed while it was idle: the request is sent again.
pub(super) fn stale_connection(upstream: &Upstream, error: &dyn Error) {
    tracing::debug!(
        upstream = upstream.name(),
        address = %upstream.address,
        cause = causes(error),
        "a reused connection was closed; trying another"
    );
}

/// The upstream refused the request, which is sent again.
pub(super) fn refused(upstream: &Upstream, error: &dyn Error) {
    tracing::debug!(
        upstream = upstream.name(),
        address = %upstream.address,
        cause = causes(error),
        "the upstream refused a request; trying again"
    );
}
