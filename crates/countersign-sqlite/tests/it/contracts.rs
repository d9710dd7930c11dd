//! The store keeps the replay contract and the inbox contract.

use std::cell::RefCell;
use std::time::Duration;

use countersign::UnixTime;
use countersign::clock::{Clock, ClockReading, ManualClock};
use countersign::replay::conformance as replay;
use countersign_inbox::conformance as inbox;
use countersign_sqlite::{Options, SqliteClaims, SqliteStore};

use crate::common::Place;

struct Files {
    clock: ManualClock,
    places: RefCell<Vec<Place>>,
}

impl Files {
    fn new() -> Self {
        Self { clock: ManualClock::new(UnixTime::from_secs(1_700_000_000)), places: RefCell::default() }
    }

    fn open(&self, options: Options) -> SqliteStore {
        let place = Place::new();
        let store = place.open(options);
        self.places.borrow_mut().push(place);
        store
    }
}

impl replay::Subject for Files {
    type Store = SqliteClaims;

    async fn store(&self, retain: Duration) -> SqliteClaims {
        self.open(Options::default()).claims(retain, 1000)
    }

    async fn small_store(&self, retain: Duration, capacity: usize) -> Option<SqliteClaims> {
        Some(self.open(Options::default()).claims(retain, capacity))
    }

    fn now(&self) -> ClockReading {
        self.clock.read()
    }

    async fn pass(&self, by: Duration) {
        self.clock.advance(by);
    }
}

impl inbox::Subject for Files {
    type Inbox = SqliteStore;

    async fn inbox(&self) -> SqliteStore {
        self.open(Options::default())
    }

    async fn small_inbox(&self, capacity: usize) -> Option<SqliteStore> {
        Some(self.open(Options::default().max_messages(u64::try_from(capacity).expect("small"))))
    }

    fn now(&self) -> ClockReading {
        self.clock.read()
    }

    async fn pass(&self, by: Duration) {
        self.clock.advance(by);
    }
}

#[tokio::test]
async fn the_store_keeps_the_replay_contract() {
    if let Err(violations) = replay::check(&Files::new()).await {
        panic!("{violations}");
    }
}

#[tokio::test]
async fn the_store_keeps_the_inbox_contract() {
    if let Err(violations) = inbox::check(&Files::new()).await {
        panic!("{violations}");
    }
}
