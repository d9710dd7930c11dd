use std::sync::Arc;

use countersign::ReplayStore;
use countersign::replay::ClaimToken;

use crate::policy::Terms;

/// A claim that is released when it is dropped: by an error, a panic, or a sender that hung up.
pub(crate) struct ClaimGuard<P: Terms> {
    policy: Arc<P>,
    token: Option<ClaimToken>,
}

impl<P: Terms> ClaimGuard<P> {
    pub(crate) fn new(policy: Arc<P>, token: ClaimToken) -> Self {
        Self { policy, token: Some(token) }
    }

    /// Takes the claim out, to confirm it.
    pub(crate) fn into_token(mut self) -> Option<ClaimToken> {
        self.token.take()
    }
}

impl<P: Terms> Drop for ClaimGuard<P> {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            self.policy.store().release(token);
        }
    }
}
