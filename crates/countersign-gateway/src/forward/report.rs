//! The log lines about failures of upstreams, one for each failure.

use std::error::Error;

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

/// The causes of an error, the nearest first.
fn causes(error: &dyn Error) -> Option<String> {
    let mut texts = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    // Some errors have the same text as their cause.
    texts.dedup();
    (!texts.is_empty()).then(|| texts.join(": "))
}
