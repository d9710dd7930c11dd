use std::sync::Arc;

use countersign::ReplayStore;
use countersign::replay::ClaimToken;

use crate::layer::Policy;

/// A claim that is released when it is dropped: by an error, a panic, or a sender that hung up.
pub(crate) struct ClaimGuard<St: ReplayStore, C, K> {
    policy: Arc<Policy<St, C, K>>,
    token: Option<ClaimToken>,
}

impl<St: ReplayStore, C, K> ClaimGuard<St, C, K> {
    pub(crate) fn new(policy: Arc<Policy<St, C, K>>, token: ClaimToken) -> Self {
        Self { policy, token: Some(token) }
    }

    /// Takes the claim out, to confirm it.
    pub(crate) fn into_token(mut self) -> Option<ClaimToken> {
        self.token.take()
    }
}

impl<St: ReplayStore, C, K> Drop for ClaimGuard<St, C, K> {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            self.policy.store.release(token);
        }
    }
}
