//! The stages of a request.

use bytes::Bytes;
use countersign::key_source::KeySource;
use countersign::replay::ReplayStore;
use countersign::verify::Attempt;
use http::Response;
use pin_project_lite::pin_project;

use crate::body::ResponseBody;
use crate::read::buffer::Buffer;
use crate::reject::rejection::Rejection;
use crate::report::Outcome;
use crate::settle::claim::{ClaimGuard, Claiming, Confirming};
use crate::sources::Sources;

pin_project! {
    #[project = StageProjection]
    pub(crate) enum Stage<F, B, ResBody, K: Sources, St: ReplayStore> {
        // The request must not reach the service.
        Stopped { outcome: Option<Outcome> },
        Reading { attempt: Option<Attempt>, #[pin] buffer: Buffer<B> },
        Refreshing { #[pin] refreshing: <K::Keys as KeySource>::Refreshing, rejected: Option<Rejected<B>> },
        Claiming { claiming: Claiming<K, St> },
        Readying { claim: Option<ClaimGuard<K, St>> },
        // Fields drop in this order: the claim is released only after the service's future is gone.
        Handling { #[pin] handling: F, claim: Option<ClaimGuard<K, St>> },
        Confirming { response: Option<Response<ResBody>>, confirming: Confirming<K, St> },
    }
}

impl<F, B, ResBody, K: Sources, St: ReplayStore> Stage<F, B, ResBody, K, St> {
    pub(crate) fn stopped(outcome: impl Into<Outcome>) -> Self {
        Self::Stopped { outcome: Some(outcome.into()) }
    }
}

/// A rejection that newer keys could prevent, and the input for another attempt with them.
pub(crate) enum Rejected<B> {
    Head { rejection: Rejection, body: B },
    Body { rejection: Rejection, body: Bytes },
}

impl<B> Rejected<B> {
    pub(crate) fn rejection(&self) -> Rejection {
        match self {
            Self::Head { rejection, .. } | Self::Body { rejection, .. } => *rejection,
        }
    }
}

/// The step after a stage: another stage, or the response.
#[expect(clippy::large_enum_variant, reason = "it is matched at once, and a box would be an allocation per stage")]
pub(crate) enum Step<F, B, ResBody, K: Sources, St: ReplayStore> {
    To(Stage<F, B, ResBody, K, St>),
    Respond(Response<ResponseBody<ResBody>>),
}
