//! What goes wrong with time, beside a signature that may well be genuine.

use countersign::UnixTime;
use countersign::header::WEBHOOK_TIMESTAMP;

use super::case::Case;
use super::finding::{Finding, Looks};
use super::trial::{Budget, Trial};
use crate::time;

const MILLISECONDS: Looks = Looks {
    code: "timestamp_in_another_unit",
    title: "the timestamp is not in seconds",
    advice: "The sender must write, and sign, whole seconds since 1970: `Math.floor(Date.now() / 1000)`, not `Date.now()`.",
};

/// A timestamp that would fit if it were divided.
pub(super) fn milliseconds(case: &Case) -> Option<Finding> {
    let (number, secs) = in_other_unit(case)?;
    let evidence = format!("{number} divided to seconds is {}.", time::described(secs, case.now));
    Some(if is_genuine(case) {
        MILLISECONDS.certain(format!("{evidence} The signature, over the number as it is, matches."))
    } else {
        MILLISECONDS.likely(evidence)
    })
}

const TOO_NEW: Looks = Looks {
    code: "clock_behind",
    title: "it was signed in the future, by the clock that it is compared with",
    advice: "Set the clock of the receiver, or of the sender, by NTP; whole hours point at a time zone taken for UTC.",
};

/// A clock that is off.
pub(super) fn too_new(case: &Case) -> Option<Finding> {
    let secs = timestamp(case).filter(|_| in_other_unit(case).is_none())?;
    let is_too_new = secs > case.now.saturating_add(case.tolerance).as_secs();
    is_too_new.then(|| off(&TOO_NEW, secs, case))
}

const TOO_OLD: Looks = Looks {
    code: "delivery_too_old",
    title: "it was signed too long before it arrived",
    advice: "If the delivery was slow or queued, verify it where it arrives, with the time at which it arrived. If the \
             sender's clock is behind, or the receiver's ahead, set it by NTP. If it was sent again by somebody else, \
             the refusal is right.",
};
const LOOKED_AT_LATER: Looks = Looks {
    code: "now_not_given",
    title: "the request is an old capture, and is compared with the time of today",
    advice: "Give the time at which it arrived: `--now`, in Unix seconds or RFC 3339.",
};

/// A late one, or one that was captured earlier.
pub(super) fn too_old(case: &Case) -> Option<Finding> {
    let secs = timestamp(case)?;
    let is_too_old = secs < case.now.saturating_sub(case.tolerance).as_secs();
    is_too_old.then(|| off(if case.now_is_given { &TOO_OLD } else { &LOOKED_AT_LATER }, secs, case))
}

fn off(looks: &Looks, secs: u64, case: &Case) -> Finding {
    let tolerance = humantime::format_duration(case.tolerance);
    let mut evidence = format!("Signed {}, and {tolerance} are allowed.", time::distance(secs, case.now));
    if is_genuine(case) {
        evidence.push_str(" The signature matches: id, timestamp, body and secret are right.");
        looks.certain(evidence)
    } else {
        looks.likely(evidence)
    }
}

fn is_genuine(case: &Case) -> bool {
    Trial::of(case).matching_key(&Budget::default()).is_some()
}

fn timestamp(case: &Case) -> Option<u64> {
    case.header(&WEBHOOK_TIMESTAMP).parse().ok()
}

/// The number, and the seconds that it means, if those are within a day of now.
fn in_other_unit(case: &Case) -> Option<(u64, u64)> {
    const DAY: u64 = 86_400;
    let number = timestamp(case)?;
    let is_close = |secs: &u64| UnixTime::from_secs(*secs).as_secs().abs_diff(case.now.as_secs()) < DAY;
    let secs = [1000, 1_000_000, 1_000_000_000].into_iter().map(|unit| number / unit).find(is_close)?;
    Some((number, secs))
}
