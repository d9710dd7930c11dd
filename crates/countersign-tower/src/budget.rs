use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A cap on the bytes of bodies that are held at one time, over all requests.
///
/// A clone counts on the same account, so one budget can serve several layers. Bytes are counted as they
/// arrive, not as they are announced: a sender takes no more of it than it has sent. What would go over
/// the cap is refused with 503 and `Retry-After` ([`Refusal::OverBudget`](crate::Refusal::OverBudget)).
/// They are given back when the service has answered, or with the future that is dropped; a service that
/// keeps a body for longer, or spare room in a server's read buffer, is not counted.
///
/// ```
/// use countersign_tower::BodyBudget;
///
/// let budget = BodyBudget::new(64 * 1024 * 1024);
/// assert_eq!((budget.capacity(), budget.in_use()), (64 * 1024 * 1024, 0));
/// ```
#[derive(Clone)]
pub struct BodyBudget {
    account: Arc<Account>,
}

struct Account {
    capacity: usize,
    in_use: AtomicUsize,
    peak: AtomicUsize,
}

impl BodyBudget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { account: Arc::new(Account { capacity: bytes, in_use: AtomicUsize::new(0), peak: AtomicUsize::new(0) }) }
    }

    /// The cap, in bytes.
    pub fn capacity(&self) -> usize {
        self.account.capacity
    }

    /// How many bytes are held right now.
    pub fn in_use(&self) -> usize {
        self.account.in_use.load(Ordering::Relaxed)
    }

    /// The most bytes that were ever held at one time.
    pub fn peak(&self) -> usize {
        self.account.peak.load(Ordering::Relaxed)
    }

    pub(crate) fn open(&self) -> Reservation {
        Reservation { budget: self.clone(), bytes: 0 }
    }
}

impl fmt::Debug for BodyBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyBudget").field("capacity", &self.capacity()).field("in_use", &self.in_use()).finish()
    }
}

/// One request's part of a budget; given back when it is dropped.
pub(crate) struct Reservation {
    budget: BodyBudget,
    bytes: usize,
}

impl Reservation {
    /// Whether so many more bytes fit right now. Nothing is taken by asking.
    pub(crate) fn has_room_for(&self, bytes: u64) -> bool {
        bytes <= self.budget.capacity().saturating_sub(self.budget.in_use()) as u64
    }

    /// Takes so many bytes more, or none if they do not fit.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), OverBudget> {
        let Account { capacity, in_use, peak } = &*self.budget.account;
        let fits = |held: usize| held.checked_add(bytes).filter(|held| held <= capacity);
        let before = in_use.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map_err(|_| OverBudget)?;
        peak.fetch_max(before + bytes, Ordering::Relaxed);
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.account.in_use.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// There is no room for more right now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OverBudget;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_takes_nothing_and_what_is_dropped_gives_all_back() {
        let budget = BodyBudget::new(10);
        let (mut one, mut other) = (budget.open(), budget.open());
        assert_eq!((one.grow(4), one.grow(3), other.grow(3)), (Ok(()), Ok(()), Ok(())));
        assert_eq!((other.grow(1), one.grow(usize::MAX)), (Err(OverBudget), Err(OverBudget)));
        assert!(other.has_room_for(0) && !other.has_room_for(1));
        drop(one);
        assert_eq!((budget.in_use(), budget.peak(), other.has_room_for(7)), (3, 10, true));
        drop(other);
        assert_eq!(budget.in_use(), 0);
    }
}
