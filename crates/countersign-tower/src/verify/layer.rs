use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign::Verifier;
use countersign::clock::{Clock, SystemClock};
use countersign::filter::EventFilter;
use countersign::replay::MemoryStore;
use countersign::replay::ReplayStore;
use http::request;
use tower_layer::Layer;

use crate::detach::{DetachLayer, DetachedTask};
use crate::policy::{ConfirmAt, OnDuplicate, OnRejection, OnStoreFailure, Policy, Settings, Untyped};
use crate::read::budget::BodyBudget;
use crate::reject::rejection::Rejection;
use crate::reject::render::{Rendered, problem_document};
use crate::report::Report;
use crate::report::hook::ReportHook;
use crate::sources::Sources;
use crate::verify::service::Verify;

/// Puts [`Verify`] around a service.
///
/// Clones share the replay store and the body budget, and so do all services of one layer.
///
/// The type parameters are the keys and the replay store.
///
/// ```
/// use std::time::Duration;
///
/// use countersign::filter::EventFilter;
/// use countersign::Verifier;
/// use countersign_tower::{BodyBudget, VerifyLayer};
///
/// # fn layer(verifier: Verifier) -> Result<(), countersign::filter::PatternError> {
/// let layer = VerifyLayer::new(verifier)
///     .events(EventFilter::new(["batch.*"])?)
///     .lease(Duration::from_secs(90))
///     .body_limit(64 * 1024)
///     .body_budget(BodyBudget::new(32 * 1024 * 1024));
/// # drop(layer);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct VerifyLayer<K = Verifier, St = Arc<MemoryStore>> {
    policy: Policy<K, St>,
}

impl VerifyLayer {
    /// The default of [`body_limit`](VerifyLayer::body_limit): 1 MiB. Webhook payloads are usually much smaller.
    pub const DEFAULT_BODY_LIMIT: usize = 1024 * 1024;
    /// The default of [`body_timeout`](VerifyLayer::body_timeout): 10 s.
    pub const DEFAULT_BODY_TIMEOUT: Duration = Duration::from_secs(10);
    /// The default of [`body_budget`](VerifyLayer::body_budget), in bytes: 256 MiB.
    pub const DEFAULT_BODY_BUDGET: usize = 256 * 1024 * 1024;
    /// The default of [`lease`](VerifyLayer::lease): 60 s.
    pub const DEFAULT_LEASE: Duration = Duration::from_secs(60);
    /// The default of [`store_timeout`](VerifyLayer::store_timeout): 5 s.
    pub const DEFAULT_STORE_TIMEOUT: Duration = Duration::from_secs(5);
}

impl<K> VerifyLayer<K, Arc<MemoryStore>> {
    /// Verifies with `keys`: a [`Verifier`], a [`KeySource`](countersign::key_source::KeySource) whose keys change, or
    /// [`PerRequest`](crate::PerRequest). The layer remembers message ids in its own [`MemoryStore`].
    pub fn new(keys: K) -> Self {
        let settings = Settings {
            lease: VerifyLayer::DEFAULT_LEASE,
            store_timeout: VerifyLayer::DEFAULT_STORE_TIMEOUT,
            body_limit: VerifyLayer::DEFAULT_BODY_LIMIT,
            body_timeout: VerifyLayer::DEFAULT_BODY_TIMEOUT,
            body_budget: BodyBudget::new(VerifyLayer::DEFAULT_BODY_BUDGET),
            events: None,
            untyped: Untyped::default(),
            on_rejection: OnRejection::default(),
            on_duplicate: OnDuplicate::default(),
            on_store_failure: OnStoreFailure::default(),
            confirm_at: ConfirmAt::default(),
            grpc: false,
            buffers_grpc_streams: false,
        };
        let (store, clock, render) = (Arc::default(), Arc::new(SystemClock), Arc::new(problem_document));
        Self { policy: Policy { keys, store, clock, on_report: None, render, settings } }
    }
}

impl<K, St> VerifyLayer<K, St> {
    /// Remembers message ids in `store` instead of the layer's own [`MemoryStore`]. Wrap it in an [`Arc`] to share it.
    pub fn store<New: ReplayStore + Clone>(self, store: New) -> VerifyLayer<K, New> {
        let Policy { keys, store: _, clock, on_report, render, settings } = self.policy;
        VerifyLayer { policy: Policy { keys, store, clock, on_report, render, settings } }
    }

    /// Reads the time from `clock`, for tests. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.policy.clock = Arc::new(clock);
        self
    }

    /// Calls `hook` once for each request, with its outcome, for example to count or to log it. Default: no hook.
    ///
    /// The hook is called on the request's task, and from `drop` if the request is abandoned. It must neither block
    /// nor panic.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// use countersign_tower::VerifyLayer;
    ///
    /// # fn layer(verifier: countersign::Verifier) {
    /// let rejected = Arc::new(AtomicU64::new(0));
    /// let counter = Arc::clone(&rejected);
    /// let layer = VerifyLayer::new(verifier).on_report(move |report| {
    ///     if report.rejection().is_some() {
    ///         counter.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// });
    /// # drop(layer);
    /// # }
    /// ```
    pub fn on_report(mut self, hook: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        self.policy.on_report = Some(ReportHook::Shared(Arc::new(hook)));
        self
    }

    /// Calls `open` with the head of each request before it is checked. `open` returns a function, which is called
    /// with the request's report. Use this to report details that [`Report`] does not have, for example the address of
    /// the sender. It replaces [`on_report`](Self::on_report), and its functions must neither block nor panic. It
    /// costs an allocation for each request.
    ///
    /// ```
    /// use std::net::SocketAddr;
    ///
    /// use axum::extract::ConnectInfo;
    /// use countersign_tower::{Report, VerifyLayer};
    ///
    /// # fn layer(verifier: countersign::Verifier) {
    /// let layer = VerifyLayer::new(verifier).on_request(|head| {
    ///     let peer = head.extensions.get().map(|ConnectInfo::<SocketAddr>(peer)| *peer);
    ///     move |report: &Report| println!("{peer:?} {} {}", report.path(), report.outcome().as_str())
    /// });
    /// # drop(layer);
    /// # }
    /// ```
    pub fn on_request<F, H>(mut self, open: F) -> Self
    where
        F: Fn(&request::Parts) -> H + Send + Sync + 'static,
        H: FnOnce(&Report) + Send + Sync + 'static,
    {
        self.policy.on_report = Some(ReportHook::PerRequest(Arc::new(move |head| Box::new(open(head)))));
        self
    }

    /// Renders the bodies of rejections with `render`. Default: problem documents ([RFC 9457]) with the reason in
    /// `code`.
    ///
    /// The layer sets the status and the headers that belong to it. gRPC responses are not rendered.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use countersign_tower::{VerifyLayer, reject::Rendered};
    /// use http::HeaderValue;
    ///
    /// # fn layer(verifier: countersign::Verifier) {
    /// let layer = VerifyLayer::new(verifier).render_rejections(|rejection| Rendered {
    ///     content_type: HeaderValue::from_static("text/plain; charset=utf-8"),
    ///     body: Bytes::from(format!("{rejection}\n")),
    /// });
    /// # drop(layer);
    /// # }
    /// ```
    ///
    /// [RFC 9457]: https://www.rfc-editor.org/rfc/rfc9457
    pub fn render_rejections(mut self, render: impl Fn(&Rejection) -> Rendered + Send + Sync + 'static) -> Self {
        self.policy.render = Arc::new(render);
        self
    }

    /// Sets the maximum length of a body, in bytes. A longer body is rejected with 413. Default: 1 MiB.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.policy.settings.body_limit = bytes;
        self
    }

    /// Sets the maximum time for a body to arrive. A slower body is rejected with 408. Default: 10 s.
    ///
    /// A body that is not available at once needs Tokio's timer (see [Runtime](crate#runtime)).
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.policy.settings.body_timeout = timeout;
        self
    }

    /// Sets the memory that the bodies of all requests may use together. A request that exceeds it is rejected with
    /// 503, or with 413 if its body is larger than the whole budget. Default: 256 MiB.
    ///
    /// To limit several layers together, pass each a clone of one budget.
    pub fn body_budget(mut self, budget: BodyBudget) -> Self {
        self.policy.settings.body_budget = budget;
        self
    }

    /// Sets how long a claim lasts. Default: 60 s.
    ///
    /// The lease must be longer than the service and the replay store ever take. Otherwise, a retry may reach the
    /// service while it still handles the first attempt.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.policy.settings.lease = lease;
        self
    }

    /// Sets the maximum time for one call of the replay store, at most the lease. Default: 5 s.
    ///
    /// If a claim takes longer, the request is rejected with 503 (`store_unavailable`). If a confirmation takes
    /// longer, the response is sent without it. Either call is completed in a Tokio task, and a late claim is released
    /// at once. The same happens if the sender disconnects during a call. A store that responds at once, such as
    /// [`MemoryStore`], needs no timer and no task.
    pub fn store_timeout(mut self, timeout: Duration) -> Self {
        self.policy.settings.store_timeout = timeout;
        self
    }

    /// Passes only these events to the service. Others are verified and acknowledged with 204. Default: all events.
    ///
    /// The type is read from the verified body ([`Verified::event_type`](countersign::Verified::event_type)), or from
    /// the `ce-type` header (CloudEvents in binary mode) if the body has none. That header is not signed, but changing
    /// it gains an attacker nothing: a filtered copy is not claimed, so the original is still handled, and a type in
    /// the body always takes precedence. [`untyped`](Self::untyped) applies to a delivery without either.
    pub fn events(mut self, events: EventFilter) -> Self {
        self.policy.settings.events = Some(events);
        self
    }

    /// Sets how a verified delivery whose event type cannot be read is treated, if [`events`](Self::events) are
    /// filtered. Default: [`Untyped::Forward`], the service handles it.
    pub fn untyped(mut self, untyped: Untyped) -> Self {
        self.policy.settings.untyped = untyped;
        self
    }

    /// Sets how a request that must not reach the service is treated. Default: [`OnRejection::Reject`].
    pub fn on_rejection(mut self, on_rejection: OnRejection) -> Self {
        self.policy.settings.on_rejection = on_rejection;
        self
    }

    /// Sets how an authentic delivery that was handled before is treated. Default: [`OnDuplicate::Acknowledge`].
    pub fn on_duplicate(mut self, on_duplicate: OnDuplicate) -> Self {
        self.policy.settings.on_duplicate = on_duplicate;
        self
    }

    /// Sets how an authentic delivery is treated if the replay store fails or does not respond. Default:
    /// [`OnStoreFailure::Refuse`], it is rejected with 503.
    pub fn on_store_failure(mut self, on_store_failure: OnStoreFailure) -> Self {
        self.policy.settings.on_store_failure = on_store_failure;
        self
    }

    /// Sets when a successful response of the service confirms a delivery. Default: [`ConfirmAt::Head`]. A gRPC
    /// response always confirms at its end.
    pub fn confirm_at(mut self, confirm_at: ConfirmAt) -> Self {
        self.policy.settings.confirm_at = confirm_at;
        self
    }

    /// Treats requests over HTTP/2 with the content type `application/grpc` as gRPC calls: rejections and
    /// acknowledgements are gRPC responses, and a body must be one message. See [gRPC](crate#grpc). Default: off.
    ///
    /// Turn this on only for a service that speaks gRPC. A gRPC rejection has HTTP status 200, and the content type is
    /// not signed, so the sender of a forged request can choose to be rejected with 200 instead of 401.
    pub fn grpc(mut self, enabled: bool) -> Self {
        self.policy.settings.grpc = enabled;
        self
    }

    /// Accepts gRPC calls with any number of messages, if [`grpc`](Self::grpc) is on. The whole stream is read and
    /// verified, within the limits for a body, before the service is called. Default: a call with no message, or with
    /// several, is rejected with `UNIMPLEMENTED`.
    pub fn buffer_grpc_streams(mut self) -> Self {
        self.policy.settings.buffers_grpc_streams = true;
        self
    }

    /// Runs deliveries to their end even if their senders disconnect. The remaining work is passed to `spawn`, which
    /// must run it.
    ///
    /// By default, hyper drops the future of a request when its sender disconnects, which releases the claim. If the
    /// handler is slower than the sender's timeout, each retry then starts it again. With `detach`, the handler
    /// continues: a retry gets 409 while it works, and 200 afterwards.
    ///
    /// - It costs an allocation for each request, and a task for each request whose sender disconnects.
    /// - A timeout around the layer no longer stops the handler.
    /// - If the end of the response body settles the delivery ([`ConfirmAt::BodyEnd`], gRPC), the body is read to its
    ///   end if the sender disconnected before the head of the response. If it disconnects during the body, the
    ///   delivery is still released.
    ///
    /// `spawn` is called from `drop`. If the runtime has shut down, drop the task, which releases the claim. For a
    /// graceful shutdown, wait for these tasks too: with tokio-util's `TaskTracker`, `spawn` is
    /// `move |rest| drop(tasks.spawn(rest))`.
    ///
    /// ```
    /// use countersign::Verifier;
    /// use countersign_tower::{VerifyLayer, detach::DetachedTask};
    ///
    /// # fn layer(verifier: Verifier) {
    /// let layer = VerifyLayer::new(verifier).detach(|rest: DetachedTask| {
    ///     if let Ok(runtime) = tokio::runtime::Handle::try_current() {
    ///         runtime.spawn(rest);
    ///     }
    /// });
    /// # drop(layer);
    /// # }
    /// ```
    pub fn detach<Sp: Fn(DetachedTask) + Clone>(self, spawn: Sp) -> DetachLayer<Self, Sp> {
        DetachLayer::new(self, spawn)
    }
}

impl<S, K, St> Layer<S> for VerifyLayer<K, St>
where
    K: Sources + Clone,
    St: ReplayStore + Clone,
{
    type Service = Verify<S, K, St>;

    /// # Panics
    /// - If the [lease](Self::lease) is zero, because two attempts would then be handled at the same time.
    /// - If the store forgets ids before a request of the source expires ([`ReplayStore::retain`],
    ///   [`Verifier::longest_life`]), because a replay would then reach the service. If the source depends on the
    ///   request ([`PerRequest`](crate::PerRequest)), such a request is rejected with 503 instead
    ///   ([`Rejection::RetainTooShort`]).
    fn layer(&self, inner: S) -> Self::Service {
        assert!(
            !self.policy.settings.lease.is_zero(),
            "the lease is zero, so a claim would expire at once: set a longer one"
        );
        let verifier = self.policy.keys.only_verifier();
        if let Some(rejection) =
            verifier.and_then(|verifier| Rejection::of_retain(self.policy.store.retain(), &verifier))
        {
            panic!("{rejection}");
        }
        Verify::new(inner, Arc::new(self.policy.clone()))
    }
}

impl<K: Clone, St: Clone> Clone for VerifyLayer<K, St> {
    fn clone(&self) -> Self {
        Self { policy: self.policy.clone() }
    }
}

impl<K: fmt::Debug, St> fmt::Debug for VerifyLayer<K, St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyLayer").field("keys", &self.policy.keys).finish_non_exhaustive()
    }
}
