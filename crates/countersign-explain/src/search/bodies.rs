//! The bodies that may have been signed: transformations of the captured one, alone and in combination.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::{ControlFlow, Range};

use bytes::Bytes;

use super::budget::Budget;
use super::step::{Step, Transform, Variant};
use super::{encodings, respell, rewrap, undo};

/// How many unwrapped bodies are kept, to transform further.
const MAX_BASES: usize = 400;
/// How many transformations are undone one after another.
const MAX_DEPTH: usize = 3;
/// How many bytes the bodies that are transformed further may have together.
const MAX_BYTES: usize = 48 << 20;

/// How many spellings of each kind are tried before anything slow.
const LIKELY: usize = 16;
/// How many changes of values are combined with each other spelling.
const MAX_PAIRED: usize = 64;
/// The same, in a body that was unwrapped.
const MAX_PAIRED_INSIDE: usize = 4;

/// The costs of looking at a byte and of writing one, in units of a hashed byte.
const SCAN_COST: usize = 4;
const WRITE_COST: usize = 6;
const DENSE_COST: usize = 12;
/// The cost of a byte in a slow transformation. Bytes that are no text fit many character sets.
const DECODE_COST: usize = 80;

/// A body, and what was undone to get it.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) steps: Vec<Step>,
    pub(super) body: Bytes,
}

/// Wrappings: transformations that have few results, and are combined with each other.
const UNWRAP: &[Transform] = &[
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
    encodings::surrogates,
];

/// Encodings: the same, but slow.
const DECODE: &[Transform] =
    &[encodings::misread, encodings::narrow, encodings::normal_forms, encodings::entities, encodings::typographic];

/// Other spellings of JSON. They have more results.
const RESPELL: &[Transform] = &[respell::common, respell::printed, respell::lost_fractions, respell::rewritten_numbers];

/// What something else has lost, and can be guessed. They have many results.
const GUESS: &[Transform] = &[
    respell::empty_values,
    respell::dates,
    respell::quoted_numbers,
    respell::words,
    respell::renamed,
    respell::added,
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
    respell::words,
    respell::renamed,
];

/// The tables whose transformations are undone from what was captured.
#[cfg(test)]
pub(super) const TABLES: [(&str, &[Transform]); 5] =
    [("UNWRAP", UNWRAP), ("DECODE", DECODE), ("RESPELL", RESPELL), ("GUESS", GUESS), ("VALUES", VALUES)];

/// The other direction.
const REWRAP: &[Transform] = &[rewrap::rewrapped];

/// What a transformation costs, and whether its results are transformed further.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unwrap,
    Decode,
    Respell,
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

    /// The bodies that are one mistake away.
    pub(super) fn near<T>(&mut self, percent: u64, visit: Visit<'_, T>) -> ControlFlow<T> {
        self.percent = percent;
        self.unwrap(0..1, Kind::Unwrap, visit)?;
        // The likely spellings first, so that a large body leaves something for the encodings.
        let captured = self.bases[0].clone();
        for transform in RESPELL {
            self.apply(*transform, &captured, Kind::Respell, LIKELY, visit)?;
        }
        self.unwrap(0..1, Kind::Decode, visit)?;
        self.transform(0..1, RESPELL, visit)
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
    fn unwrap<T>(&mut self, bases: Range<usize>, kind: Kind, visit: Visit<'_, T>) -> ControlFlow<T> {
        let transforms = if kind == Kind::Decode { DECODE } else { UNWRAP };
        for at in bases {
            let base = self.bases[at].clone();
            for transform in transforms {
                self.apply(*transform, &base, kind, usize::MAX, visit)?;
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
                self.apply(*transform, &base, Kind::Respell, usize::MAX, visit)?;
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
                        self.apply(*transform, &changed, Kind::Respell, usize::MAX, visit)?;
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
        let cost = match kind {
            _ if base.body.is_ascii() => SCAN_COST,
            Kind::Decode => DECODE_COST,
            // Text that was bytes a step before is dense, and slow to look at.
            Kind::Unwrap if !base.steps.is_empty() => DENSE_COST,
            Kind::Unwrap | Kind::Respell => SCAN_COST,
        };
        self.budget.spend(cost * base.body.len());
        for variant in transform(&base.body).take(limit) {
            if self.is_over() {
                break;
            }
            self.budget.spend(WRITE_COST * variant.body.len());
            if !self.seen.insert(fingerprint(&variant.body)) {
                continue;
            }
            let candidate = base.then(variant);
            visit(&candidate)?;
            let kept_bytes = self.kept_bytes.saturating_add(candidate.body.len());
            if kind != Kind::Respell && self.bases.len() < MAX_BASES && kept_bytes < MAX_BYTES {
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
