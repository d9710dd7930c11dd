//! Claims, confirms and releases a message in the store. The calls are completed even if the sender disconnects.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use countersign::clock::ClockReading;
use countersign::replay::ReplayStore;
use countersign::replay::{Claim, ClaimToken, Settled, StoreError};
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep, timeout};

use crate::policy::Policy;
use crate::report::trace::store_failed;
use crate::sources::Sources;

/// A claim that is released on drop: after an error, after a panic, or when the sender disconnects.
pub(crate) struct ClaimGuard<K: Sources, St: ReplayStore> {
    claim: Option<(Arc<Policy<K, St>>, ClaimToken)>,
}

impl<K: Sources, St: ReplayStore> ClaimGuard<K, St> {
    pub(crate) fn new(policy: Arc<Policy<K, St>>, token: ClaimToken) -> Self {
        Self { claim: Some((policy, token)) }
    }

    /// Confirms the claim instead of releasing it.
    pub(crate) fn confirm(mut self, now: ClockReading) -> Option<Confirming<K, St>> {
        let (policy, token) = self.claim.take()?;
        let future = policy.store.confirm(token, now);
        Some(StoreCall::new(policy, future))
    }
}

impl<K: Sources, St: ReplayStore> Drop for ClaimGuard<K, St> {
    fn drop(&mut self) {
        if let Some((policy, token)) = self.claim.take() {
            policy.store.release(token);
        }
    }
}

pub(crate) type Claiming<K, St> = StoreCall<<St as ReplayStore>::Claiming, K, St>;
pub(crate) type Confirming<K, St> = StoreCall<<St as ReplayStore>::Confirming, K, St>;

/// The store's response, and the policy of the call.
type Replied<K, St, T> = (Arc<Policy<K, St>>, T);

/// A call of the store, with a time limit.
///
/// If the sender disconnects or the limit passes, a separate task completes the call: a late claim is released, and a
/// confirmation is not lost. Without a Tokio runtime, there is no limit and no task, and the future is dropped.
pub(crate) struct StoreCall<F, K, St>
where
    F: Future<Output: Unawaited> + Send + Unpin + 'static,
    K: Sources,
    St: ReplayStore,
{
    /// Taken out while polling, so a future that panicked is never resumed.
    call: Option<(Arc<Policy<K, St>>, F)>,
    /// Created if the store does not respond at once.
    limit: Option<Pin<Box<Sleep>>>,
}

impl<F, K, St, T> StoreCall<F, K, St>
where
    F: Future<Output = Result<T, StoreError>> + Send + Unpin + 'static,
    F::Output: Unawaited,
    K: Sources,
    St: ReplayStore,
{
    pub(crate) fn new(policy: Arc<Policy<K, St>>, future: F) -> Self {
        Self { call: Some((policy, future)), limit: None }
    }

    /// Returns the store's response, and the policy of the call.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Replied<K, St, T>, StoreError>> {
        let Some((policy, mut future)) = self.call.take() else { return Poll::Pending };
        if let Poll::Ready(outcome) = Pin::new(&mut future).poll(cx) {
            if let Err(error) = &outcome {
                store_failed(error);
            }
            return Poll::Ready(outcome.map(|outcome| (policy, outcome)));
        }
        let settings = &policy.settings;
        let time = settings.store_timeout.min(settings.lease);
        if self.limit.is_none() && Handle::try_current().is_ok() {
            self.limit = Some(Box::pin(sleep(time)));
        }
        let is_over = self.limit.as_mut().is_some_and(|limit| limit.as_mut().poll(cx).is_ready());
        if is_over {
            complete(policy, future);
            return Poll::Ready(Err(StoreError::timed_out()));
        }
        self.call = Some((policy, future));
        Poll::Pending
    }
}

impl<F, K, St> Drop for StoreCall<F, K, St>
where
    F: Future<Output: Unawaited> + Send + Unpin + 'static,
    K: Sources,
    St: ReplayStore,
{
    fn drop(&mut self) {
        if let Some((policy, future)) = self.call.take() {
            complete(policy, future);
        }
    }
}

/// Completes a call whose response is no longer awaited. It gives up after the duration of a lease, so that a store
/// that never responds does not accumulate tasks.
fn complete<K: Sources, St: ReplayStore>(
    policy: Arc<Policy<K, St>>,
    future: impl Future<Output: Unawaited> + Send + 'static,
) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move {
            if let Ok(outcome) = timeout(policy.settings.lease, future).await {
                outcome.settle(&policy.store);
            }
        });
    }
}

/// The result of a call whose response is no longer awaited.
pub(crate) trait Unawaited: Send {
    /// Releases a claim that is not used, and logs an error of the store.
    fn settle(self, store: &impl ReplayStore);
}

impl Unawaited for Result<Claim, StoreError> {
    fn settle(self, store: &impl ReplayStore) {
        match self {
            Ok(Claim::Fresh(token)) => store.release(token),
            Ok(Claim::InFlight | Claim::Done) => {}
            Err(error) => store_failed(&error),
        }
    }
}

impl Unawaited for Result<Settled, StoreError> {
    fn settle(self, _: &impl ReplayStore) {
        if let Err(error) = self {
            store_failed(&error);
        }
    }
}
