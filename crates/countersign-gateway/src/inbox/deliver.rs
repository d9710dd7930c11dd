//! Attempts of the worker: requests to the backends of a destination.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::Clock;
use countersign_inbox::retry_after;
use countersign_inbox::worker::{Attempt, AttemptOutcome, Deliver};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::forward::{BackendBody, Failure, Forward, Stored};
use crate::telemetry::Tracer;

/// How long the end of a response may take.
const REST: Duration = Duration::from_secs(5);

/// Forwards stored messages to the backends of a destination.
#[derive(Clone)]
pub struct DeliverStored {
    forward: Forward,
    tracer: Option<Tracer>,
    clock: Arc<dyn Clock>,
}

impl DeliverStored {
    /// Delivers with `forward`. Attempts belong to the traces of the requests that brought the messages, if there is a
    /// `tracer`.
    pub fn new(forward: Forward, tracer: Option<Tracer>, clock: Arc<dyn Clock>) -> Self {
        Self { forward, tracer, clock }
    }
}

impl Deliver for DeliverStored {
    async fn deliver(&self, attempt: Attempt) -> AttemptOutcome {
        let trace = self.tracer.as_ref().and_then(|tracer| tracer.resume(&attempt.message.headers));
        match self.forward.deliver(Stored { message: attempt.message, attempt: attempt.number, trace }).await {
            Err(failure) => of_failure(failure),
            Ok(response) => {
                let (head, body) = response.into_parts();
                // So that the connection can be used again.
                let _ = timeout(REST, drain(body)).await;
                of_response(head.status, retry_after(&head.headers, self.clock.now()))
            }
        }
    }
}

fn of_response(status: StatusCode, retry_after: Option<Duration>) -> AttemptOutcome {
    if status.is_success() {
        return AttemptOutcome::Done;
    }
    AttemptOutcome::Failed { error: format!("status {}", status.as_u16()), retry_after }
}

fn of_failure(failure: Failure) -> AttemptOutcome {
    match failure {
        Failure::Status(status) => of_response(status, None),
        Failure::PathTooLong => AttemptOutcome::Hopeless { error: failure.code().to_owned() },
        _ => AttemptOutcome::failed(failure.code()),
    }
}

async fn drain(mut body: BackendBody) {
    while let Some(Ok(_)) = body.frame().await {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_success_is_done_and_only_a_long_path_is_hopeless() {
        let later = Some(Duration::from_mins(1));
        assert_eq!(of_response(StatusCode::NO_CONTENT, None), AttemptOutcome::Done);
        let failed = |error: &str, retry_after| AttemptOutcome::Failed { error: error.to_owned(), retry_after };
        assert_eq!(of_response(StatusCode::BAD_REQUEST, None), failed("status 400", None));
        assert_eq!(of_response(StatusCode::SERVICE_UNAVAILABLE, later), failed("status 503", later));
        assert_eq!(of_failure(Failure::Status(StatusCode::GONE)), failed("status 410", None));
        assert_eq!(of_failure(Failure::Unreachable), failed("upstream_unreachable", None));
        let hopeless = AttemptOutcome::Hopeless { error: "path_too_long".to_owned() };
        assert_eq!(of_failure(Failure::PathTooLong), hopeless);
    }
}
