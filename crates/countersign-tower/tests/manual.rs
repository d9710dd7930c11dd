//! The manual names every reason that a sender can be told.

use std::time::Duration;

use countersign::replay::StoreError;
use countersign::{Reason, Rejection};
use countersign_tower::Refusal;

const CHAPTER: &str = include_str!("../src/manual/signature_mismatch.rs");

#[test]
fn every_reason_has_its_cause_and_its_cure() {
    let refusals = [
        Refusal::UnknownSource,
        Refusal::BodyTooLarge { limit: 1 },
        Refusal::BodyTimeout { after: Duration::ZERO },
        Refusal::BodyUnreadable,
        Refusal::OverBudget,
        Refusal::GrpcStream,
        Refusal::InFlight,
        Refusal::KeysUnavailable,
        Refusal::StoreUnavailable(StoreError::Full),
    ];
    let unverified = Reason::ALL.iter().map(|reason| Refusal::Unverified(Rejection::from(*reason)));
    for refusal in unverified.chain(refusals) {
        let row = format!("//! | `{}` | ", refusal.code());
        assert_eq!(CHAPTER.matches(&row).count(), 1, "{row}");
    }
}
