use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign::replay::MemoryStore;
use countersign::{Clock, EventFilter, KeySource, ReplayStore, SystemClock, Verifier};
use tower_layer::Layer;

use crate::service::Verify;

/// Puts [`Verify`] around a service.
///
/// Clones share the replay store, and so do all services that one layer is put around.
#[must_use]
pub struct VerifyLayer<St = Arc<MemoryStore>, C = SystemClock, K = Verifier> {
    policy: Policy<St, C, K>,
}

/// What is asked of a delivery before the service sees it.
#[derive(Clone, Debug)]
pub(crate) struct Policy<St, C, K> {
    pub(crate) keys: K,
    pub(crate) store: St,
    pub(crate) clock: C,
    pub(crate) lease: Duration,
    pub(crate) body_limit: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) events: Option<EventFilter>,
}

impl VerifyLayer {
    /// The most bytes that a body may have unless set. Payloads are thin: this is generous.
    pub const DEFAULT_BODY_LIMIT: usize = 1024 * 1024;
    /// How long a body may take to arrive unless set.
    pub const DEFAULT_BODY_TIMEOUT: Duration = Duration::from_secs(10);
    /// How long the service may take before a retry may be handed to it, unless set.
    pub const DEFAULT_LEASE: Duration = Duration::from_mins(1);
}

impl<K> VerifyLayer<Arc<MemoryStore>, SystemClock, K> {
    /// Verifies with `keys`: a [`Verifier`], or a [`KeySource`](countersign::KeySource) whose keys change. Deliveries are remembered
    /// in a [`MemoryStore`] of the layer's own.
    pub fn new(keys: K) -> Self {
        Self {
            policy: Policy {
                keys,
                store: Arc::default(),
                clock: SystemClock,
                lease: VerifyLayer::DEFAULT_LEASE,
                body_limit: VerifyLayer::DEFAULT_BODY_LIMIT,
                body_timeout: VerifyLayer::DEFAULT_BODY_TIMEOUT,
                events: None,
            },
        }
    }
}

impl<St, C, K> VerifyLayer<St, C, K> {
    /// Remembers deliveries in `store` instead. Wrap it in an [`Arc`] to share it.
    pub fn store<New>(self, store: New) -> VerifyLayer<New, C, K> {
        let Policy { keys, store: _, clock, lease, body_limit, body_timeout, events } = self.policy;
        VerifyLayer { policy: Policy { keys, store, clock, lease, body_limit, body_timeout, events } }
    }

    /// Takes the time from `clock` instead; for tests.
    pub fn clock<New>(self, clock: New) -> VerifyLayer<St, New, K> {
        let Policy { keys, store, clock: _, lease, body_limit, body_timeout, events } = self.policy;
        VerifyLayer { policy: Policy { keys, store, clock, lease, body_limit, body_timeout, events } }
    }

    /// The most bytes that a body may have; one more is refused with 413.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.policy.body_limit = bytes;
        self
    }

    /// How long a body may take to arrive; what takes longer is refused with 408.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.policy.body_timeout = timeout;
        self
    }

    /// How long a claim holds. Longer than the service ever takes: a service that is slower may be
    /// handed the same delivery again by the sender's retry.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.policy.lease = lease;
        self
    }

    /// Lets only these events reach the service. Others are verified, and acknowledged with 204.
    pub fn events(mut self, events: EventFilter) -> Self {
        self.policy.events = Some(events);
        self
    }
}

impl<S, St: ReplayStore + Clone, C: Clock + Clone, K: KeySource + Clone> Layer<S> for VerifyLayer<St, C, K> {
    type Service = Verify<S, St, C, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Verify::new(inner, Arc::new(self.policy.clone()))
    }
}

impl<St: Clone, C: Clone, K: Clone> Clone for VerifyLayer<St, C, K> {
    fn clone(&self) -> Self {
        Self { policy: self.policy.clone() }
    }
}

impl<St, C, K: fmt::Debug> fmt::Debug for VerifyLayer<St, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyLayer").field("keys", &self.policy.keys).finish_non_exhaustive()
    }
}
