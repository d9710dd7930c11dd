//! Mistakes with time. The signature may well be authentic.

use countersign::header::WEBHOOK_TIMESTAMP;

use crate::case::Case;
use crate::finding::{Explanation, Finding};
use crate::search::is_authentic;
use crate::time;

const MILLISECONDS: Explanation = Explanation {
    code: "timestamp_in_another_unit",
    title: "the timestamp is not in seconds",
    advice: "The sender must write, and sign, whole seconds since 1970: `Math.floor(Date.now() / 1000)`, not `Date.now()`.",
};

/// A timestamp in milliseconds or a smaller unit.
pub(crate) fn milliseconds(case: &Case) -> Option<Finding> {
    let (number, secs) = in_other_unit(case)?;
    let evidence = format!("{number}, converted to seconds, is {}.", time::described(secs, case.now));
    Some(if is_authentic(case) {
        MILLISECONDS.certain(format!("{evidence} The signature over the unconverted number matches."))
    } else {
        MILLISECONDS.likely(evidence)
    })
}

const TOO_NEW: Explanation = Explanation {
    code: "clock_behind",
    title: "the timestamp is in the future, according to the receiver's clock",
    advice: "Synchronise the receiver's clock, or the sender's, by NTP. A difference of whole hours suggests that local time was taken for UTC.",
};

/// A clock that is wrong.
pub(crate) fn too_new(case: &Case) -> Option<Finding> {
    let secs = timestamp(case).filter(|_| in_other_unit(case).is_none())?;
    let is_too_new = secs > case.now.saturating_add(case.tolerance).as_secs();
    is_too_new.then(|| off(&TOO_NEW, secs, case))
}

const TOO_OLD: Explanation = Explanation {
    code: "delivery_too_old",
    title: "the delivery was signed too long before it arrived",
    advice: "If the delivery was slow or queued, verify it on arrival, with the time of arrival. If the sender's clock \
             is behind, or the receiver's ahead, synchronise it by NTP. If somebody replayed the delivery, the \
             rejection is correct.",
};
const LOOKED_AT_LATER: Explanation = Explanation {
    code: "now_not_given",
    title: "the request is an old capture, and is compared with the current time",
    advice: "Give the time of arrival: `--now`, in Unix seconds or RFC 3339.",
};

/// A late delivery, or an old capture.
pub(crate) fn too_old(case: &Case) -> Option<Finding> {
    let secs = timestamp(case)?;
    let is_too_old = secs < case.now.saturating_sub(case.tolerance).as_secs();
    is_too_old.then(|| off(if case.now_is_given { &TOO_OLD } else { &LOOKED_AT_LATER }, secs, case))
}

fn off(explanation: &Explanation, secs: u64, case: &Case) -> Finding {
    let tolerance = humantime::format_duration(case.tolerance);
    let mut evidence = format!("Signed {}; the tolerance is {tolerance}.", time::distance(secs, case.now));
    if is_authentic(case) {
        evidence.push_str(" The signature matches: id, timestamp, body and secret are correct.");
        explanation.certain(evidence)
    } else {
        explanation.likely(evidence)
    }
}

fn timestamp(case: &Case) -> Option<u64> {
    case.header(&WEBHOOK_TIMESTAMP).parse().ok()
}

/// The number, and its value in seconds, if it can only be in a smaller unit.
fn in_other_unit(case: &Case) -> Option<(u64, u64)> {
    let number = timestamp(case)?;
    time::in_smaller_unit(number).map(|(secs, _)| (number, secs))
}
