//! Faults that are injected into deliveries, and how often.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A fault of a sender or of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// The body is changed after it was signed.
    TamperedBody,
    /// The body is reserialized after it was signed, as by a proxy that parses it: the same JSON, other bytes.
    ReserializedBody,
    /// The signed timestamp is ten minutes old.
    StaleTimestamp,
    /// It is signed with a key that is not the webhook's, or is not published.
    WrongKey,
    /// It is sent again after it succeeded, as by a sender that missed the response.
    Duplicate,
    /// The first attempt is delayed, so that later events overtake it.
    Reordered,
    /// The event is published ten times, each time with another message id.
    Burst,
    /// The event has an unknown type.
    UnknownEventType,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 8] = [
        Self::TamperedBody,
        Self::ReserializedBody,
        Self::StaleTimestamp,
        Self::WrongKey,
        Self::Duplicate,
        Self::Reordered,
        Self::Burst,
        Self::UnknownEventType,
    ];
    /// The faults of single attempts. The others apply to an event when it is published.
    pub(crate) const OF_ATTEMPTS: [Self; 4] =
        [Self::TamperedBody, Self::ReserializedBody, Self::StaleTimestamp, Self::WrongKey];

    /// The stable name, in snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TamperedBody => "tampered_body",
            Self::ReserializedBody => "reserialized_body",
            Self::StaleTimestamp => "stale_timestamp",
            Self::WrongKey => "wrong_key",
            Self::Duplicate => "duplicate",
            Self::Reordered => "reordered",
            Self::Burst => "burst",
            Self::UnknownEventType => "unknown_event_type",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Fault {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, FaultsError> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == text).ok_or_else(|| FaultsError::Unknown(text.into()))
    }
}

/// How often a fault occurs: the next few times (`3`), or at random (`10%`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Frequency {
    /// Each of the next times, and then no more.
    Next(u32),
    /// Each time with this probability, between 0 and 1.
    Rate(f64),
}

impl FromStr for Frequency {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, FaultsError> {
        let fail = || FaultsError::Frequency(text.into());
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent: f64 = percent.parse().map_err(|_| fail())?;
                (0.0..=100.0).contains(&percent).then_some(Self::Rate(percent / 100.0)).ok_or_else(fail)
            }
            None => text.parse().map(Self::Next).map_err(|_| fail()),
        }
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Next(number) => number.fmt(f),
            // Rounded, so that 0.1% is printed as it was written.
            Self::Rate(rate) => write!(f, "{}%", (rate * 1e8).round() / 1e6),
        }
    }
}

impl Serialize for Frequency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Next(number) => serializer.serialize_u32(*number),
            Self::Rate(_) => serializer.collect_str(self),
        }
    }
}

/// The active faults, each with its frequency.
///
/// ```
/// use countersign_emulator::Faults;
///
/// let faults: Faults = "tampered_body=10%,duplicate=3".parse()?;
/// assert_eq!(faults.to_string(), "tampered_body=10%,duplicate=3");
/// assert!("tempered_body=10%".parse::<Faults>().is_err());
/// # Ok::<(), countersign_emulator::faults::FaultsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Faults(BTreeMap<Fault, Frequency>);

impl Faults {
    /// Sets a fault; a frequency of zero removes it.
    pub fn set(&mut self, fault: Fault, frequency: Frequency) {
        match frequency {
            Frequency::Next(0) => self.0.remove(&fault),
            Frequency::Rate(rate) if rate <= 0.0 => self.0.remove(&fault),
            frequency => self.0.insert(fault, frequency),
        };
    }

    /// Whether no fault is active.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this fault is active.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.0.contains_key(&fault)
    }

    /// Whether this fault occurs now. That uses up one of its next times.
    pub(crate) fn applies(&mut self, fault: Fault, rng: &mut fastrand::Rng) -> bool {
        match self.0.get_mut(&fault) {
            None => false,
            Some(Frequency::Rate(rate)) => rng.f64() < *rate,
            Some(Frequency::Next(left)) => {
                *left -= 1;
                if *left == 0 {
                    self.0.remove(&fault);
                }
                true
            }
        }
    }
}

impl FromStr for Faults {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, FaultsError> {
        let mut faults = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (fault, frequency) = part.split_once('=').ok_or_else(|| FaultsError::Form(part.into()))?;
            faults.set(fault.trim().parse()?, frequency.trim().parse()?);
        }
        Ok(faults)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (fault, frequency)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{fault}={frequency}")?;
        }
        Ok(())
    }
}

/// Why a text is not a list of faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultsError {
    /// There is no such fault.
    #[error("there is no fault `{0}`; the faults are {all}", all = Fault::ALL.map(Fault::as_str).join(", "))]
    Unknown(String),
    /// The frequency cannot be parsed.
    #[error("`{0}` is not a frequency: write `3` for the next three, or `10%`")]
    Frequency(String),
    /// It is not `fault=frequency`.
    #[error("`{0}` is not `fault=frequency`: write for example `duplicate=10%`")]
    Form(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_three_are_three() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut faults: Faults = "wrong_key=3".parse().expect("faults");
        let struck: Vec<_> = (0..5).map(|_| faults.applies(Fault::WrongKey, &mut rng)).collect();
        assert_eq!(struck, [true, true, true, false, false]);
        assert!(faults.is_empty());
    }

    #[test]
    fn a_rate_is_met_by_and_large() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut faults: Faults = "duplicate=10%".parse().expect("faults");
        let struck = (0..10_000).filter(|_| faults.applies(Fault::Duplicate, &mut rng)).count();
        assert!((900..1100).contains(&struck), "{struck}");
        assert!(!faults.applies(Fault::WrongKey, &mut rng));
    }

    #[test]
    fn what_is_set_is_read_strictly_and_written_as_read() {
        let faults: Faults = " burst=100% , stale_timestamp=0.5%,wrong_key=0".parse().expect("faults");
        assert_eq!(faults.to_string(), "stale_timestamp=0.5%,burst=100%");
        assert_eq!(serde_json::to_string(&faults).expect("JSON"), r#"{"stale_timestamp":"0.5%","burst":"100%"}"#);
        for (text, error) in [
            ("burst", FaultsError::Form("burst".into())),
            ("burts=1", FaultsError::Unknown("burts".into())),
            ("burst=-1", FaultsError::Frequency("-1".into())),
            ("burst=101%", FaultsError::Frequency("101%".into())),
            ("burst=NaN%", FaultsError::Frequency("NaN%".into())),
            ("burst=many", FaultsError::Frequency("many".into())),
        ] {
            assert_eq!(text.parse::<Faults>(), Err(error));
        }
    }

    #[test]
    fn every_fault_has_the_name_that_json_gives_it() {
        for fault in Fault::ALL {
            assert_eq!(serde_json::to_value(fault).expect("JSON"), fault.as_str());
            assert_eq!(fault.as_str().parse(), Ok(fault));
        }
    }
}
