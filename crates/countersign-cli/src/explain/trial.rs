//! Trying a signature: signs a changed delivery with the available keys, and compares.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use countersign::sign::Signer;
use countersign::{MessageId, UnixTime, Verifier};
use http::{HeaderMap, HeaderValue};

use super::case::Case;
use super::key::Key;

/// The length of an Ed25519 signature in base64.
const ED25519_CHARS: usize = 88;
/// How many of them are tried at most.
const MAX_ED25519: usize = 4;
/// The cost of one verification, as a number of hashed bytes.
const ED25519_COST: usize = 32 << 10;

/// A delivery, perhaps changed, to try the keys on.
#[derive(Clone)]
pub(super) struct Trial {
    keys: Vec<Rc<Key>>,
    /// The verifier for `v1a`, and its number of keys.
    public: Option<(Verifier, usize)>,
    id: String,
    timestamp: String,
    /// Standard base64, without a version.
    signatures: Vec<String>,
    body: Bytes,
}

/// The part of a delivery that a repair replaces.
pub(super) enum Change {
    Key(Rc<Key>),
    Id(String),
    Timestamp(String),
    Signatures(Vec<String>),
    Head(Head),
    Body(Bytes),
}

/// The values of the headers. Without a signature, the captured one is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) timestamp: String,
    pub(super) signature: Option<String>,
}

impl Trial {
    /// The captured delivery, unchanged.
    pub(super) fn of(case: &Case) -> Self {
        Self {
            keys: case.keys(),
            public: case.trust.ed25519_verifier().map(|verifier| (verifier, case.trust.ed25519_len())),
            id: case.header(&WEBHOOK_ID),
            timestamp: case.header(&WEBHOOK_TIMESTAMP),
            signatures: listed(&case.header(&WEBHOOK_SIGNATURE)),
            body: case.capture.body.clone(),
        }
    }

    /// The same with one change; `None` if it changes nothing.
    pub(super) fn with(&self, change: &Change) -> Option<Self> {
        let mut trial = self.clone();
        let changes = match change {
            Change::Key(key) => {
                trial.keys = vec![Rc::clone(key)];
                trial.public = None;
                true
            }
            Change::Id(id) => replace(&mut trial.id, id),
            Change::Timestamp(timestamp) => replace(&mut trial.timestamp, timestamp),
            Change::Signatures(signatures) => replace(&mut trial.signatures, signatures),
            Change::Body(body) => replace(&mut trial.body, body),
            Change::Head(head) => {
                let signatures = head.signature.as_deref().map_or_else(|| self.signatures.clone(), listed);
                let changes = [replace(&mut trial.id, &head.id), replace(&mut trial.timestamp, &head.timestamp)];
                replace(&mut trial.signatures, &signatures) || changes.contains(&true)
            }
        };
        changes.then_some(trial)
    }

    /// The label of the key whose signature matches.
    pub(super) fn matching_key(&self, budget: &Budget) -> Option<String> {
        let mut keys = self.keys.iter();
        let matching = keys.find(|key| {
            !self.signatures.is_empty()
                && budget.spend(self.body.len())
                && self.sign(key).is_some_and(|signature| self.signatures.contains(&signature))
        });
        matching.map(|key| key.label.clone()).or_else(|| self.matching_public_key(budget))
    }

    fn matching_public_key(&self, budget: &Budget) -> Option<String> {
        let (verifier, keys) = self.public.as_ref()?;
        let entries = self.signatures.iter().filter(|signature| signature.len() == ED25519_CHARS).take(MAX_ED25519);
        let entries: Vec<_> = entries.map(|signature| format!("v1a,{signature}")).collect();
        let secs = self.timestamp.parse().ok()?;
        if entries.is_empty() || !budget.spend(self.body.len() + ED25519_COST * keys * entries.len()) {
            return None;
        }
        let headers = HeaderMap::from_iter([
            (WEBHOOK_ID, HeaderValue::from_str(&self.id).ok()?),
            (WEBHOOK_TIMESTAMP, HeaderValue::from_str(&self.timestamp).ok()?),
            (WEBHOOK_SIGNATURE, HeaderValue::from_str(&entries.join(" ")).ok()?),
        ]);
        let attempt = verifier.begin(&headers, UnixTime::from_secs(secs)).ok()?;
        attempt.finish(self.body.clone()).ok().map(|verified| verified.key_label().to_owned())
    }

    /// `None` if the id or timestamp is invalid, so that no sender can have signed it.
    fn sign(&self, key: &Key) -> Option<String> {
        let id = MessageId::parse(&self.id).ok()?;
        let secs = self.timestamp.parse::<u64>().ok().filter(|secs| secs.to_string() == self.timestamp)?;
        let headers = Signer::new([key.secret.clone()]).ok()?.sign(&id, UnixTime::from_secs(secs), &self.body);
        (headers[WEBHOOK_TIMESTAMP] == self.timestamp)
            .then(|| headers[WEBHOOK_SIGNATURE].to_str().ok()?.strip_prefix("v1,").map(str::to_owned))?
    }
}

/// The `v1` and `v1a` signatures of a well-formed header. Their lengths tell them apart.
pub(super) fn listed(header: &str) -> Vec<String> {
    let signature = |word: &str| {
        let (version, encoded) = word.split_once(',')?;
        let fits =
            version == "v1" && encoded.len() != ED25519_CHARS || version == "v1a" && encoded.len() == ED25519_CHARS;
        fits.then(|| encoded.to_owned())
    };
    header.split(' ').filter_map(signature).collect()
}

fn replace<T: Clone + PartialEq>(old: &mut T, new: &T) -> bool {
    let differ = old != new;
    old.clone_from(new);
    differ
}

impl Change {
    /// Whether the two changes are independent.
    pub(super) fn is_apart_from(&self, other: &Self) -> bool {
        let replaces = |change: &Self| match change {
            Self::Key(_) => [true, false, false, false, false],
            Self::Body(_) => [false, true, false, false, false],
            Self::Id(_) => [false, false, true, false, false],
            Self::Timestamp(_) => [false, false, false, true, false],
            Self::Signatures(_) => [false, false, false, false, true],
            Self::Head(head) => [false, false, true, true, head.signature.is_some()],
        };
        !replaces(self).into_iter().zip(replaces(other)).any(|(one, other)| one && other)
    }
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::Id(_) => "Id",
            Self::Timestamp(_) => "Timestamp",
            Self::Signatures(_) => "Signatures",
            Self::Head(_) => "Head",
            Self::Body(_) => "Body",
        })
    }
}

/// A limit on the work: a few seconds.
pub(super) struct Budget {
    trials: Cell<u64>,
    bytes: Cell<u64>,
}

impl Budget {
    const TRIALS: u64 = 200_000;
    const BYTES: u64 = 1 << 30;

    /// Spends the cost of hashing a body of this length; `false` if the limit is reached.
    pub(super) fn spend(&self, len: usize) -> bool {
        let cost = u64::try_from(len).unwrap_or(u64::MAX);
        let affordable = self.trials.get() < Self::TRIALS && self.bytes.get() < Self::BYTES;
        if affordable {
            self.trials.set(self.trials.get() + 1);
            self.bytes.set(self.bytes.get().saturating_add(cost));
        }
        affordable
    }

    pub(super) fn spent(&self) -> u64 {
        self.trials.get()
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.trials.get() >= Self::TRIALS || self.bytes.get() >= Self::BYTES
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { trials: Cell::new(0), bytes: Cell::new(0) }
    }
}
