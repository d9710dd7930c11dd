//! The state that the API and the sending task share.

use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign::UnixTime;
use countersign::clock::SystemClock;
use tokio::sync::Notify;

use crate::clock::EmulatedClock;
use crate::world::World;

/// The path at which the public keys of dynamic webhooks are published.
pub(crate) const JWKS_PATH: &str = "/.well-known/jwks.json";
/// Where the inspector is.
pub(crate) const INSPECTOR_PATH: &str = "/_emulator/inspect";

/// The world behind its lock, and the facts about the running emulator.
pub(crate) struct Shared {
    world: Mutex<World>,
    pub(crate) clock: EmulatedClock<SystemClock>,
    /// Notified after every change that may make a delivery due.
    pub(crate) news: Notify,
    pub(crate) base_url: String,
    pub(crate) seed: u64,
    /// The newest generation of published keys whose creation has started.
    pub(crate) generation: AtomicU32,
    /// Accept any `Host`: an emulator that listens beyond loopback cannot know its own names.
    pub(crate) any_host: bool,
}

impl Shared {
    pub(crate) fn new(
        world: World,
        clock: EmulatedClock<SystemClock>,
        base_url: String,
        seed: u64,
        any_host: bool,
    ) -> Self {
        let (world, news, generation) = (Mutex::new(world), Notify::new(), AtomicU32::new(1));
        Self { world, clock, news, base_url, seed, generation, any_host }
    }

    /// The world at the current emulated time, which is returned as well. Never hold the guard across an
    /// `.await`.
    pub(crate) fn world(&self) -> (MutexGuard<'_, World>, UnixTime) {
        // A panic while the lock was held leaves nothing half-done that matters to an emulator.
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        world.advance_to(now);
        (world, now)
    }
}
