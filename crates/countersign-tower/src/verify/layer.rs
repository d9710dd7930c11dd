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
/// Clones share the replay store and the budget of bytes, and so do all services that one layer is put
/// around.
///
/// Its type parameters are the source of the keys and the replay store.
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
    /// The most bytes that a body may have unless set: 1 MiB. Payloads are thin: this is generous.
    pub const DEFAULT_BODY_LIMIT: usize = 1024 * 1024;
    /// How long a body may take to arrive unless set: 10 s.
    pub const DEFAULT_BODY_TIMEOUT: Duration = Duration::from_secs(10);
    /// The most bytes of bodies that are held at one time unless set: 256 MiB.
    pub const DEFAULT_BODY_BUDGET: usize = 256 * 1024 * 1024;
    /// How long the service may take before a retry may be handed to it, unless set: 60 s.
    pub const DEFAULT_LEASE: Duration = Duration::from_secs(60);
    /// How long one call of the replay store may take: 5 s.
    pub const DEFAULT_STORE_TIMEOUT: Duration = Duration::from_secs(5);
}

impl<K> VerifyLayer<K, Arc<MemoryStore>> {
    /// Verifies with `keys`: a [`Verifier`], a [`KeySource`](countersign::key_source::KeySource) whose keys change, or
    /// [`PerRequest`](crate::PerRequest). Deliveries are remembered in a [`MemoryStore`] of the layer's own.
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
    /// Remembers deliveries in `store` instead of a [`MemoryStore`] of the layer's own. Wrap it in an [`Arc`] to share it.
    pub fn store<New: ReplayStore + Clone>(self, store: New) -> VerifyLayer<K, New> {
        let Policy { keys, store: _, clock, on_report, render, settings } = self.policy;
        VerifyLayer { policy: Policy { keys, store, clock, on_report, render, settings } }
    }

    /// Reads the time from `clock`, for tests. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.policy.clock = Arc::new(clock);
        self
    }

    /// Calls `hook` once for each request, with what became of it: to count it, or to log it. Default: no hook.
    ///
    /// The hook is called where the request runs, and from `drop` if the request is abandoned. It must neither block
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

    /// Calls `open` with the head of each request, before it is checked, and what that returns with the request's
    /// report: for a report that says more of the request than [`Report`] does, such as the address of its sender. It
    /// replaces [`on_report`](Self::on_report), and the same holds for it. It costs an allocation for each request.
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

    /// Renders the bodies of rejections with `render`. Default: problem documents ([RFC 9457]) with the reason in `code`.
    ///
    /// The layer sets the status and the headers that belong to it. A gRPC client gets neither body nor content type.
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

    /// The most bytes that a body may have, 1 MiB unless set; one more is rejected with 413.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.policy.settings.body_limit = bytes;
        self
    }

    /// How long a body may take to arrive, 10 s unless set; what takes longer is rejected with 408. It is timed by Tokio: a
    /// body that is not there at once panics without its timer (see the [crate's](crate#runtime)
    /// documentation).
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.policy.settings.body_timeout = timeout;
        self
    }

    /// The most bytes of bodies that are held at one time, over all requests, 256 MiB unless set; beyond it a delivery is
    /// rejected with 503. A body that is larger than the whole of it is too large (413). Give several layers
    /// clones of one budget to bound them together.
    pub fn body_budget(mut self, budget: BodyBudget) -> Self {
        self.policy.settings.body_budget = budget;
        self
    }

    /// How long a claim holds. Default: 60 s. It must be longer than the service and the store's response ever take:
    /// a slower service may be handed the same delivery again by the sender's retry.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.policy.settings.lease = lease;
        self
    }

    /// How long one call of the replay store may take, at most the lease. Default: 5 s.
    ///
    /// A claim that takes longer is rejected with 503 (`store_unavailable`), and a confirmation that takes longer no
    /// longer delays the response. Either call is completed in a Tokio task: a claim that comes late is released at
    /// once. The same happens if the sender hangs up while the store is at work. A store that responds at once, as a
    /// [`MemoryStore`] does, needs no timer and no task.
    pub fn store_timeout(mut self, timeout: Duration) -> Self {
        self.policy.settings.store_timeout = timeout;
        self
    }

    /// Lets only these events reach the service. Others are verified, and acknowledged with 204.
    ///
    /// The type is that of the verified body ([`Verified::event_type`](countersign::Verified::event_type)).
    /// Where the body has none, it is the `ce-type` header (CloudEvents in binary mode). That header is not
    /// signed, but nobody gains by changing it: a filtered copy is not claimed, so the original is still
    /// handled, and a type in the body always takes precedence. A delivery without either is never filtered
    /// out: see [`untyped`](Self::untyped).
    pub fn events(mut self, events: EventFilter) -> Self {
        self.policy.settings.events = Some(events);
        self
    }

    /// What is done with a verified delivery whose event type cannot be read, where [`events`](Self::events)
    /// are filtered. Default: the service handles it.
    pub fn untyped(mut self, untyped: Untyped) -> Self {
        self.policy.settings.untyped = untyped;
        self
    }

    /// What is done with a request that must not reach the service; rejected unless set.
    pub fn on_rejection(mut self, on_rejection: OnRejection) -> Self {
        self.policy.settings.on_rejection = on_rejection;
        self
    }

    /// What is done with a genuine delivery that was handled before; acknowledged unless set.
    pub fn on_duplicate(mut self, on_duplicate: OnDuplicate) -> Self {
        self.policy.settings.on_duplicate = on_duplicate;
        self
    }

    /// What is done when the replay store gives no answer; rejected with 503 unless set.
    pub fn on_store_failure(mut self, on_store_failure: OnStoreFailure) -> Self {
        self.policy.settings.on_store_failure = on_store_failure;
        self
    }

    /// When a success of the service confirms a delivery; at the head of its answer unless set. A gRPC
    /// response always confirms at its end.
    pub fn confirm_at(mut self, confirm_at: ConfirmAt) -> Self {
        self.policy.settings.confirm_at = confirm_at;
        self
    }

    /// Treats requests over HTTP/2 with the content type `application/grpc` as gRPC calls: rejections and
    /// acknowledgements are gRPC responses, and a body must be one message. See the [crate's](crate#grpc)
    /// documentation. Default: off.
    ///
    /// Turn it on for a service that speaks gRPC, and for no other. A gRPC rejection has HTTP status 200,
    /// and the content type is not signed: with the switch on, whoever sends a forged request decides
    /// whether it is rejected with 401 or with 200.
    pub fn grpc(mut self, enabled: bool) -> Self {
        self.policy.settings.grpc = enabled;
        self
    }

    /// Accepts gRPC calls with any number of messages, where [`grpc`](Self::grpc) is on: the whole stream is
    /// read before it is verified, within the limits of a body, and the service sees nothing until its end.
    /// Default: a call with no message, or with several, is rejected with `UNIMPLEMENTED`.
    pub fn buffer_grpc_streams(mut self) -> Self {
        self.policy.settings.buffers_grpc_streams = true;
        self
    }

    /// Runs deliveries to their end although their senders hang up: what is left of one is given to
    /// `spawn`, which is to run it.
    ///
    /// Without it a dropped future releases its claim, and hyper drops it when the sender hangs up: a slow
    /// handler is then handed the same delivery again by an impatient sender's retry. With it the retry is
    /// told that the delivery is in flight, and then that it is done. It costs an allocation for each
    /// request, and a task for those that are left alone. A timeout around the layer no longer stops the
    /// handler. Where the end of an answer's body decides ([`ConfirmAt::BodyEnd`], gRPC), the body is
    /// read to its end if the sender hung up before its head; one that hangs up during the body releases the
    /// delivery all the same.
    ///
    /// `spawn` is called from `drop`. Where there is no runtime any more, it drops what it is given, and the
    /// claim is released. A server that ends in good order waits for these tasks, too: with tokio-util's
    /// `TaskTracker`, `spawn` is `move |rest| drop(tasks.spawn(rest))`.
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
    /// If the [lease](Self::lease) is zero: two attempts would be handled at the same time. And if the store says that it forgets ids sooner than a request of the source may be accepted again
    /// ([`ReplayStore::retain`], [`Verifier::longest_life`]): a replay would reach the service. Where the source
    /// depends on the request ([`PerRequest`](crate::PerRequest)), such a request is rejected with 503 instead
    /// ([`Rejection::RetainTooShort`]).
    fn layer(&self, inner: S) -> Self::Service {
        assert!(!self.policy.settings.lease.is_zero(), "the lease is zero, so no claim would hold: set a longer one");
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
