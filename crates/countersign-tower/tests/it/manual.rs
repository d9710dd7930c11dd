//! The manual explains every reason for a rejection.

use std::time::Duration;

use countersign::replay::StoreError;
use countersign::{Reason, Rejection};
use countersign_tower::Refusal;

const CHAPTER: &str = include_str!("../../src/manual/signature_mismatch.md");

#[test]
fn every_reason_has_a_cause_and_a_fix() {
    let refusals = [
        Refusal::UnknownSource,
        Refusal::BodyTooLarge { limit: 1 },
        Refusal::BodyTimeout { after: Duration::ZERO },
        Refusal::BodyUnreadable,
        Refusal::OverBudget,
        Refusal::GrpcStream,
        Refusal::NoType,
        Refusal::InFlight,
        Refusal::KeysUnavailable,
        Refusal::StoreFull,
        Refusal::StoreUnavailable(StoreError::Unavailable),
        Refusal::RetainTooShort { retain: Duration::ZERO, needed: Duration::ZERO },
    ];
    let unverified = Reason::ALL.iter().map(|reason| Refusal::Unverified(Rejection::from(*reason)));
    for refusal in unverified.chain(refusals) {
        let row = format!("| `{}` | ", refusal.code());
        assert_eq!(CHAPTER.matches(&row).count(), 1, "{row}");
    }
}
