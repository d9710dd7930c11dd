//! An engine that the gateway was built without: there is no such store.

use std::future::Ready;
use std::path::Path;
use std::time::Duration;

use countersign::clock::ClockReading;
use countersign::replay::{Claim, ClaimToken, ReplayKey, ReplayStore, Settled, StoreError};

use super::figures::Figures;
use crate::config::{KeyPath, Problem};

/// Has no values.
#[derive(Clone, Debug)]
pub enum Store {}

/// A call of it.
pub(super) type Call<T> = std::future::Pending<Result<T, StoreError>>;

pub(super) fn open<Spec>(_: &Spec, _: &Path) -> Result<Store, Problem> {
    let message = "this gateway was built without the engine: build it with the Cargo feature of the same name, which is \
                   on by default, or use another engine";
    Err(Problem::at(&KeyPath::store().key("engine"), message))
}

pub(super) fn weaknesses(store: &Store) -> Result<Vec<String>, StoreError> {
    match *store {}
}

pub(super) fn figures(store: &Store) -> Figures {
    match *store {}
}

pub(super) fn works(store: &Store) -> Ready<bool> {
    match *store {}
}

#[cfg(not(feature = "postgres"))]
mod postgres {
    use std::sync::Arc;

    use countersign::replay::StoreError;
    use countersign_inbox::Inbox;

    use super::Store;

    pub(in super::super) fn inbox(store: &Store) -> Arc<dyn Inbox> {
        match *store {}
    }

    pub(in super::super) fn migrate(store: &Store) -> Result<(), StoreError> {
        match *store {}
    }

    pub(in super::super) fn schema() -> Option<String> {
        None
    }
}
#[cfg(not(feature = "postgres"))]
pub(super) use postgres::{inbox, migrate, schema};

impl Store {
    pub(super) fn with_retain(&self, _: Duration) -> Self {
        match *self {}
    }

    pub(super) fn forget(&self, _: ReplayKey) -> Call<bool> {
        match *self {}
    }
}

impl ReplayStore for Store {
    type Claiming = Call<Claim>;
    type Confirming = Call<Settled>;

    fn claim(&self, _: ReplayKey, _: Duration, _: ClockReading) -> Self::Claiming {
        match *self {}
    }

    fn confirm(&self, _: ClaimToken, _: ClockReading) -> Self::Confirming {
        match *self {}
    }

    fn release(&self, _: ClaimToken) {
        match *self {}
    }
}
