//! What goes wrong on purpose: how often, and which attempt it hits.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A way in which a delivery can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// The body that is sent is not the one that was signed.
    TamperedBody,
    /// The body is written anew after it was signed, as by a proxy that parses it: the same JSON, other bytes.
    ReserializedBody,
    /// The timestamp is ten minutes old, and signed so.
    StaleTimestamp,
    /// It is signed with a key that is not the webhook's, or not published.
    WrongKey,
    /// It is sent once more after it succeeded, as a sender does that missed the answer.
    Duplicate,
    /// Its first attempt is held back, so that later events overtake it.
    Reordered,
    /// Its event comes ten times over, each with an id of its own.
    Burst,
    /// Its event is of a type that nobody knows.
    UnknownEventType,
}

impl Fault {
    /// All of them.
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
    /// Those that hit a single attempt. The others hit an event when it happens.
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

/// How often a fault occurs: to the next so many (`3`), or by chance (`10%`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dose {
    /// To each of the next so many, and then no more.
    Next(u32),
    /// To each with this probability, between 0 and 1.
    Rate(f64),
}

impl FromStr for Dose {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, FaultsError> {
        let fail = || FaultsError::Dose(text.into());
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent: f64 = percent.parse().map_err(|_| fail())?;
                (0.0..=100.0).contains(&percent).then_some(Self::Rate(percent / 100.0)).ok_or_else(fail)
            }
            None => text.parse().map(Self::Next).map_err(|_| fail()),
        }
    }
}

impl fmt::Display for Dose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Next(number) => number.fmt(f),
            // Through the shortest form, so that what was written as 0.1% is shown so.
            Self::Rate(rate) => write!(f, "{}%", (rate * 1e8).round() / 1e6),
        }
    }
}

impl Serialize for Dose {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Next(number) => serializer.serialize_u32(*number),
            Self::Rate(_) => serializer.collect_str(self),
        }
    }
}

/// The faults that are set.
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
pub struct Faults(BTreeMap<Fault, Dose>);

impl Faults {
    /// Sets one; a dose of nothing takes it away.
    pub fn set(&mut self, fault: Fault, dose: Dose) {
        match dose {
            Dose::Next(0) => self.0.remove(&fault),
            Dose::Rate(rate) if rate <= 0.0 => self.0.remove(&fault),
            dose => self.0.insert(fault, dose),
        };
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this fault may hit.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.0.contains_key(&fault)
    }

    /// Whether this fault hits now, which uses up one of its dose.
    pub(crate) fn strikes(&mut self, fault: Fault, rng: &mut fastrand::Rng) -> bool {
        match self.0.get_mut(&fault) {
            None => false,
            Some(Dose::Rate(rate)) => rng.f64() < *rate,
            Some(Dose::Next(left)) => {
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
            let (fault, dose) = part.split_once('=').ok_or_else(|| FaultsError::Form(part.into()))?;
            faults.set(fault.trim().parse()?, dose.trim().parse()?);
        }
        Ok(faults)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (fault, dose)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{fault}={dose}")?;
        }
        Ok(())
    }
}

/// Why a text does not say which faults to set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultsError {
    /// There is no such fault.
    Unknown(String),
    /// This is no dose.
    Dose(String),
    /// This is not `fault=dose`.
    Form(String),
}

impl fmt::Display for FaultsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(text) => {
                write!(f, "there is no fault `{text}`; there are ")?;
                let names = Fault::ALL.map(Fault::as_str);
                f.write_str(&names.join(", "))
            }
            Self::Dose(text) => write!(f, "`{text}` is not how often: write `3` for the next three, or `10%`"),
            Self::Form(text) => write!(f, "`{text}` is not `fault=dose`, such as `duplicate=10%`"),
        }
    }
}

impl std::error::Error for FaultsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_three_are_three() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut faults: Faults = "wrong_key=3".parse().expect("faults");
        let struck: Vec<_> = (0..5).map(|_| faults.strikes(Fault::WrongKey, &mut rng)).collect();
        assert_eq!(struck, [true, true, true, false, false]);
        assert!(faults.is_empty());
    }

    #[test]
    fn a_rate_is_met_by_and_large() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut faults: Faults = "duplicate=10%".parse().expect("faults");
        let struck = (0..10_000).filter(|_| faults.strikes(Fault::Duplicate, &mut rng)).count();
        assert!((900..1100).contains(&struck), "{struck}");
        assert!(!faults.strikes(Fault::WrongKey, &mut rng));
    }

    #[test]
    fn what_is_set_is_read_strictly_and_written_as_read() {
        let faults: Faults = " burst=100% , stale_timestamp=0.5%,wrong_key=0".parse().expect("faults");
        assert_eq!(faults.to_string(), "stale_timestamp=0.5%,burst=100%");
        assert_eq!(serde_json::to_string(&faults).expect("JSON"), r#"{"stale_timestamp":"0.5%","burst":"100%"}"#);
        for (text, error) in [
            ("burst", FaultsError::Form("burst".into())),
            ("burts=1", FaultsError::Unknown("burts".into())),
            ("burst=-1", FaultsError::Dose("-1".into())),
            ("burst=101%", FaultsError::Dose("101%".into())),
            ("burst=NaN%", FaultsError::Dose("NaN%".into())),
            ("burst=many", FaultsError::Dose("many".into())),
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
