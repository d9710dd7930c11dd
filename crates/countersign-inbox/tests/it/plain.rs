//! A plain inbox in memory, with faults that can be chosen.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use countersign::clock::ClockReading;
use countersign::replay::{ReplayKey, Settled};
use countersign_inbox::{
    Backlog, Delivery, DeliveryId, Enqueued, Filter, Inbox, InboxError, Keep, Leased, NewDelivery, NewMessage, Pending,
    Receipt, State, StoredMessage,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    ForgetsIds,
    IgnoresSources,
    DeliversToOneDestination,
    AcceptsOldReceipts,
    VoidsLateReceipts,
    RetriesAtOnce,
    LeasesDeadLetters,
    KeepsAttempts,
    RequeuesLeased,
    ForgetsDiscarded,
    DiscardsLeased,
    NewestFirst,
    IgnoresFilter,
    ExpiresAll,
    GrowsWithoutLimit,
    TrustsTheWallClock,
    WaitsForPolls,
    ForgetsPauses,
    CountsEnded,
    MistakesTheOldest,
    IsDueLate,
    LosesFirstLeases,
    LeasesAll,
    CountsUnused,
}

pub(crate) struct Plain {
    capacity: usize,
    fault: Fault,
    world: Mutex<World>,
    /// How often it was asked for deliveries.
    pub(crate) leases: AtomicU32,
    /// How many of the next results are not recorded, because it is unavailable.
    pub(crate) outage: AtomicU32,
}

#[derive(Default)]
struct World {
    ids: HashMap<(String, String), Instant>,
    rows: Vec<Row>,
    paused: BTreeSet<String>,
    ids_given: u64,
    numbers_given: u64,
}

struct Row {
    delivery: Delivery,
    message: StoredMessage,
    due: Instant,
    number: u64,
}

impl Row {
    /// Leases the delivery.
    fn give(&mut self, numbers_given: &mut u64, until: Instant) -> Leased {
        *numbers_given += 1;
        (self.number, self.due, self.delivery.state) = (*numbers_given, until, State::Leased);
        self.delivery.attempts += 1;
        Leased {
            receipt: Receipt::new(self.delivery.id, self.number),
            attempt: self.delivery.attempts,
            since: self.delivery.since,
            message: self.message.clone(),
        }
    }
}

impl Plain {
    pub(crate) fn new(capacity: usize, fault: Fault) -> Self {
        Self { capacity, fault, world: Mutex::default(), leases: AtomicU32::new(0), outage: AtomicU32::new(0) }
    }

    fn at(&self, now: ClockReading) -> Instant {
        if self.fault == Fault::TrustsTheWallClock {
            // An arbitrary origin that a day earlier does not underflow.
            return now.monotonic + Duration::from_millis(now.wall.as_millis() / 1000);
        }
        now.monotonic
    }

    fn run<T: Send + 'static>(&self, act: impl FnOnce(&mut World) -> Result<T, InboxError>) -> Pending<T> {
        let found = act(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner));
        Box::pin(std::future::ready(found))
    }

    fn settle(
        &self,
        receipt: &Receipt,
        now: ClockReading,
        change: impl FnOnce(&mut Row, Instant) + Send + 'static,
    ) -> Pending<Settled> {
        let (now, fault) = (self.at(now), self.fault);
        let (id, number) = (receipt.delivery(), receipt.number());
        if self.outage.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Box::pin(std::future::ready(Err(InboxError::unavailable("an outage"))));
        }
        self.run(|world| {
            let valid = |row: &&mut Row| {
                row.delivery.id == id
                    && row.delivery.state == State::Leased
                    && (row.number == number || fault == Fault::AcceptsOldReceipts)
                    && (row.due > now || fault != Fault::VoidsLateReceipts)
            };
            let Some(row) = world.rows.iter_mut().find(valid) else { return Ok(Settled::Superseded) };
            row.due = now;
            change(row, now);
            Ok(Settled::Recorded)
        })
    }
}

impl Inbox for Plain {
    fn enqueue_leased(&self, new: NewMessage, now: ClockReading) -> Pending<(Enqueued, Vec<Leased>)> {
        let (wall, now, fault, capacity) = (now.wall, self.at(now), self.fault, self.capacity);
        let source = if fault == Fault::IgnoresSources { "" } else { new.message.key.source() };
        let id = (source.to_owned(), new.message.key.message_id().as_str().to_owned());
        self.run(|world| {
            let known = world.ids.get(&id).is_some_and(|until| *until > now);
            if known && fault != Fault::ForgetsIds {
                return Ok((Enqueued::Duplicate, Vec::new()));
            }
            if world.rows.len() >= capacity && fault != Fault::GrowsWithoutLimit {
                return Err(InboxError::Full);
            }
            world.ids.insert(id, now + new.retain);
            let mut leased = Vec::new();
            for NewDelivery { destination, lease } in new.deliveries() {
                world.ids_given += 1;
                let delivery = Delivery {
                    id: DeliveryId::new(world.ids_given),
                    key: new.message.key.clone(),
                    event_type: new.message.event_type.clone(),
                    destination: destination.clone(),
                    state: State::Waiting,
                    attempts: 0,
                    since: wall,
                    due: wall,
                    last_error: None,
                };
                let mut row = Row { delivery, message: new.message.clone(), due: now, number: 0 };
                let lease = lease.or((fault == Fault::LeasesAll).then_some(Duration::from_secs(2)));
                if let Some(lease) = lease {
                    leased.push(row.give(&mut world.numbers_given, now + lease));
                    if fault == Fault::LosesFirstLeases {
                        (row.due, row.delivery.state) = (now, State::Waiting);
                    }
                }
                world.rows.push(row);
                if fault == Fault::DeliversToOneDestination {
                    break;
                }
            }
            Ok((Enqueued::Stored, leased))
        })
    }

    fn lease(&self, destination: &str, max: usize, lease: Duration, now: ClockReading) -> Pending<Vec<Leased>> {
        let (now, fault) = (self.at(now), self.fault);
        self.leases.fetch_add(1, Ordering::SeqCst);
        self.run(|world| {
            let ended: &[State] =
                if fault == Fault::LeasesDeadLetters { &[State::Done] } else { &[State::Done, State::Dead] };
            let World { rows, numbers_given, .. } = world;
            let mut due: Vec<_> = rows
                .iter_mut()
                .filter(|row| row.delivery.destination == destination && row.due <= now)
                .filter(|row| !ended.contains(&row.delivery.state))
                .collect();
            due.sort_by_key(|row| row.due);
            if fault == Fault::NewestFirst {
                due.reverse();
            }
            Ok(due.into_iter().take(max).map(|row| row.give(numbers_given, now + lease)).collect())
        })
    }

    fn acknowledge(&self, receipt: Receipt, now: ClockReading) -> Pending<Settled> {
        if self.fault == Fault::WaitsForPolls {
            // The change is lost with the future.
            return self.settle(&receipt, now, |_, _| {});
        }
        self.settle(&receipt, now, |row, _| row.delivery.state = State::Done)
    }

    fn retry(&self, receipt: Receipt, delay: Duration, error: &str, now: ClockReading) -> Pending<Settled> {
        let (error, fault) = (error.to_owned(), self.fault);
        self.settle(&receipt, now, move |row, now| {
            row.due = if fault == Fault::RetriesAtOnce { now } else { now + delay };
            (row.delivery.state, row.delivery.last_error) = (State::Waiting, Some(error));
        })
    }

    fn dead_letter(&self, receipt: Receipt, error: &str, now: ClockReading) -> Pending<Settled> {
        let error = error.to_owned();
        self.settle(&receipt, now, |row, _| {
            (row.delivery.state, row.delivery.last_error) = (State::Dead, Some(error));
        })
    }

    fn give_back(&self, receipt: Receipt, now: ClockReading) -> Pending<Settled> {
        let unused = u32::from(self.fault != Fault::CountsUnused);
        self.settle(&receipt, now, move |row, _| {
            row.delivery.state = State::Waiting;
            row.delivery.attempts -= unused;
        })
    }

    fn requeue(&self, delivery: DeliveryId, now: ClockReading) -> Pending<bool> {
        let (wall, now, fault) = (now.wall, self.at(now), self.fault);
        self.run(|world| {
            let Some(row) = world.rows.iter_mut().find(|row| row.delivery.id == delivery) else { return Ok(false) };
            if row.delivery.state == State::Leased && fault != Fault::RequeuesLeased {
                return Ok(false);
            }
            (row.due, row.delivery.state, row.delivery.since) = (now, State::Waiting, wall);
            if fault != Fault::KeepsAttempts {
                row.delivery.attempts = 0;
            }
            Ok(true)
        })
    }

    fn discard(&self, delivery: DeliveryId, _: ClockReading) -> Pending<bool> {
        let fault = self.fault;
        self.run(|world| {
            let is_free = |row: &Row| row.delivery.state != State::Leased || fault == Fault::DiscardsLeased;
            let found = world.rows.iter().position(|row| row.delivery.id == delivery && is_free(row));
            let Some(position) = found else { return Ok(false) };
            let key = world.rows.remove(position).message.key;
            if fault == Fault::ForgetsDiscarded {
                world.ids.remove(&(key.source().to_owned(), key.message_id().as_str().to_owned()));
            }
            Ok(true)
        })
    }

    fn list(&self, filter: Filter) -> Pending<Vec<Delivery>> {
        let fault = self.fault;
        self.run(|world| {
            let same = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
            let key = |row: &Row, source: &Option<String>, id: &Option<String>| {
                let key: &ReplayKey = &row.message.key;
                same(source, key.source()) && same(id, key.message_id().as_str())
            };
            let admits = |row: &&Row| {
                fault == Fault::IgnoresFilter
                    || filter.state.is_none_or(|state| state == row.delivery.state)
                        && key(row, &filter.source, &filter.message_id)
                        && same(&filter.destination, &row.delivery.destination)
                        && same(&filter.event_type, row.message.event_type.as_deref().unwrap_or_default())
                        && filter.received_from.is_none_or(|from| row.message.received >= from)
                        && filter.received_before.is_none_or(|before| row.message.received < before)
                        && filter.older_than.is_none_or(|newer| row.delivery.id < newer)
            };
            let rows = world.rows.iter().rev().filter(admits).take(filter.limit);
            Ok(rows.map(|row| row.delivery.clone()).collect())
        })
    }

    fn message(&self, delivery: DeliveryId) -> Pending<Option<StoredMessage>> {
        self.run(|world| Ok(world.rows.iter().find(|row| row.delivery.id == delivery).map(|row| row.message.clone())))
    }

    fn expire(&self, keep: Keep, limit: usize, now: ClockReading) -> Pending<usize> {
        let (now, fault) = (self.at(now), self.fault);
        self.run(|world| {
            let mut removed = 0;
            world.rows.retain(|row| {
                let keep = match row.delivery.state {
                    State::Done => row.due + keep.done > now,
                    State::Dead => row.due + keep.dead > now,
                    State::Waiting | State::Leased => fault != Fault::ExpiresAll,
                };
                let keep = keep || removed == limit;
                removed += usize::from(!keep);
                keep
            });
            Ok(removed)
        })
    }

    fn pause(&self, destination: &str, is_paused: bool) -> Pending<bool> {
        let (destination, fault) = (destination.to_owned(), self.fault);
        self.run(|world| {
            if fault == Fault::ForgetsPauses {
                return Ok(is_paused);
            }
            Ok(if is_paused { world.paused.insert(destination) } else { world.paused.remove(&destination) })
        })
    }

    fn paused(&self) -> Pending<Vec<String>> {
        self.run(|world| Ok(world.paused.iter().cloned().collect()))
    }

    fn backlog(&self) -> Pending<Vec<Backlog>> {
        let fault = self.fault;
        self.run(|world| {
            let mut entries = BTreeMap::<_, Backlog>::new();
            for Row { delivery: Delivery { destination, state, since, .. }, .. } in &world.rows {
                if *state == State::Done && fault != Fault::CountsEnded {
                    continue;
                }
                let entry = entries.entry(destination).or_insert_with(|| Backlog {
                    destination: destination.clone(),
                    waiting: 0,
                    leased: 0,
                    dead: 0,
                    oldest: None,
                });
                match state {
                    State::Waiting => entry.waiting += 1,
                    State::Leased => entry.leased += 1,
                    State::Done | State::Dead => entry.dead += 1,
                }
                if *state != State::Dead || fault == Fault::MistakesTheOldest {
                    entry.oldest = Some(entry.oldest.map_or(*since, |oldest| oldest.min(*since)));
                }
            }
            Ok(entries.into_values().collect())
        })
    }

    fn next_due(&self, destination: &str, now: ClockReading) -> Pending<Option<Duration>> {
        let (now, destination) = (self.at(now), destination.to_owned());
        let late = if self.fault == Fault::IsDueLate { Duration::from_secs(5) } else { Duration::ZERO };
        self.run(|world| {
            let open = |row: &&Row| matches!(row.delivery.state, State::Waiting | State::Leased);
            let rows = world.rows.iter().filter(open).filter(|row| row.delivery.destination == destination);
            Ok(rows.map(|row| row.due.saturating_duration_since(now) + late).min())
        })
    }
}
