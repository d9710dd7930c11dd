//! Trying a signature: a delivery as it may have been, signed with the keys that there are.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use countersign::{MessageId, Signer, UnixTime};

use super::case::{Case, Key};

/// A delivery as it may have been.
#[derive(Clone)]
pub(super) struct Trial {
    keys: Vec<Rc<Key>>,
    id: String,
    timestamp: String,
    /// Standard base64, without a version.
    signatures: Vec<String>,
    body: Bytes,
}

/// What of a delivery is replaced.
pub(super) enum Change {
    Key(Rc<Key>),
    Id(String),
    Timestamp(String),
    Signatures(Vec<String>),
    Head(Head),
    Body(Bytes),
}

/// The texts of the headers; without a signature, the one that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) timestamp: String,
    pub(super) signature: Option<String>,
}

impl Trial {
    /// The delivery as it was captured.
    pub(super) fn of(case: &Case) -> Self {
        Self {
            keys: case.keys(),
            id: case.header(&WEBHOOK_ID),
            timestamp: case.header(&WEBHOOK_TIMESTAMP),
            signatures: listed(&case.header(&WEBHOOK_SIGNATURE)),
            body: case.capture.body.clone(),
        }
    }

    /// The same with one thing replaced; `None` if that replaces nothing.
    pub(super) fn with(&self, change: &Change) -> Option<Self> {
        let mut trial = self.clone();
        let changes = match change {
            Change::Key(key) => {
                trial.keys = vec![Rc::clone(key)];
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

    /// The label of the key that signed it like this.
    pub(super) fn matching_key(&self, budget: &Budget) -> Option<&str> {
        let mut keys = self.keys.iter();
        let matching = keys.find(|key| {
            !self.signatures.is_empty()
                && budget.spend(self.body.len())
                && self.sign(key).is_some_and(|signature| self.signatures.contains(&signature))
        });
        matching.map(|key| key.label.as_str())
    }

    /// `None` if no sender can have signed such an id or timestamp.
    fn sign(&self, key: &Key) -> Option<String> {
        let id = MessageId::parse(&self.id)?;
        let secs = self.timestamp.parse::<u64>().ok().filter(|secs| secs.to_string() == self.timestamp)?;
        let headers = Signer::new([key.secret.clone()]).ok()?.sign(&id, UnixTime::from_secs(secs), &self.body);
        (headers[WEBHOOK_TIMESTAMP] == self.timestamp)
            .then(|| headers[WEBHOOK_SIGNATURE].to_str().ok()?.strip_prefix("v1,").map(str::to_owned))?
    }
}

/// The `v1` signatures of a header that is as it should be.
pub(super) fn listed(header: &str) -> Vec<String> {
    header.split(' ').filter_map(|word| word.strip_prefix("v1,")).map(str::to_owned).collect()
}

fn replace<T: Clone + PartialEq>(old: &mut T, new: &T) -> bool {
    let differ = old != new;
    old.clone_from(new);
    differ
}

impl Change {
    /// Whether the two replace different things.
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

/// How much is tried: a few seconds' worth.
pub(super) struct Budget {
    trials: Cell<u64>,
    bytes: Cell<u64>,
}

impl Budget {
    const TRIALS: u64 = 200_000;
    const BYTES: u64 = 1 << 30;

    /// Whether a body of this length may be hashed once more.
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
