//! Everything at once: kills, upgrades, reloads, key rotation, a full disk, a backend that comes and goes, slow senders
//! and floods of forged deliveries. Whatever happens, nothing that was acknowledged is lost, nothing forged arrives, and
//! a message is handled again only if a disturbance came between its handling and the record of it.
//!
//! `make chaos` runs it for ten minutes (`CHAOS_SECONDS`). `CHAOS_SEED` repeats a plan.

mod backend;
mod fleet;
mod ledger;
mod plan;
mod senders;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use countersign::clock::{Clock as _, SystemClock};
use countersign_test::disk::Disk;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use backend::Moody;
use fleet::Fleet;
use ledger::Ledger;
use plan::{Action, Mood, Weather};
use senders::Traffic;

const GATEWAYS: usize = 2;
const SENDERS: usize = 6;
const FORGERS: usize = 3;
/// A gateway that holds more than that has a leak.
const MOST_MEMORY: usize = 256 << 20;
/// Beside its connections, each thread and the store hold some.
const MOST_FILES: usize = 400;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_nothing_is_lost_and_nothing_forged_arrives() {
    let seed = variable("CHAOS_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let length = Duration::from_secs(variable("CHAOS_SECONDS").unwrap_or(20));
    let title = format!("seed {seed}, {} s", length.as_secs());
    println!("chaos: {title} (repeat with CHAOS_SEED={seed} CHAOS_SECONDS={})", length.as_secs());
    let (disk, ledger) = (Disk::compile(), Arc::new(Ledger::default()));
    let mut moody = Moody::start(Arc::clone(&ledger)).await;
    let mut fleet = Fleet::start(GATEWAYS, moody.address(), &disk, Arc::clone(&ledger)).await;
    let traffic = Arc::new(Traffic::new(fleet.addresses(), Arc::clone(&ledger), fleet.secret()));
    let mut senders = JoinSet::new();
    (0..SENDERS).for_each(|_| drop(senders.spawn(Arc::clone(&traffic).send_genuine())));
    (0..FORGERS).for_each(|_| drop(senders.spawn(Arc::clone(&traffic).send_forged())));
    let measuring = tokio::spawn(fleet.measure());
    let end = SystemClock.instant() + length;
    let full = fleet.full_disk();
    {
        let weather = rain(seed, end, &mut moody, &traffic, &full);
        let actions = act(seed, end, &mut fleet, &traffic);
        tokio::join!(weather, actions);
    }
    traffic.is_over.store(true, Ordering::Relaxed);
    // The last messages are acknowledged, and then handled.
    let all = async { while senders.join_next().await.is_some_and(|sender| sender.is_ok()) {} };
    assert!(timeout(Duration::from_mins(1), all).await.is_ok(), "{title}: messages are not acknowledged");
    assert!(senders.is_empty(), "{title}: a sender has failed");
    let complete = async {
        while !ledger.entries().lost().is_empty() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let is_complete = timeout(Duration::from_secs(90), complete).await.is_ok();
    measuring.abort();
    let logs = fleet.stop().await;
    let entries = ledger.entries();
    println!("{}", entries.table(&title));
    assert!(is_complete, "{title}: acknowledged and lost: {:?}", entries.lost());
    assert_eq!(entries.intruders, Vec::<String>::new(), "{title}");
    let (_, unexplained) = entries.again();
    assert!(unexplained.is_empty(), "{title}: handled again without a cause: {unexplained:?}");
    assert!(entries.acknowledged.len() > 100, "{title}: only {} messages", entries.acknowledged.len());
    assert!(entries.most_memory < MOST_MEMORY && entries.most_memory > 0, "{title}: {} bytes", entries.most_memory);
    assert!(entries.most_files < MOST_FILES && entries.most_files > 0, "{title}: {} files", entries.most_files);
    assert!(!logs.contains("panicked"), "{title}: {logs}");
}

/// Changes what is around the processes.
async fn rain(seed: u64, end: Instant, moody: &mut Moody, traffic: &Traffic, full: &std::path::Path) {
    let ledger = &traffic.ledger;
    for (length, weather) in plan::weather(seed) {
        if SystemClock.instant() >= end {
            break;
        }
        let name = weather.name();
        let is_disturbing = !matches!(weather, Weather::Calm | Weather::Flood);
        {
            let mut entries = ledger.entries();
            if weather != Weather::Calm {
                *entries.done.entry(name).or_default() += 1;
            }
            if is_disturbing {
                entries.begin(name, SystemClock.instant());
            }
        }
        match weather {
            Weather::Calm => {}
            Weather::Backend(mood) => moody.change(mood).await,
            Weather::DiskFull => std::fs::write(full, "").expect("a file"),
            Weather::Flood => traffic.is_flood.store(true, Ordering::Relaxed),
        }
        sleep(length).await;
        match weather {
            Weather::Calm => {}
            Weather::Backend(_) => moody.change(Mood::Good).await,
            Weather::DiskFull => std::fs::remove_file(full).expect("a file"),
            Weather::Flood => traffic.is_flood.store(false, Ordering::Relaxed),
        }
        if is_disturbing {
            ledger.entries().end(name, SystemClock.instant());
        }
    }
}

/// Acts on the processes, and waits each time until they are ready again.
async fn act(seed: u64, end: Instant, fleet: &mut Fleet, traffic: &Traffic) {
    for (pause, action) in plan::actions(seed, GATEWAYS) {
        sleep(pause).await;
        if SystemClock.instant() >= end {
            break;
        }
        *traffic.ledger.entries().done.entry(action.name()).or_default() += 1;
        match action {
            Action::Kill(gateway) => {
                traffic.ledger.entries().begin(action.name(), SystemClock.instant());
                fleet.kill(gateway).await;
                traffic.ledger.entries().end(action.name(), SystemClock.instant());
            }
            Action::Upgrade(gateway) => fleet.upgrade(gateway).await,
            Action::Reload(gateway) => fleet.reload(gateway).await,
            Action::Rotate => {
                let secret = fleet.rotate().await;
                *traffic.secret.lock().expect("no sender panics") = secret;
            }
        }
        fleet.wait_until_ready().await;
    }
}
