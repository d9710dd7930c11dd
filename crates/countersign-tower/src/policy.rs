//! The settings of a layer, and how it treats rejected, duplicate and unclaimed deliveries.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::Clock;
use countersign::filter::EventFilter;
use countersign::replay::StoreErrorKind;

use crate::read::budget::BodyBudget;
use crate::reject::render::Render;
use crate::report::Outcome;
use crate::report::hook::ReportHook;

/// How the layer treats a request that must not reach the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnRejection {
    /// The layer responds without calling the service.
    #[default]
    Reject,
    /// The service handles it anyway, with [`Observed::Stopped`] in the request's extensions. This is for a rollout,
    /// to find out which requests would be rejected. It protects nothing.
    ///
    /// Duplicates and filtered events, which would only be acknowledged, reach the service too. Everything else works
    /// as with [`Reject`](Self::Reject): bodies are read within their limits, messages are claimed and settled, and an
    /// authentic delivery has its [`Verified`](countersign::Verified). Each request has [`Observed`] in its
    /// extensions.
    ///
    /// The service receives the body exactly as sent, of any size, including trailers and errors. Up to
    /// [`body_limit`](crate::VerifyLayer::body_limit) bytes are read before that, which may take as long as
    /// [`body_timeout`](crate::VerifyLayer::body_timeout). A stream whose sender waits for a response is delayed by
    /// that time. Each body costs an allocation.
    DangerHandOver,
}

/// Whether a request would have reached the service with [`OnRejection::Reject`]. With
/// [`OnRejection::DangerHandOver`], every request has it in its extensions.
///
/// An authentic delivery also has its [`Verified`](countersign::Verified), even if it would not have reached the
/// service. Any other request may be forged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Observed {
    /// It would have reached the service.
    Passed,
    /// It would not have reached the service. [`Outcome`] is the reason.
    Stopped(Outcome),
}

/// How the layer treats an authentic delivery that was handled before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDuplicate {
    /// The layer responds with success without calling the service.
    #[default]
    Acknowledge,
    /// The service handles it, with [`Unclaimed::Duplicate`] in the request's extensions. The sender gets the
    /// service's response, which settles nothing. Always check for the mark, because anyone who has seen a delivery
    /// can cause a duplicate within the timestamp tolerance.
    HandOver,
}

/// How the layer treats an authentic delivery if the replay store fails, so that it may be new or a duplicate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnStoreFailure {
    /// It is rejected with 503 and `Retry-After`.
    #[default]
    Refuse,
    /// The service handles it, with [`Unclaimed::StoreUnavailable`] in the request's extensions.
    ///
    /// While the store is unavailable, the service is not protected from replays. Anyone who has seen a delivery can
    /// have it handled repeatedly within the timestamp tolerance, and a sender's retry is handled again, even in
    /// parallel with the first attempt. Use this only if handling a message twice does no harm.
    DangerHandOver,
}

/// How a layer that [filters events](crate::VerifyLayer::events) treats a verified delivery whose event type cannot be
/// read.
///
/// Such a body is compressed, has a byte order mark, is UTF-16, a form, an array, empty, or an object without
/// exactly one `type` that is a string. Its report has [`is_untyped`](crate::Report::is_untyped) set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Untyped {
    /// The service handles it. A filter drops only events whose type it can read, so no message is lost because its
    /// sender changed the encoding.
    #[default]
    Forward,
    /// It is rejected with 422 and the reason `no_type`. The sender sees the failure and retries, so the message can
    /// still be handled once the setting is changed.
    Reject,
}

/// When a successful response of the service confirms a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfirmAt {
    /// At the head of the response, if its status is 2xx. Most handlers have done their work by then.
    #[default]
    Head,
    /// When the last byte of the response body is passed to the server. The delivery is released if the body fails
    /// half-way, or if the sender disconnects before its end. The lease covers the body too. Use this for a handler
    /// that works while it streams its response. It costs two allocations for each response with a body.
    ///
    /// The last byte is the end of the body, or of the length that `Content-Length` or the body itself announces.
    /// Whether the sender received it is unknown.
    BodyEnd,
}

/// Why an authentic delivery reached the service without a claim. It is in the request's extensions with
/// [`OnDuplicate::HandOver`] or [`OnStoreFailure::DangerHandOver`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unclaimed {
    /// It was handled before.
    Duplicate,
    /// The store failed or did not respond. The message may be new, a duplicate, or in flight.
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

/// The full configuration of a layer: its keys, store, clock, hooks and settings.
#[derive(Clone)]
pub(crate) struct Policy<K, St> {
    pub(crate) keys: K,
    pub(crate) store: St,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) on_report: Option<ReportHook>,
    pub(crate) render: Render,
    pub(crate) settings: Settings,
}
