//! The last requests, in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use countersign::{UnixTime, Verified};
use http::StatusCode;

use crate::connection::Peer;
use crate::unrouted::Unrouted;
use crate::unverified::{KeptUnverified, Unverified};

/// How many bytes of bodies and headers are kept of each kind.
const MAX_BODIES: usize = 16 << 20;

/// The last requests. Clones share them.
///
/// Verified requests and all others are kept apart, so that nobody without a key can push out the verified ones.
#[derive(Clone)]
pub struct Recent(Arc<Shared>);

struct Shared {
    /// How many are kept of each kind.
    most: usize,
    with_bodies: bool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    last: u64,
    verified: Queue,
    others: Queue,
}

/// Requests of one kind, oldest first.
#[derive(Default)]
struct Queue {
    requests: VecDeque<Numbered>,
    /// How many bytes of bodies and headers they have.
    bytes: usize,
}

/// A request with its number. A later request has a larger one.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// The number.
    pub number: u64,
    /// The request.
    pub seen: Arc<Seen>,
}

/// One request that has ended.
#[derive(Debug)]
pub struct Seen {
    /// When it ended.
    pub at: UnixTime,
    /// The name of its route, or `none`.
    pub route: Arc<String>,
    /// The stable name of its outcome.
    pub outcome: &'static str,
    /// The reason, for outcomes that have one.
    pub reason: Option<&'static str>,
    /// What its rejection says to the developer of the sender.
    pub explanation: Option<String>,
    /// The status of the response, if there was one.
    pub status: Option<StatusCode>,
    /// The time from the arrival of its head to its end.
    pub latency: Duration,
    /// The time that it took to verify its body, if it was verified.
    pub verification_time: Option<Duration>,
    /// Whether an expired secret of the source matches its signature.
    pub fits_expired_secret: bool,
    /// The address of the client, if it is known.
    pub peer: Option<Peer>,
    /// What it asked for, if there is no such route.
    pub unrouted: Option<Unrouted>,
    /// What it delivered, if it was verified.
    pub message: Option<Message>,
    /// What can be explained, if its signature was rejected.
    pub unverified: Option<KeptUnverified>,
}

/// What a verified request delivered.
#[derive(Debug)]
pub struct Message {
    /// Its source.
    pub source: String,
    /// Its message id.
    pub id: String,
    /// The signature scheme.
    pub scheme: &'static str,
    /// The label of the key that verified it.
    pub key: String,
    /// When it was signed.
    pub signed: UnixTime,
    /// The event type, if it has one.
    pub event_type: Option<String>,
    /// The length of its body, in bytes.
    pub body_length: usize,
    /// The body, if bodies are kept.
    pub body: Option<Bytes>,
}

impl Recent {
    /// Keeps the last `most` verified requests and as many others, `with_bodies` if their bodies may be shown.
    pub fn new(most: usize, with_bodies: bool) -> Self {
        Self(Arc::new(Shared { most, with_bodies, kept: Mutex::default() }))
    }

    /// What a verified request delivered, with its body if bodies may be shown.
    pub fn message(&self, verified: &Verified) -> Message {
        Message {
            source: verified.source().to_owned(),
            id: verified.message_id().as_str().to_owned(),
            scheme: verified.scheme().as_str(),
            key: verified.key_label().to_owned(),
            signed: verified.timestamp(),
            event_type: verified.event_type().map(|event_type| event_type.to_string()),
            body_length: verified.body().len(),
            // A copy, because the body may be a part of a larger buffer.
            body: self.0.with_bodies.then(|| Bytes::copy_from_slice(verified.body())),
        }
    }

    /// What can be explained of a request whose signature was rejected.
    pub fn unverified(&self, unverified: &Unverified<'_>) -> KeptUnverified {
        unverified.keep(self.0.with_bodies)
    }

    /// Keeps this request.
    pub fn keep(&self, seen: Seen) {
        self.kept().push(Arc::new(seen), self.0.most);
    }

    /// The oldest requests with numbers above `after`, at most `limit`, in the order in which they ended.
    pub fn after(&self, after: u64, limit: usize) -> Vec<Numbered> {
        let kept = self.kept();
        let newer = |queue: &Queue| {
            let from = queue.requests.partition_point(|one| one.number <= after);
            queue.requests.range(from..).take(limit).cloned().collect::<Vec<_>>()
        };
        let mut found = [newer(&kept.verified), newer(&kept.others)].concat();
        drop(kept);
        found.sort_by_key(|one| one.number);
        found.truncate(limit);
        found
    }

    /// The request with this number, if it is still kept.
    pub fn get(&self, number: u64) -> Option<Numbered> {
        self.after(number.checked_sub(1)?, 1).pop().filter(|one| one.number == number)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn push(&mut self, seen: Arc<Seen>, most: usize) {
        self.last += 1;
        let queue = if seen.message.is_some() { &mut self.verified } else { &mut self.others };
        queue.push(Numbered { number: self.last, seen }, most);
    }
}

impl Queue {
    fn push(&mut self, one: Numbered, most: usize) {
        self.bytes += one.seen.bytes();
        self.requests.push_back(one);
        while self.requests.len() > most || self.bytes > MAX_BODIES {
            let Some(oldest) = self.requests.pop_front() else { break };
            self.bytes -= oldest.seen.bytes();
        }
    }
}

impl Seen {
    fn bytes(&self) -> usize {
        let body = self.message.as_ref().and_then(|message| message.body.as_ref()).map_or(0, Bytes::len);
        body + self.unverified.as_ref().map_or(0, KeptUnverified::size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(reason: &'static str, body: Option<usize>) -> Seen {
        let message = |length| Message {
            source: "test".to_owned(),
            id: "msg_1".to_owned(),
            scheme: "v1",
            key: "test".to_owned(),
            signed: UnixTime::from_secs(1),
            event_type: None,
            body_length: length,
            body: Some(vec![0; length].into()),
        };
        Seen {
            at: UnixTime::from_secs(1),
            route: Arc::default(),
            outcome: "refused",
            reason: Some(reason),
            explanation: None,
            status: None,
            latency: Duration::ZERO,
            verification_time: None,
            fits_expired_secret: false,
            peer: None,
            unrouted: None,
            message: body.map(message),
            unverified: None,
        }
    }

    fn reasons(recent: &Recent, after: u64, limit: usize) -> Vec<(u64, &'static str)> {
        let found = recent.after(after, limit);
        found.iter().map(|one| (one.number, one.seen.reason.expect("a reason"))).collect()
    }

    #[test]
    fn only_the_last_are_kept_and_read_in_pages() {
        let recent = Recent::new(3, false);
        for reason in ["one", "two", "three", "four"] {
            recent.keep(seen(reason, None));
        }
        assert_eq!(reasons(&recent, 0, 10), [(2, "two"), (3, "three"), (4, "four")]);
        assert_eq!(reasons(&recent, 2, 1), [(3, "three")]);
        assert_eq!(reasons(&recent, 4, 10), []);
        assert_eq!(recent.get(3).and_then(|one| one.seen.reason), Some("three"));
        assert!([0, 1, 5].iter().all(|number| recent.get(*number).is_none()));
    }

    #[test]
    fn a_flood_of_unverified_requests_leaves_the_verified_ones() {
        let recent = Recent::new(2, true);
        recent.keep(seen("verified", Some(1)));
        for _ in 0..10 {
            recent.keep(seen("forged", None));
        }
        assert_eq!(reasons(&recent, 0, 10), [(1, "verified"), (10, "forged"), (11, "forged")]);
    }

    #[test]
    fn bodies_are_kept_up_to_a_limit() {
        let recent = Recent::new(10, true);
        for reason in ["one", "two", "three"] {
            recent.keep(seen(reason, Some(MAX_BODIES / 2)));
        }
        assert_eq!(reasons(&recent, 0, 10), [(2, "two"), (3, "three")]);
        recent.keep(seen("large", Some(MAX_BODIES + 1)));
        assert_eq!(reasons(&recent, 0, 10), []);
        recent.keep(seen("last", Some(MAX_BODIES)));
        assert_eq!(reasons(&recent, 0, 10), [(5, "last")]);
    }
}
