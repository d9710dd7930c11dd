use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use crate::replay::contract::ReplayKey;

/// One for all stores of the process, so that the hash in a token is right for each of them. Its keys are random:
/// a sender cannot choose ids that collide.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A replay key as bytes on the stack, with its hash: the source, a space (which neither part can contain), the
/// message id.
pub(super) struct Id {
    bytes: [u8; Self::MAX_LEN],
    len: usize,
    hash: u64,
}

impl Id {
    pub(super) const MAX_LEN: usize = ReplayKey::MAX_LEN + 1;

    pub(super) fn new(key: &ReplayKey) -> Self {
        let mut id = Self::with_hash(key, 0);
        id.hash = HASHER.hash_one(id.bytes());
        id
    }

    /// The id of a key whose hash is known.
    pub(super) fn with_hash(key: &ReplayKey, hash: u64) -> Self {
        let (source, message_id) = (key.source().as_bytes(), key.message_id().as_str().as_bytes());
        let mut bytes = [b' '; Self::MAX_LEN];
        let len = source.len() + 1 + message_id.len();
        bytes[..source.len()].copy_from_slice(source);
        bytes[source.len() + 1..len].copy_from_slice(message_id);
        Self { bytes, len, hash }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// The half of the hash that tables use. The other half chooses the shard.
    pub(super) fn short_hash(&self) -> ShortHash {
        ShortHash::of(self.hash)
    }
}

/// Half of a hash: all that a table keeps of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShortHash(u32);

impl ShortHash {
    /// The hash of an id that is stored as bytes.
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self::of(HASHER.hash_one(bytes))
    }

    /// A table takes its position from the lowest bits and its tag from the highest seven: both are here.
    pub(super) fn spread(self) -> u64 {
        u64::from(self.0) << 32 | u64::from(self.0)
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of the hash is enough")]
    fn of(hash: u64) -> Self {
        Self(hash as u32)
    }
}
