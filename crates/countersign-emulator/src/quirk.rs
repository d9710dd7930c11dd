//! Behaviour that was seen in the real service, or reported of it, and that its documentation does not describe.

use std::fmt;
use std::str::FromStr;

/// A difference between the real service and its documentation.
///
/// ```
/// use countersign_emulator::Quirk;
///
/// assert_eq!("empty_times".parse(), Ok(Quirk::EmptyTimes));
/// assert!("empty_time".parse::<Quirk>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Quirk {
    /// A batch with `user_metadata` in its `webhook_config` is rejected: the field is unknown there.
    RejectBatchUserMetadata,
    /// Webhooks that are listed or fetched have no `create_time`, `update_time` and `expire_time`.
    EmptyTimes,
    /// The ids of batches have a resource prefix, for example `batches/batch_123456`, also in events that are emitted
    /// by hand.
    PrefixedIds,
}

impl Quirk {
    /// All quirks.
    pub const ALL: [Self; 3] = [Self::RejectBatchUserMetadata, Self::EmptyTimes, Self::PrefixedIds];

    /// The stable name, in snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RejectBatchUserMetadata => "reject_batch_user_metadata",
            Self::EmptyTimes => "empty_times",
            Self::PrefixedIds => "prefixed_ids",
        }
    }
}

impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Quirk {
    type Err = UnknownQuirk;

    fn from_str(text: &str) -> Result<Self, UnknownQuirk> {
        Self::ALL.into_iter().find(|quirk| quirk.as_str() == text).ok_or_else(|| UnknownQuirk(text.into()))
    }
}

/// There is no quirk of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown quirk `{0}`; the quirks are {all}", all = Quirk::ALL.map(Quirk::as_str).join(", "))]
pub struct UnknownQuirk(String);
