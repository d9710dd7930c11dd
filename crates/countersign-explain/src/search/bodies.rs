//! The bodies that may have been signed: transformations of the captured one, alone and in combination.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::{ControlFlow, Range};

use bytes::Bytes;

use super::budget::Budget;
use super::respell;
use super::step::{Step, Transform, Variant};
use super::tables::{DECODE, GUESS, RECOMPRESS, RESPELL, REWRAP, UNWRAP, VALUES};

/// How many unwrapped bodies are kept, to transform further.
const MAX_BASES: usize = 400;
/// How many transformations are undone one after another.
const MAX_DEPTH: usize = 3;
/// How many bytes the bodies that are transformed further may have together.
const MAX_BYTES: usize = 48 << 20;

/// How many spellings of each kind are tried before anything slow.
const LIKELY: usize = 16;
/// How many guesses of each kind are.
const FIRST_GUESSES: usize = 8;
/// How many changes of values are combined with each other spelling.
const MAX_PAIRED: usize = 64;
/// The same, in a body that was unwrapped.
const MAX_PAIRED_INSIDE: usize = 4;

/// The costs for each byte, in units of a hashed byte: to see what a body looks like, to transform it, and to write a variant.
const LOOK_COST: usize = 1;
const SCAN_COST: usize = 4;
const PARSE_COST: usize = 10;
const DENSE_COST: usize = 12;
const WRITE_COST: usize = 6;
const SPLICE_COST: usize = 3;
/// How many bytes are looked at.
const MAX_LOOK: usize = 64 << 10;

/// A body, and what was undone to get it.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) steps: Vec<Step>,
    pub(super) body: Bytes,
}

/// What a transformation costs, and whether its results are transformed further.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unwrap,
    Decode,
    Respell,
    Guess,
}

/// What is called with each different body, until it breaks.
pub(super) type Visit<'v, T> = &'v mut dyn FnMut(&Candidate) -> ControlFlow<T>;

/// Makes the different bodies, the most likely ones first, until the budget is used up to a percentage.
pub(super) struct Bodies<'b> {
    seen: HashSet<u64>,
    /// The captured body, and those that were unwrapped from it.
    bases: Vec<Candidate>,
    /// How many of them are at most one wrapping away.
    near: usize,
    kept_bytes: usize,
    budget: &'b Budget,
    percent: u64,
}

impl<'b> Bodies<'b> {
    pub(super) fn new(captured: &Bytes, budget: &'b Budget) -> Self {
        let captured = Candidate { steps: Vec::new(), body: captured.clone() };
        let seen = HashSet::from([fingerprint(&captured.body)]);
        Self { seen, kept_bytes: captured.body.len(), bases: vec![captured], near: 1, budget, percent: 100 }
    }

    /// The bodies that are one mistake away: those of which there are few, and the first of the others.
    pub(super) fn near<T>(&mut self, percent: u64, visit: Visit<'_, T>) -> ControlFlow<T> {
        self.percent = percent;
        self.unwrap(0..1, Kind::Unwrap, visit)?;
        // The likely spellings and guesses first, so that a large body leaves something for the encodings.
        let captured = self.bases[0].clone();
        for transform in RESPELL {
            self.apply(*transform, &captured, Kind::Respell, LIKELY, visit)?;
        }
        for transform in GUESS {
            self.apply(*transform, &captured, Kind::Guess, FIRST_GUESSES, visit)?;
        }
        self.unwrap(0..1, Kind::Decode, visit)?;
        self.transform(0..1, RESPELL, Kind::Respell, visit)
    }

    /// The bodies that are several wrappings away, and their spellings.
    pub(super) fn deep<T>(&mut self, percent: u64, visit: Visit<'_, T>) -> ControlFlow<T> {
        self.percent = percent;
        self.near = self.bases.len();
        let mut depth = 1..self.near;
        for _ in 1..MAX_DEPTH {
            for kind in [Kind::Unwrap, Kind::Decode] {
                self.unwrap(depth.clone(), kind, visit)?;
            }
            depth = depth.end..self.bases.len();
        }
        self.transform(1..self.near, RESPELL, Kind::Respell, visit)
    }

    /// The others, after the near and the deep ones.
    pub(super) fn far<T>(&mut self, percent: u64, visit: Visit<'_, T>) -> ControlFlow<T> {
        self.percent = percent;
        let (near, all) = (self.near, self.bases.len());
        self.transform(0..1, REWRAP, Kind::Respell, visit)?;
        self.transform(0..1, RECOMPRESS, Kind::Respell, visit)?;
        self.transform(0..1, GUESS, Kind::Guess, visit)?;
        self.pairs(0..1, MAX_PAIRED, visit)?;
        self.transform(near..all, RESPELL, Kind::Respell, visit)?;
        self.transform(1..near, REWRAP, Kind::Respell, visit)?;
        self.transform(1..near, GUESS, Kind::Guess, visit)?;
        self.pairs(1..near, MAX_PAIRED_INSIDE, visit)
    }

    /// Unwraps these bodies once more, and keeps the results.
    fn unwrap<T>(&mut self, bases: Range<usize>, kind: Kind, visit: Visit<'_, T>) -> ControlFlow<T> {
        let forms = if kind == Kind::Decode { DECODE } else { UNWRAP };
        for at in bases {
            let base = self.bases[at].clone();
            for form in forms {
                self.budget.spend(LOOK_COST * base.body.len().min(MAX_LOOK));
                if (form.fits)(&base.body) {
                    self.apply(form.undo, &base, kind, usize::MAX, visit)?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn transform<T>(
        &mut self,
        bases: Range<usize>,
        transforms: &[Transform],
        kind: Kind,
        visit: Visit<'_, T>,
    ) -> ControlFlow<T> {
        for at in bases {
            let base = self.bases[at].clone();
            if base.is_same_json() {
                continue;
            }
            for transform in transforms {
                self.apply(*transform, &base, kind, usize::MAX, visit)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Changed values in the spelling of another serializer, and two kinds of changed values.
    fn pairs<T>(&mut self, bases: Range<usize>, limit: usize, visit: Visit<'_, T>) -> ControlFlow<T> {
        for at in bases {
            let base = self.bases[at].clone();
            if base.is_same_json() {
                continue;
            }
            for values in VALUES {
                for variant in values(&base.body).take(limit) {
                    if self.is_over() {
                        return ControlFlow::Continue(());
                    }
                    let changed = base.then(variant);
                    self.apply(respell::common, &changed, Kind::Respell, usize::MAX, visit)?;
                    for transform in VALUES {
                        self.apply(*transform, &changed, Kind::Guess, usize::MAX, visit)?;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn apply<T>(
        &mut self,
        transform: Transform,
        base: &Candidate,
        kind: Kind,
        limit: usize,
        visit: Visit<'_, T>,
    ) -> ControlFlow<T> {
        if self.is_over() {
            return ControlFlow::Continue(());
        }
        let (cost, write_cost) = match kind {
            // Text that was bytes a step before is dense, and slow to look at.
            Kind::Unwrap if !base.steps.is_empty() && !base.body.is_ascii() => (DENSE_COST, WRITE_COST),
            Kind::Unwrap | Kind::Decode => (SCAN_COST, WRITE_COST),
            Kind::Respell => (PARSE_COST, WRITE_COST),
            Kind::Guess => (PARSE_COST, SPLICE_COST),
        };
        self.budget.spend(cost * base.body.len());
        for variant in transform(&base.body).take(limit) {
            if self.is_over() {
                break;
            }
            self.budget.spend(write_cost * variant.body.len());
            if !self.seen.insert(fingerprint(&variant.body)) {
                continue;
            }
            let candidate = base.then(variant);
            visit(&candidate)?;
            let kept_bytes = self.kept_bytes.saturating_add(candidate.body.len());
            if matches!(kind, Kind::Unwrap | Kind::Decode) && self.bases.len() < MAX_BASES && kept_bytes < MAX_BYTES {
                self.kept_bytes = kept_bytes;
                self.bases.push(candidate);
            }
        }
        ControlFlow::Continue(())
    }

    fn is_over(&self) -> bool {
        self.budget.is_used(self.percent)
    }
}

impl Candidate {
    /// Whether only white space around JSON differs, so that its other spellings are those of the captured body.
    fn is_same_json(&self) -> bool {
        let is_blank = |step: &Step| {
            let code = step.explanation.code;
            code.starts_with("body_trailing_newline") || code == "body_line_ends"
        };
        !self.steps.is_empty() && self.steps.iter().all(is_blank) && !self.body.contains(&0)
    }

    fn then(&self, variant: Variant) -> Self {
        let steps = self.steps.iter().cloned().chain([variant.step]).collect();
        Self { steps, body: variant.body }
    }
}

fn fingerprint(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}
