//! The HTTP status of every reason, as the manual documents it.

use countersign::Reason;

/// The status of a response for each reason. The layer and the gateway respond with the same.
pub const STATUSES: [(u16, &[Reason]); 3] = [
    (
        400,
        &[
            Reason::MissingHeader,
            Reason::DuplicateHeader,
            Reason::MalformedId,
            Reason::MalformedTimestamp,
            Reason::MalformedSignature,
            Reason::TokenMalformed,
        ],
    ),
    (
        401,
        &[
            Reason::TimestampTooOld,
            Reason::TimestampTooNew,
            Reason::UnsupportedScheme,
            Reason::UnknownKey,
            Reason::SignatureMismatch,
            Reason::TokenAlgorithm,
            Reason::TokenIssuer,
            Reason::TokenAudience,
            Reason::TokenUntimed,
            Reason::TokenExpired,
            Reason::TokenNotYetValid,
            Reason::BodyNotBound,
        ],
    ),
    (413, &[Reason::BodyTooLarge]),
];

/// The status for this reason.
pub fn status_of(reason: Reason) -> u16 {
    let row = STATUSES.iter().find(|(_, reasons)| reasons.contains(&reason));
    row.unwrap_or_else(|| panic!("no status for {reason}")).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_one_status() {
        for reason in Reason::ALL {
            let rows = STATUSES.iter().filter(|(_, reasons)| reasons.contains(reason));
            assert_eq!(rows.count(), 1, "{reason}");
        }
    }
}
