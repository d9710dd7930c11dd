//! How much may wait for the server at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many messages may wait.
const MESSAGES: usize = 4_096;
/// The size of the messages that may wait, in KiB.
const KIB: usize = 64 << 10;

/// Room for messages that wait for the server.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    messages: Arc<Semaphore>,
    kib: Arc<Semaphore>,
}

/// The room that a message takes until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _message: OwnedSemaphorePermit,
    _kib: OwnedSemaphorePermit,
}

impl Default for Room {
    fn default() -> Self {
        Self { messages: Arc::new(Semaphore::new(MESSAGES)), kib: Arc::new(Semaphore::new(KIB)) }
    }
}

impl Room {
    /// Takes room for a message of this size, if there is enough. One that is larger than all room takes all.
    pub(crate) fn take(&self, bytes: usize) -> Option<Place> {
        let kib = u32::try_from(bytes.div_ceil(1 << 10).clamp(1, KIB)).ok()?;
        let message = Arc::clone(&self.messages).try_acquire_owned().ok()?;
        let kib = Arc::clone(&self.kib).try_acquire_many_owned(kib).ok()?;
        Some(Place { _message: message, _kib: kib })
    }

    /// How many messages wait.
    pub(crate) fn taken(&self) -> usize {
        MESSAGES.saturating_sub(self.messages.available_permits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_their_size_are_limited() {
        let room = Room::default();
        let all = room.take(usize::MAX);
        assert!(all.is_some() && room.take(1).is_none());
        drop(all);
        let many: Vec<_> = (0..MESSAGES).map_while(|_| room.take(0)).collect();
        assert_eq!((many.len(), room.taken()), (MESSAGES, MESSAGES));
        assert!(room.take(0).is_none());
        drop(many);
        assert!(room.take(1).is_some());
    }
}
