//! Whether a source's replay store is full, logged when that changes.

use std::sync::atomic::{AtomicBool, Ordering};

use countersign::replay::ReplayStore;
use countersign_tower::{Outcome, Rejection};

use crate::state::store::SourceStore;

/// The fill of one source's store, as its deliveries find it.
#[derive(Debug)]
pub struct Fullness {
    source: String,
    store: SourceStore,
    is_full: AtomicBool,
}

impl Fullness {
    /// The fill of this source's store, which has room.
    pub fn new(source: String, store: SourceStore) -> Self {
        Self { source, store, is_full: AtomicBool::new(false) }
    }

    /// Learns from a delivery whether the store is full, and logs it if it was not before, or is no more.
    pub fn note(&self, outcome: &Outcome) {
        let is_full = self.is_full.load(Ordering::Relaxed);
        let Some(now_full) = change(is_full, outcome, &self.store) else { return };
        if self.is_full.swap(now_full, Ordering::Relaxed) == now_full {
            // Another delivery has found it at the same time.
            return;
        }
        let (source, capacity, ids) = (self.source.as_str(), self.store.capacity(), self.store.ids());
        if now_full {
            tracing::warn!(
                source,
                capacity,
                ids,
                retain = ?self.store.retain().unwrap_or_default(),
                "the replay store is full: new messages are rejected with 503 (store_full) until ids expire; \
                 raise `capacity` of this source, or give the server of the store more room"
            );
        } else {
            tracing::warn!(source, capacity, ids, "the replay store has room again");
        }
    }
}

/// What a delivery says of the store, if it is not what is known already.
///
/// A store that was full counts as having room once a message was claimed and a twentieth is free, so
/// that one that is about full does not change its state with each delivery.
fn change(was_full: bool, outcome: &Outcome, store: &SourceStore) -> Option<bool> {
    match outcome {
        Outcome::Rejected(Rejection::StoreFull) => (!was_full).then_some(true),
        Outcome::Confirmed | Outcome::Released | Outcome::Unrecorded if was_full => {
            let has_room =
                store.capacity().zip(store.ids()).is_none_or(|(capacity, ids)| ids <= capacity - capacity / 20);
            has_room.then_some(false)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use countersign::clock::{Clock, SystemClock};
    use countersign::replay::{Claim, MemoryStore, ReplayKey};

    use super::*;

    const FULL: Outcome = Outcome::Rejected(Rejection::StoreFull);

    fn store(capacity: usize, ids: usize) -> SourceStore {
        let store = MemoryStore::builder().capacity(capacity).build();
        for id in 0..ids {
            let key = ReplayKey::parse("source", &format!("msg_{id}")).expect("a good key");
            let claim = std::pin::pin!(store.claim(key, Duration::from_mins(1), SystemClock.read()));
            let claimed = claim.poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(claimed, Poll::Ready(Ok(Claim::Fresh(_)))));
        }
        SourceStore::Memory(Arc::new(store))
    }

    #[test]
    fn a_store_is_full_from_its_first_rejection_until_a_twentieth_is_free() {
        assert_eq!(change(false, &FULL, &store(100, 100)), Some(true));
        assert_eq!(change(true, &FULL, &store(100, 100)), None);
        assert_eq!(change(false, &Outcome::Confirmed, &store(100, 50)), None);
        assert_eq!(change(true, &Outcome::Confirmed, &store(100, 96)), None);
        assert_eq!(change(true, &Outcome::Confirmed, &store(100, 95)), Some(false));
        assert_eq!(change(true, &Outcome::Released, &store(100, 95)), Some(false));
        // These may have made no claim.
        assert_eq!(change(true, &Outcome::Duplicate, &store(100, 0)), None);
        assert_eq!(change(true, &Outcome::Abandoned, &store(100, 0)), None);
        assert_eq!(change(true, &Outcome::Rejected(Rejection::InFlight), &store(100, 0)), None);
        // A twentieth of a small store is nothing: any claim shows that there is room.
        assert_eq!(change(true, &Outcome::Confirmed, &store(1, 1)), Some(false));
        assert_eq!(change(true, &FULL, &store(0, 0)), None);
    }
}
