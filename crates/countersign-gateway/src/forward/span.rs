//! The span of an exchange with the backends.

use std::time::Duration;

use http::StatusCode;

use super::failure::Failure;
use crate::telemetry::{Hop, Value};
use crate::upstream::Upstream;

/// Ends the span of an exchange that took this long, from the first attempt to the head of the response. `attempt` is the
/// number of the attempt to deliver a stored message.
pub(super) fn end(
    hop: &Hop,
    attempt: Option<u32>,
    latency: Duration,
    response: Result<(StatusCode, &Upstream), Failure>,
) {
    let (is_error, mut attributes) = match response {
        Ok((status, upstream)) => (
            status.is_client_error() || status.is_server_error(),
            vec![
                ("server.address", Value::from(upstream.name())),
                ("http.response.status_code", Value::from(status.as_u16())),
            ],
        ),
        Err(failure) => (true, vec![("error.type", Value::from(failure.code()))]),
    };
    attributes.extend(attempt.map(|attempt| ("countersign.attempt", Value::from(attempt))));
    hop.finish(latency, is_error, attributes);
}
