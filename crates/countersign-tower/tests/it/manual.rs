//! The manual and the documentation of `Rejection` list every reason with the status of its response.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign::Reason;
use countersign::replay::StoreErrorKind;
use countersign_test::statuses::status_of;
use countersign_tower::Rejection;
use tonic::Code;

const CHAPTER: &str = include_str!("../../src/manual/signature_mismatch.md");
const REJECTION: &str = include_str!("../../src/reject/rejection.rs");

/// One rejection of each kind that is not a failed verification.
const OTHERS: [Rejection; 12] = [
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

/// The cells of the table that starts with this header. Each line may start with `prefix`.
fn table<'a>(page: &'a str, prefix: &str, header: &str) -> Vec<Vec<&'a str>> {
    let lines = page.lines().map(|line| line.strip_prefix(prefix).unwrap_or(line));
    let rows = lines.skip_while(|line| *line != header).take_while(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// The texts between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The status at the start of a cell, and whether it is listed with `Retry-After`.
fn status(cell: &str) -> (u16, bool) {
    let digits = cell.get(..3).and_then(|digits| digits.parse().ok());
    (digits.unwrap_or_else(|| panic!("no status: {cell}")), cell.contains("`Retry-After`"))
}

/// The documented status. A gRPC response always has 200.
fn expected_status(rejection: &Rejection) -> u16 {
    match rejection {
        Rejection::Unverified(rejection) => status_of(rejection.reason()),
        Rejection::GrpcStream => 200,
        _ => rejection.status().as_u16(),
    }
}

fn every_rejection() -> impl Iterator<Item = Rejection> {
    Reason::ALL.iter().map(|reason| Rejection::Unverified((*reason).into())).chain(OTHERS)
}

#[test]
fn the_manual_lists_every_reason_with_its_status() {
    let rows = table(CHAPTER, "", "| code | status | cause | what to do |");
    let mut listed = BTreeMap::new();
    for row in &rows {
        let [code, cell, cause, cure] = row[..] else { panic!("not four cells: {row:?}") };
        assert!(!cause.is_empty() && !cure.is_empty(), "{row:?}");
        let code = code.trim_matches('`');
        assert_eq!(listed.insert(code, status(cell).0), None, "{code} is listed twice");
    }
    let mut expected: BTreeMap<_, _> =
        every_rejection().map(|rejection| (rejection.code(), expected_status(&rejection))).collect();
    // The rejections of the extractors.
    expected.extend([("layer_missing", 500), ("unexpected_payload", 422)]);
    assert_eq!(listed, expected);
}

#[test]
fn the_documentation_of_rejection_lists_every_status_and_grpc_code() {
    let rows = table(REJECTION, "/// ", "| rejection | status | gRPC |");
    let mut listed = BTreeMap::new();
    let mut all_others = None;
    for row in &rows {
        let [names, cell, grpc] = row[..] else { panic!("not three cells: {row:?}") };
        let (status, retry) = status(cell);
        let grpc = quoted(grpc).next().expect("a gRPC code").replace('_', "").to_lowercase();
        let value = (status, grpc, retry);
        let mut names: Vec<_> = quoted(names).filter(|name| !name.contains("::")).collect();
        if names[0] == "Unverified" {
            names.remove(0);
            if names.is_empty() {
                assert_eq!(all_others.replace(value), None, "one row for all other reasons");
                continue;
            }
        }
        for name in names {
            assert_eq!(listed.insert(name.to_owned(), value.clone()), None, "{name} is listed twice");
        }
    }
    let all_others = all_others.expect("a row for all other reasons");
    for rejection in every_rejection() {
        // A failed verification is listed by its reason, and all others by the name of their variant.
        let listed = if matches!(rejection, Rejection::Unverified(_)) {
            listed.remove(rejection.code()).unwrap_or_else(|| all_others.clone())
        } else {
            let name = format!("{rejection:?}");
            let name = name.split([' ', '(']).next().expect("a name");
            listed.remove(name).unwrap_or_else(|| panic!("{name} is not listed"))
        };
        let grpc = format!("{:?}", Code::from(i32::from(rejection.grpc_status()))).to_lowercase();
        let expected = (expected_status(&rejection), grpc, rejection.retry_after().is_some());
        assert_eq!(listed, expected, "{rejection:?}");
    }
    assert!(listed.is_empty(), "no such rejection: {listed:?}");
}
