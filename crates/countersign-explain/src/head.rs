//! Headers that are missing.

use countersign::Reason;
use countersign::header::{WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};

use crate::case::Case;
use crate::finding::{Explanation, Finding};

const MISSING: Explanation = Explanation {
    code: "header_missing",
    title: "a header is missing",
    advice: "If the server does not get it either, a proxy drops it (allow it there), or this is not a Standard Webhooks \
             delivery. If only the capture lacks it, capture all headers.",
};

/// A header that is missing under any name.
pub(crate) fn missing(case: &Case) -> Option<Finding> {
    let names = [WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE]
        .into_iter()
        .filter(|name| !case.capture.headers.contains_key(name));
    let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    (!names.is_empty())
        .then(|| MISSING.likely(format!("There is no {}: {}.", names.join(", no "), Reason::MissingHeader)))
}

/// Whether this is the finding of a missing header.
pub(crate) fn is_missing(finding: &Finding) -> bool {
    finding.code == MISSING.code
}
