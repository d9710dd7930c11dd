//! The manual explains every reason for a rejection.

use std::time::Duration;

use countersign::Reason;
use countersign::replay::StoreErrorKind;
use countersign_tower::Rejection;

const CHAPTER: &str = include_str!("../../src/manual/signature_mismatch.md");

#[test]
fn every_reason_has_a_cause_and_a_fix() {
    let rejections = [
        Rejection::UnknownSource,
        Rejection::BodyTooLarge { limit: 1 },
        Rejection::BodyTimeout { after: Duration::ZERO },
        Rejection::BodyUnreadable,
        Rejection::OverBudget,
        Rejection::GrpcStream,
        Rejection::NoType,
        Rejection::InFlight,
        Rejection::KeysUnavailable,
        Rejection::StoreFull,
        Rejection::StoreUnavailable(StoreErrorKind::Unavailable),
        Rejection::RetainTooShort { retain: Duration::ZERO, needed: Duration::ZERO },
    ];
    let unverified = Reason::ALL.iter().map(|reason| Rejection::Unverified(countersign::Rejection::from(*reason)));
    for rejection in unverified.chain(rejections) {
        let row = format!("| `{}` | ", rejection.code());
        assert_eq!(CHAPTER.matches(&row).count(), 1, "{row}");
    }
}
