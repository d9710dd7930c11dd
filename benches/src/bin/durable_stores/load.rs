//! Callers in a closed loop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::UnixTime;
use countersign::clock::{Clock, SystemClock};
use countersign::replay::{Claim, ReplayKey, ReplayStore, Settled};
use countersign_benches::deliveries::message_id;
use countersign_inbox::{Enqueued, Headers, Inbox, NewMessage, StoredMessage};
use http::HeaderValue;
use tokio::task::JoinSet;

pub(crate) const BODY: [u8; 252] = [b'x'; 252];
pub(crate) const RETAIN: Duration = Duration::from_hours(25);
const LEASE: Duration = Duration::from_mins(1);

/// Operations in a second, and the time that 99 of 100 did not exceed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) p99: Duration,
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

pub(crate) fn headers() -> Headers {
    let text = HeaderValue::from_static("a value as long as those that describe a delivery");
    let names = ["webhook-id", "webhook-timestamp", "countersign-verdict", "countersign-key"];
    names.into_iter().map(|name| (http::HeaderName::from_static(name), text.clone())).collect()
}

/// Measures `work` with so many callers for this time.
pub(crate) async fn of<S>(store: S, claims: impl ReplayStore, work: &str, callers: usize, time: Duration) -> Measured
where
    S: Inbox + Clone,
{
    let (claims, is_enqueue, headers) = (Arc::new(claims), work == "enqueue", headers());
    let (start, mut running) = (SystemClock.instant(), JoinSet::new());
    for caller in 0..callers {
        let (store, claims, headers) = (store.clone(), Arc::clone(&claims), headers.clone());
        running.spawn(async move {
            let mut times = Vec::new();
            while since(start) < time {
                let id = message_id(caller as u64 + 1, times.len() as u64);
                let key = ReplayKey::parse("bench", id.as_str()).expect("a key");
                let (before, now) = (SystemClock.instant(), SystemClock.read());
                if is_enqueue {
                    let message = StoredMessage {
                        key,
                        event_type: Some("batch.succeeded".to_owned()),
                        path: "/hook".to_owned(),
                        headers: headers.clone(),
                        body: BODY.to_vec().into(),
                        received: UnixTime::from_secs(1_700_000_000),
                    };
                    let found = store.enqueue(NewMessage::new(message, "backend", RETAIN), now).await;
                    assert_eq!(found.expect("a store that works"), Enqueued::Stored);
                } else {
                    let Ok(Claim::Fresh(token)) = claims.claim(key, LEASE, now).await else { panic!("no fresh claim") };
                    assert_eq!(claims.confirm(token, now).await, Ok(Settled::Recorded));
                }
                times.push(since(before));
            }
            times
        });
    }
    let mut times: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    measured(&mut times, since(start))
}

fn measured(times: &mut [Duration], total: Duration) -> Measured {
    times.sort_unstable();
    let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    Measured { per_second: count(times.len()) / total.as_secs_f64(), p99 }
}

/// How many operations a second the engine alone carries out. `batch` carries out some, and returns how many.
pub(crate) fn of_batches(time: Duration, mut batch: impl FnMut(u64) -> usize) -> Measured {
    let (start, mut done, mut longest) = (SystemClock.instant(), 0, Duration::ZERO);
    for number in 0.. {
        let before = SystemClock.instant();
        done += batch(number);
        longest = longest.max(since(before));
        if since(start) > time {
            break;
        }
    }
    Measured { per_second: count(done) / since(start).as_secs_f64(), p99: longest }
}

/// The time since an instant.
pub(crate) fn since(start: Instant) -> Duration {
    SystemClock.instant() - start
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("a count"))
}
