//! What is asked of a delivery before the service sees it, and what is done with it.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::Clock;
use countersign::filter::EventFilter;
use countersign::replay::StoreErrorKind;

use crate::read::budget::BodyBudget;
use crate::reject::render::Render;
use crate::report::Outcome;
use crate::report::hook::ReportHook;

/// What is done with a request that must not reach the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnRejection {
    /// The layer responds, and the service does not see it.
    #[default]
    Reject,
    /// The service handles it anyway, with [`Observed::Stopped`] in the request's extensions: for a rollout, to see
    /// first what would be rejected. It protects nothing.
    ///
    /// The same goes for what would only be acknowledged, duplicates and filtered events. Everything else is as it is
    /// with [`Reject`](Self::Reject): bodies are read within their limits, deliveries are claimed and settled, and a
    /// genuine one has its [`Verified`](countersign::Verified). Each request has [`Observed`] in its extensions.
    ///
    /// The service is given the body as its sender sent it, however large, with trailers and failures. Up to
    /// [`body_limit`](crate::VerifyLayer::body_limit) bytes of it are read before, which may take as long as
    /// [`body_timeout`](crate::VerifyLayer::body_timeout): a stream whose sender waits for a response waits as long.
    /// It costs an allocation for each body.
    DangerHandOver,
}

/// What [`OnRejection::Reject`] would have made of a request; in the extensions of every request where
/// [`OnRejection::DangerHandOver`] is set.
///
/// A genuine delivery has its [`Verified`](countersign::Verified) beside it, also if it would not have reached the
/// service. Any other request may be forged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observed {
    /// It would have reached the service.
    Passed,
    /// It would not have reached the service: [`Outcome`] says why.
    Stopped(Outcome),
}

/// What is done with a genuine delivery that was handled before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDuplicate {
    /// It is answered with success, and the service does not see it.
    #[default]
    Acknowledge,
    /// The service handles it, with [`Unclaimed::Duplicate`] in the request's extensions; its answer is
    /// the sender's, and settles nothing. Whoever saw a delivery can have it handed over again within the
    /// tolerance: the mark is all that tells.
    HandOver,
}

/// What is done with a genuine delivery of which the store cannot tell whether it is new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnStoreFailure {
    /// It is rejected with 503 and `Retry-After`.
    #[default]
    Refuse,
    /// The service handles it, with [`Unclaimed::StoreUnavailable`] in the request's extensions.
    ///
    /// While the store is out of reach nothing stands between the service and a replay: whoever saw a
    /// delivery can have it handled again and again within the tolerance, and a sender's retry is handled
    /// anew, beside its first attempt. For a service whose handling can be repeated without harm.
    DangerHandOver,
}

/// What is done with a verified delivery whose event type cannot be read, where a layer
/// [filters events](crate::VerifyLayer::events).
///
/// Such a body is compressed, has a byte order mark, is UTF-16, a form, an array, empty, or an object without
/// exactly one `type` that is a string. Its report says so ([`Report::is_untyped`](crate::Report::is_untyped)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Untyped {
    /// The service handles it. A filter drops only what it can read, so a message never vanishes because its
    /// sender changed the encoding.
    #[default]
    Forward,
    /// It is rejected with 422 and the reason `no_type`. The sender sees the failure and retries, and the
    /// message can still be handled once the setting is changed.
    Reject,
}

/// When a success of the service confirms a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfirmAt {
    /// When the head of its answer says 2xx. The handler has done its work by then, as most do.
    #[default]
    Head,
    /// With the last byte of its answer that is given to the server: a body that fails half-way releases the
    /// delivery, and so does a sender that hangs up before. The lease goes on until then. For a handler
    /// that works while it answers. It costs two allocations for an answer that has a body.
    ///
    /// The end is the end of the body, or the length that `Content-Length` or the body itself announced.
    /// Whether the sender received it cannot be known.
    BodyEnd,
}

/// Why a genuine delivery was handed to the service although it is not claimed; in the request's
/// extensions where [`OnDuplicate::HandOver`] or [`OnStoreFailure::DangerHandOver`] asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unclaimed {
    /// It was handled before.
    Duplicate,
    /// The store gave no answer: it may be new, a duplicate, or being handled right now.
    StoreUnavailable(StoreErrorKind),
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) lease: Duration,
    pub(crate) store_timeout: Duration,
    pub(crate) body_limit: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) body_budget: BodyBudget,
    pub(crate) events: Option<EventFilter>,
    pub(crate) untyped: Untyped,
    pub(crate) on_rejection: OnRejection,
    pub(crate) on_duplicate: OnDuplicate,
    pub(crate) on_store_failure: OnStoreFailure,
    pub(crate) confirm_at: ConfirmAt,
    pub(crate) grpc: bool,
    pub(crate) buffers_grpc_streams: bool,
}

/// All that a layer was told: whose deliveries, which store, and how to treat them.
#[derive(Clone)]
pub(crate) struct Policy<K, St> {
    pub(crate) keys: K,
    pub(crate) store: St,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) on_report: Option<ReportHook>,
    pub(crate) render: Render,
    pub(crate) settings: Settings,
}
