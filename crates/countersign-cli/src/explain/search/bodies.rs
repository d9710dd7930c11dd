//! The bodies that may have been signed: transformations of the captured one, alone and in combination.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::{ControlFlow, Range};

use bytes::Bytes;

use super::budget::Budget;
use super::step::{Step, Transform, Variant, text};
use super::{encodings, respell, rewrap, undo};

/// How many unwrapped bodies are kept, to transform further.
const MAX_BASES: usize = 400;
/// How many transformations are undone one after another.
const MAX_DEPTH: usize = 3;
/// How many bytes the bodies that are transformed further may have together.
const MAX_BYTES: usize = 48 << 20;

/// How many changes of values are combined with each other spelling.
const MAX_PAIRED: usize = 64;
/// The same, in a body that was unwrapped.
const MAX_PAIRED_INSIDE: usize = 4;

/// The costs of looking at a byte and of writing one, in units of a hashed byte. Character sets and normal forms are slow,
/// and bytes that are no text fit many of them.
const ASCII_COSTS: (usize, usize) = (4, 5);
const TEXT_COSTS: (usize, usize) = (12, 6);
const BINARY_COSTS: (usize, usize) = (16, 16);

/// A body, and what was undone to get it.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) steps: Vec<Step>,
    pub(super) body: Bytes,
}

/// Transformations that have few results, and are combined with each other.
pub(super) const UNDO: &[Transform] = &[
    undo::trailing_newline,
    undo::byte_order_mark,
    undo::line_ends,
    undo::json_string,
    undo::base64,
    undo::inflated,
    undo::buffer,
    undo::python_bytes,
    undo::names_as_body,
    undo::members,
    undo::fields,
    undo::percent_decoded,
    undo::data_url,
    undo::hexadecimal,
    undo::byte_list,
    undo::hex_dump,
    undo::quoted_text,
    undo::slashes,
    undo::chunked,
    undo::head,
    undo::multipart,
    undo::quoted_printable,
    undo::framed,
    undo::surrounded,
    undo::doubled,
    respell::literal,
    respell::unescaped,
    encodings::utf16,
    encodings::misread,
    encodings::narrow,
    encodings::normal_forms,
    encodings::entities,
    encodings::typographic,
];

/// Other spellings of JSON. They have more results.
pub(super) const RESPELL: &[Transform] =
    &[respell::common, respell::printed, respell::lost_fractions, respell::rewritten_numbers];

/// What something else has lost, and can be guessed. They have many results.
pub(super) const GUESS: &[Transform] = &[
    respell::empty_values,
    respell::dates,
    respell::quoted_numbers,
    respell::lost_digits,
    encodings::question_marks,
    respell::rare,
    respell::shuffled,
    respell::shuffled_layouts,
];

/// Changes to values, which another serializer may have written besides.
const VALUES: &[Transform] = &[
    respell::lost_fractions,
    respell::rewritten_numbers,
    respell::dates,
    respell::empty_values,
    respell::quoted_numbers,
];

/// The other direction.
const REWRAP: &[Transform] = &[rewrap::rewrapped];

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

    /// The bodies that are one mistake away.
    pub(super) fn near<T>(&mut self, percent: u64, visit: Visit<'_, T>) -> ControlFlow<T> {
        self.percent = percent;
        self.unwrap(0..1, visit)?;
        self.transform(0..1, RESPELL, visit)
    }

    /// The bodies that are several wrappings away, and their spellings.
    pub(super) fn deep<T>(&mut self, percent: u64, visit: Visit<'_, T>) -> ControlFlow<T> {
        self.percent = percent;
        self.near = self.bases.len();
        let mut depth = 1..self.near;
        for _ in 1..MAX_DEPTH {
            self.unwrap(depth.clone(), visit)?;
            depth = depth.end..self.bases.len();
        }
        self.transform(1..self.near, RESPELL, visit)
    }

    /// The others, after the near and the deep ones.
    pub(super) fn far<T>(&mut self, percent: u64, visit: Visit<'_, T>) -> ControlFlow<T> {
        self.percent = percent;
        let (near, all) = (self.near, self.bases.len());
        self.transform(0..1, REWRAP, visit)?;
        self.transform(0..1, GUESS, visit)?;
        self.pairs(0..1, MAX_PAIRED, visit)?;
        self.transform(near..all, RESPELL, visit)?;
        self.transform(1..near, REWRAP, visit)?;
        self.transform(1..near, GUESS, visit)?;
        self.pairs(1..near, MAX_PAIRED_INSIDE, visit)
    }

    /// Unwraps these bodies once more, and keeps the results.
    fn unwrap<T>(&mut self, bases: Range<usize>, visit: Visit<'_, T>) -> ControlFlow<T> {
        for at in bases {
            let base = self.bases[at].clone();
            for transform in UNDO {
                self.apply(*transform, &base, true, visit)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn transform<T>(&mut self, bases: Range<usize>, transforms: &[Transform], visit: Visit<'_, T>) -> ControlFlow<T> {
        for at in bases {
            let base = self.bases[at].clone();
            if base.is_same_json() {
                continue;
            }
            for transform in transforms {
                self.apply(*transform, &base, false, visit)?;
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
                    self.apply(respell::common, &changed, false, visit)?;
                    for transform in VALUES {
                        self.apply(*transform, &changed, false, visit)?;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn apply<T>(&mut self, transform: Transform, base: &Candidate, keep: bool, visit: Visit<'_, T>) -> ControlFlow<T> {
        let (scan_cost, write_cost) = costs(&base.body);
        // The slow transformations are among those whose results are kept.
        self.budget.spend(if keep { scan_cost } else { ASCII_COSTS.0 } * base.body.len());
        for variant in transform(&base.body) {
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
            if keep && self.bases.len() < MAX_BASES && kept_bytes < MAX_BYTES {
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

fn costs(body: &[u8]) -> (usize, usize) {
    if body.is_ascii() {
        ASCII_COSTS
    } else if text(body).is_some() {
        TEXT_COSTS
    } else {
        BINARY_COSTS
    }
}

fn fingerprint(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}
