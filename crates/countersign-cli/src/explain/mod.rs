//! Why a request fails: each common mistake is undone, and the signature tried again.
//!
//! A [`Repair`] undoes one mistake (`secret`, `signature`, `body`, `head`). If the signature matches afterwards, that
//! proves the mistake. An observation (`clock`, `scheme`, `token`, `foreign`, `hints`) is visible without undoing
//! anything.

mod body;
mod case;
mod clock;
mod finding;
mod foreign;
mod head;
mod hints;
mod json;
mod key;
mod scheme;
mod secret;
mod signature;
mod token;
mod trial;

pub(crate) use case::Case;
pub(crate) use finding::{Certainty, Finding};
pub(crate) use token::Token;

use finding::{Repair, Repairs};
use trial::{Budget, Trial};

/// The mistakes to undo, most likely first.
const REPAIRS: &[for<'c> fn(&'c Case) -> Repairs<'c>] = &[
    secret::decorated,
    secret::undecoded,
    head::decorated,
    head::duplicated,
    signature::respelled,
    body::trailing_newline,
    body::line_ends,
    body::byte_order_mark,
    body::reserialised,
    body::wrapped,
    body::recoded,
    body::chunked,
    secret::expired,
    secret::other,
    secret::encoded_twice,
    secret::hexadecimal,
    head::renamed,
    head::swapped,
    head::other_id,
    head::other_timestamp,
    head::other_unit,
];

/// Repairs with too many variants to combine with others.
const EXHAUSTIVE: &[for<'c> fn(&'c Case) -> Repairs<'c>] = &[head::nearby_timestamp];

/// The observations, most likely first.
const OBSERVATIONS: &[fn(&Case) -> Option<Finding>] = &[
    scheme::v1a,
    scheme::v1,
    token::delivery,
    scheme::other_sender,
    scheme::unknown_version,
    secret::not_a_secret,
    foreign::other_parts,
    clock::milliseconds,
    clock::too_new,
    clock::too_old,
    head::missing,
    hints::empty_body,
    hints::body_length,
    hints::compressed,
    hints::lost_characters,
];

/// The findings, and how much was tried.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    /// Most likely first.
    pub(crate) findings: Vec<Finding>,
    /// How many signatures were computed.
    pub(crate) trials: u64,
    /// Whether the search stopped early because it would have taken too long.
    pub(crate) gave_up: bool,
}

/// Finds likely causes of a rejection.
pub(crate) fn diagnose(case: &Case) -> Diagnosis {
    let budget = Budget::default();
    let captured = Trial::of(case);
    // If the signature matches as it is, the cause is elsewhere.
    let mut findings = if captured.matching_key(&budget).is_some() {
        Vec::new()
    } else {
        one_repair(case, &captured, &budget).or_else(|| two_repairs(case, &captured, &budget)).unwrap_or_default()
    };
    let is_proved = !findings.is_empty();
    let observed = OBSERVATIONS.iter().filter_map(|observe| observe(case));
    findings.extend(observed.filter(|finding| !(is_proved && secret::is_superseded(finding))));
    if findings.iter().all(|finding| finding.certainty != Certainty::Certain) {
        findings.extend(hints::remaining(case));
    }
    findings.sort_by_key(|finding| finding.certainty);
    Diagnosis { findings, trials: budget.spent(), gave_up: budget.is_exhausted() }
}

fn one_repair(case: &Case, captured: &Trial, budget: &Budget) -> Option<Vec<Finding>> {
    let repairs = REPAIRS.iter().chain(EXHAUSTIVE).flat_map(|hypothesis| hypothesis(case));
    repairs.take_while(|_| !budget.is_exhausted()).find_map(|repair| {
        let repaired = captured.with(&repair.change)?;
        let key = repaired.matching_key(budget)?;
        Some(vec![repair.explanation.certain(format!("The signature matches, with `{key}`, once {}.", repair.once))])
    })
}

/// Two mistakes at once, in different places.
fn two_repairs(case: &Case, captured: &Trial, budget: &Budget) -> Option<Vec<Finding>> {
    let is_body = |repair: &Repair| matches!(repair.change, trial::Change::Body(_));
    let repairs = || REPAIRS.iter().flat_map(|hypothesis| hypothesis(case)).take_while(|_| !budget.is_exhausted());
    let small: Vec<_> = repairs().filter(|repair| !is_body(repair)).collect();
    let both = |one: &Repair, other: &Repair| {
        let repaired = captured.with(&one.change)?.with(&other.change)?;
        let key = repaired.matching_key(budget)?;
        let once = format!("The signature matches, with `{key}`, once {}, and {}.", one.once, other.once);
        Some(vec![one.explanation.certain(once.clone()), other.explanation.certain(once)])
    };
    let mut pairs =
        small.iter().enumerate().flat_map(|(at, one)| small[at + 1..].iter().map(move |other| (one, other)));
    let apart = |one: &Repair, other: &Repair| one.change.is_apart_from(&other.change);
    // Bodies are large: only one at a time is kept in memory.
    pairs
        .find_map(|(one, other)| apart(one, other).then(|| both(one, other))?)
        .or_else(|| repairs().filter(is_body).find_map(|body| small.iter().find_map(|other| both(&body, other))))
}
