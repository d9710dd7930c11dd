//! The search: undoes mistakes, alone and in combination, until a signature matches.
//!
//! A request has four parts that may have been changed: the secret (`secrets/`), id and timestamp (`heads/`), the body
//! (`undo/`, `encodings/`, `respell/`, `rewrap.rs`) and what is signed of them (`conventions.rs`). Each has a list of
//! alternatives, the most likely first. The search tries the alternatives of one part, then of two, then of three, within
//! a budget. The spelling of the signature costs nothing: every reading of it is compared (`signatures.rs`).

mod bodies;
mod budget;
mod conventions;
mod encodings;
mod heads;
mod mac;
mod proof;
mod recompress;
mod respell;
mod rewrap;
mod secrets;
mod signatures;
mod step;
mod tables;
#[cfg(test)]
mod tests;
mod undo;

use std::ops::ControlFlow;

use bytes::Bytes;

pub use budget::Budget;
pub(crate) use secrets::{bare, decode, is_one_case};

use bodies::{Bodies, Candidate};
use conventions::Convention;
use heads::Head;
use proof::{Proof, Prover};
use secrets::Key;

use crate::case::Case;
use crate::finding::Finding;

/// Up to which part of the budget each stage goes, in percent, so that a large body leaves something for the others.
const NEAR_BODIES: u64 = 70;
const DEEP_BODIES: u64 = 75;
const WITH_NEAR_BODIES: u64 = 80;
const RARE_PARTS: u64 = 85;
const FAR_BODIES: u64 = 95;
const WITH_FAR_BODIES: u64 = 100;
/// How many bodies are combined with changes of another part, and how many with changes of two.
const MAX_COMBINED: usize = 1500;
const MAX_TWICE_COMBINED: usize = 60;
/// How many bytes the bodies have that are combined.
const MAX_COMBINED_BYTES: usize = 32 << 20;

/// What a search has found.
pub(crate) enum Found {
    /// The signature matches as it is: the cause is elsewhere.
    Authentic,
    /// The signature matches once these mistakes are undone.
    Proved(Vec<Finding>),
    Nothing,
}

/// Whether the signature matches as it is.
pub(crate) fn is_authentic(case: &Case) -> bool {
    let budget = Budget::default();
    as_captured(case, &prover(case, &budget)).is_some_and(|proof| proof.steps.is_empty())
}

/// Searches for the mistakes in a request.
pub(crate) fn search(case: &Case, budget: &Budget) -> Found {
    let prover = prover(case, budget);
    match as_captured(case, &prover).or_else(|| Search::new(case, &prover).proof()) {
        Some(proof) if proof.steps.is_empty() => Found::Authentic,
        Some(proof) => Found::Proved(findings(&proof)),
        None => Found::Nothing,
    }
}

/// What was undone in the body that a token binds, if one is found.
pub(crate) fn restored(body: &Bytes, budget: &Budget, binds: &dyn Fn(&Bytes) -> bool) -> Option<Vec<Finding>> {
    let mut visit = |candidate: &Candidate| {
        let is_found = budget.spend_trial(candidate.body.len()) && binds(&candidate.body);
        if is_found { ControlFlow::Break(candidate.clone()) } else { ControlFlow::Continue(()) }
    };
    let mut bodies = Bodies::new(body, budget);
    let found = bodies.near(100, &mut visit).break_value();
    let found = found.or_else(|| bodies.deep(100, &mut visit).break_value());
    let found = found.or_else(|| bodies.far(100, &mut visit).break_value());
    let steps = found?.steps;
    Some(distinct(&steps, &format!("The token is authentic, and binds the body once {}.", once(&steps))))
}

fn prover<'b>(case: &Case, budget: &'b Budget) -> Prover<'b> {
    let public = case.trust.ed25519_verifier().map(|verifier| (verifier, case.trust.ed25519_len()));
    Prover::new(signatures::readings(case), public, budget)
}

fn as_captured(case: &Case, prover: &Prover<'_>) -> Option<Proof> {
    let body = Candidate { steps: Vec::new(), body: case.capture.body.clone() };
    prover.prove(&secrets::configured(case), &Head::captured(case), &Convention::standard(), &body)
}

struct Search<'s> {
    case: &'s Case,
    prover: &'s Prover<'s>,
    keys: Vec<Key>,
    other_keys: Vec<Key>,
    head: Head,
    other_heads: Vec<Head>,
    convention: Convention,
    other_conventions: Vec<Convention>,
    body: Candidate,
}

impl<'s> Search<'s> {
    fn new(case: &'s Case, prover: &'s Prover<'s>) -> Self {
        Self {
            case,
            prover,
            keys: secrets::configured(case),
            other_keys: secrets::others(case),
            head: heads::first(case),
            other_heads: heads::others(case),
            convention: Convention::standard(),
            other_conventions: Convention::known(),
            body: Candidate { steps: Vec::new(), body: case.capture.body.clone() },
        }
    }

    fn proof(&self) -> Option<Proof> {
        let (mut near, mut far) = (Vec::new(), Vec::new());
        let mut bodies = Bodies::new(&self.case.capture.body, self.prover.budget);
        self.one_small_part()
            .or_else(|| bodies.near(NEAR_BODIES, &mut |body| self.body(body, &mut near)).break_value())
            .or_else(|| self.two_small_parts())
            .or_else(|| bodies.deep(DEEP_BODIES, &mut |body| self.body(body, &mut far)).break_value())
            .or_else(|| self.with_another_part(&near, WITH_NEAR_BODIES))
            .or_else(|| self.rare_parts())
            .or_else(|| bodies.far(FAR_BODIES, &mut |body| self.body(body, &mut far)).break_value())
            .or_else(|| self.with_another_part(&far, WITH_FAR_BODIES))
            .or_else(|| self.two_rare_parts())
            .or_else(|| self.three_parts(&near))
    }

    /// The secret, the head or the convention is changed.
    fn one_small_part(&self) -> Option<Proof> {
        let standard = &self.convention;
        self.prove(&self.keys, &self.head, standard, &self.body)
            .or_else(|| self.prove(&self.other_keys, &self.head, standard, &self.body))
            .or_else(|| self.heads(&self.keys, standard, &self.body))
            .or_else(|| self.conventions(&self.keys, &self.head, &self.body))
    }

    /// Two of them are changed.
    fn two_small_parts(&self) -> Option<Proof> {
        let standard = &self.convention;
        self.heads(&self.other_keys, standard, &self.body)
            .or_else(|| self.conventions(&self.other_keys, &self.head, &self.body))
            .or_else(|| self.other_heads.iter().find_map(|head| self.conventions(&self.keys, head, &self.body)))
    }

    /// What has many alternatives: timestamps, and one wrong character of a secret.
    fn rare_parts(&self) -> Option<Proof> {
        let standard = &self.convention;
        self.rare_heads(RARE_PARTS).find_map(|head| self.prove(&self.keys, &head, standard, &self.body)).or_else(|| {
            let mut keys = secrets::mistyped(self.case).take_while(|_| !self.prover.budget.is_used(RARE_PARTS));
            keys.find_map(|key| self.prove(&[key], &self.head, standard, &self.body))
        })
    }

    /// Every order and separator of the signed parts, and every timestamp, with each other secret.
    fn two_rare_parts(&self) -> Option<Proof> {
        let keys: Vec<_> = self.keys.iter().chain(&self.other_keys).cloned().collect();
        let conventions = Convention::rare();
        let mut conventions = conventions.iter();
        conventions.find_map(|convention| self.prove(&keys, &self.head, convention, &self.body)).or_else(|| {
            self.rare_heads(100).find_map(|head| self.prove(&self.other_keys, &head, &self.convention, &self.body))
        })
    }

    /// The body and another part are changed.
    fn with_another_part(&self, bodies: &[Candidate], percent: u64) -> Option<Proof> {
        let standard = &self.convention;
        let mut bodies = bodies.iter().take_while(move |_| !self.prover.budget.is_used(percent));
        bodies.find_map(|body| {
            self.prove(&self.other_keys, &self.head, standard, body)
                .or_else(|| self.heads(&self.keys, standard, body))
                .or_else(|| self.conventions(&self.keys, &self.head, body))
        })
    }

    fn three_parts(&self, bodies: &[Candidate]) -> Option<Proof> {
        let standard = &self.convention;
        let bodies = &bodies[..bodies.len().min(MAX_TWICE_COMBINED)];
        let mut heads = self.other_heads.iter();
        heads.find_map(|head| self.conventions(&self.other_keys, head, &self.body)).or_else(|| {
            bodies.iter().find_map(|body| {
                self.conventions(&self.other_keys, &self.head, body)
                    .or_else(|| self.heads(&self.other_keys, standard, body))
            })
        })
    }

    /// Tries a body alone, and keeps it for the combinations.
    fn body(&self, body: &Candidate, kept: &mut Vec<Candidate>) -> ControlFlow<Proof> {
        if let Some(proof) = self.prove(&self.keys, &self.head, &self.convention, body) {
            return ControlFlow::Break(proof);
        }
        if kept.len() < MAX_COMBINED && (kept.len() + 1) * body.body.len() < MAX_COMBINED_BYTES {
            kept.push(body.clone());
        }
        ControlFlow::Continue(())
    }

    fn rare_heads(&self, percent: u64) -> impl Iterator<Item = Head> {
        heads::rare(self.case).take_while(move |_| !self.prover.budget.is_used(percent))
    }

    fn heads(&self, keys: &[Key], convention: &Convention, body: &Candidate) -> Option<Proof> {
        self.other_heads.iter().find_map(|head| self.prove(keys, head, convention, body))
    }

    fn conventions(&self, keys: &[Key], head: &Head, body: &Candidate) -> Option<Proof> {
        self.other_conventions.iter().find_map(|convention| {
            // Without id and timestamp, another head changes nothing.
            let is_other = head.id != self.head.id || head.timestamp != self.head.timestamp;
            let is_same = !convention.has_head() && is_other;
            (!is_same).then(|| self.prove(keys, head, convention, body))?
        })
    }

    fn prove(&self, keys: &[Key], head: &Head, convention: &Convention, body: &Candidate) -> Option<Proof> {
        self.prover.prove(keys, head, convention, body)
    }
}

fn findings(proof: &Proof) -> Vec<Finding> {
    let evidence = format!("The signature matches, with `{}`, once {}.", proof.key, once(&proof.steps));
    distinct(&proof.steps, &evidence)
}

/// What was undone, in one sentence.
fn once(steps: &[step::Step]) -> String {
    steps.iter().map(|step| step.once.as_ref()).collect::<Vec<_>>().join(", and ")
}

/// One finding for each mistake, all with the same evidence.
fn distinct(steps: &[step::Step], evidence: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for step in steps {
        if findings.iter().all(|known| known.code != step.explanation.code) {
            findings.push(step.explanation.certain(evidence));
        }
    }
    findings
}
