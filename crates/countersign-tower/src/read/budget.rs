use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A limit on the memory that the bodies of all requests use together.
///
/// A server can count other memory of its requests against the same limit with [`reserve`](Self::reserve), for example
/// their heads.
///
/// Clones share the limit, so one budget can serve several layers. Bytes are counted when they arrive, so a sender
/// occupies only as many bytes as it has sent, however many it announced. A request whose body exceeds the budget is
/// rejected with 503 and `Retry-After` ([`Rejection::OverBudget`](crate::Rejection::OverBudget)).
///
/// The bytes are returned when the service responds, or when the request's future is dropped. A body that the service
/// keeps for longer is not counted, and neither is unused space in the server's read buffer.
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
    /// Creates a budget with this many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { account: Arc::new(Account { capacity: bytes, in_use: AtomicUsize::new(0), peak: AtomicUsize::new(0) }) }
    }

    /// The limit, in bytes.
    pub fn capacity(&self) -> usize {
        self.account.capacity
    }

    /// The number of bytes that are in use right now.
    pub fn in_use(&self) -> usize {
        self.account.in_use.load(Ordering::Relaxed)
    }

    /// The highest number of bytes that were ever in use at one time.
    pub fn peak(&self) -> usize {
        self.account.peak.load(Ordering::Relaxed)
    }

    /// Reserves this many bytes until the reservation is dropped.
    ///
    /// # Errors
    /// Reserves nothing if they do not fit right now.
    ///
    /// ```
    /// use countersign_tower::{BodyBudget, read::OverBudget};
    ///
    /// let budget = BodyBudget::new(100);
    /// let head = budget.reserve(60)?;
    /// assert_eq!(budget.reserve(60).err(), Some(OverBudget));
    /// drop(head);
    /// assert_eq!(budget.in_use(), 0);
    /// # Ok::<_, OverBudget>(())
    /// ```
    pub fn reserve(&self, bytes: usize) -> Result<Reservation, OverBudget> {
        let mut reservation = self.open();
        reservation.grow(bytes)?;
        Ok(reservation)
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

/// Bytes reserved from a [`BodyBudget`], returned to it on drop.
#[derive(Debug)]
#[must_use = "the bytes return to the budget when this is dropped"]
pub struct Reservation {
    budget: BodyBudget,
    bytes: usize,
}

impl Reservation {
    /// How many bytes are reserved.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether this many more bytes fit right now. Reserves nothing.
    pub(crate) fn has_room_for(&self, bytes: u64) -> bool {
        bytes <= self.budget.capacity().saturating_sub(self.budget.in_use()) as u64
    }

    /// Moves up to this many bytes into a separate reservation.
    pub fn split_off(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { budget: self.budget.clone(), bytes }
    }

    /// Reserves this many more bytes.
    ///
    /// # Errors
    /// Reserves none of them if they do not fit right now.
    pub fn grow(&mut self, bytes: usize) -> Result<(), OverBudget> {
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

/// The budget has no room for more bytes right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverBudget;

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the memory budget has no room for more bytes right now; try again later")
    }
}

impl std::error::Error for OverBudget {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_reservation_reserves_nothing_and_a_drop_returns_everything() {
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

    #[test]
    fn a_split_reservation_is_returned_in_parts() {
        let budget = BodyBudget::new(10);
        let mut whole = budget.reserve(8).unwrap();
        assert_eq!(budget.reserve(3).err(), Some(OverBudget));
        let part = whole.split_off(5);
        assert_eq!((whole.bytes(), part.bytes(), budget.in_use()), (3, 5, 8));
        drop(part);
        assert_eq!((budget.in_use(), whole.split_off(9).bytes(), whole.bytes()), (3, 3, 0));
        assert_eq!(budget.in_use(), 0);
    }
}
