//! The public keys that verify assertions, as a JWKS.

use std::time::Duration;

use countersign::UnixTime;
use serde_json::json;

use super::key::PublicKey;

/// Requests that are in progress while the key is replaced may still be signed with the previous one.
const IN_PROGRESS: Duration = Duration::from_mins(1);
/// The maximum number of previous keys. Rotations follow each other within minutes only by mistake.
const MAX_PREVIOUS: usize = 8;

/// The key in use, and previous ones whose assertions may still be valid.
#[derive(Clone, Debug, Default)]
pub struct Published {
    current: Option<Current>,
    previous: Vec<Previous>,
}

#[derive(Clone, Debug)]
struct Current {
    key: PublicKey,
    lifetime: Duration,
}

#[derive(Clone, Debug)]
struct Previous {
    key: PublicKey,
    until: UnixTime,
}

impl Published {
    /// The keys once this one is in use, whose assertions are valid for a lifetime. The key that it replaces stays until
    /// its own assertions have expired.
    #[must_use]
    pub fn followed_by(&self, next: Option<(PublicKey, Duration)>, now: UnixTime) -> Self {
        let current = next.map(|(key, lifetime)| Current { key, lifetime });
        let is_current = |key: &PublicKey| current.as_ref().is_some_and(|current| current.key == *key);
        let replaced = self.current.iter().map(|Current { key, lifetime }| {
            let left = (*lifetime + IN_PROGRESS).as_secs();
            Previous { key: key.clone(), until: UnixTime::from_secs(now.as_secs().saturating_add(left)) }
        });
        let previous = self.previous.iter().filter(|previous| previous.until > now).cloned().chain(replaced);
        let mut previous: Vec<_> = previous.filter(|previous| !is_current(&previous.key)).collect();
        previous.drain(..previous.len().saturating_sub(MAX_PREVIOUS));
        Self { current, previous }
    }

    /// The document (RFC 7517, section 5).
    pub fn to_json(&self, now: UnixTime) -> String {
        let previous = self.previous.iter().filter(|previous| previous.until > now).map(|previous| &previous.key);
        let keys: Vec<_> = self.current.iter().map(|current| &current.key).chain(previous).collect();
        json!({ "keys": keys }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::SigningKey;
    use super::*;

    const LIFETIME: Duration = Duration::from_mins(1);

    fn key() -> PublicKey {
        SigningKey::generate().unwrap().public().clone()
    }

    fn count(published: &Published, now: u64) -> usize {
        published.to_json(UnixTime::from_secs(now)).matches("\"kid\"").count()
    }

    #[test]
    fn a_replaced_key_stays_until_its_assertions_have_expired() {
        let (old, new) = (key(), key());
        let at = UnixTime::from_secs;
        let first = Published::default().followed_by(Some((old.clone(), LIFETIME)), at(1000));
        let unchanged = first.followed_by(Some((old.clone(), LIFETIME)), at(2000));
        assert_eq!([1000, 9000].map(|now| count(&unchanged, now)), [1, 1]);
        let rotated = unchanged.followed_by(Some((new, LIFETIME)), at(3000));
        assert_eq!([3000, 3119, 3120].map(|now| count(&rotated, now)), [2, 2, 1]);
        let back = rotated.followed_by(Some((old, LIFETIME)), at(3010));
        assert_eq!([3010, 3130].map(|now| count(&back, now)), [2, 1]);
        let ended = back.followed_by(None, at(4000));
        assert_eq!([4000, 4120].map(|now| count(&ended, now)), [1, 0]);
    }

    #[test]
    fn the_number_of_previous_keys_is_limited() {
        let mut published = Published::default();
        for _ in 0..20 {
            published = published.followed_by(Some((key(), LIFETIME)), UnixTime::from_secs(1000));
        }
        assert_eq!(count(&published, 1000), MAX_PREVIOUS + 1);
    }
}
