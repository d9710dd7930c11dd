//! One transformation of a delivery, and what it tells the user.

use std::borrow::Cow;

use bytes::Bytes;

use crate::finding::Explanation;

/// One change that was undone.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) explanation: &'static Explanation,
    /// Completes "the signature matches once …".
    pub(super) once: Cow<'static, str>,
}

/// A body that may have been signed, one step away from another one.
#[derive(Clone, Debug)]
pub(super) struct Variant {
    pub(super) step: Step,
    pub(super) body: Bytes,
}

/// The variants that one transformation makes of a body.
pub(super) type Variants<'b> = Box<dyn Iterator<Item = Variant> + 'b>;

/// A pure function from a body to the bodies that it may come from.
pub(super) type Transform = for<'b> fn(&'b [u8]) -> Variants<'b>;

impl Explanation {
    pub(super) fn step(&'static self, once: impl Into<Cow<'static, str>>) -> Step {
        Step { explanation: self, once: once.into() }
    }

    pub(super) fn variant(&'static self, once: impl Into<Cow<'static, str>>, body: impl Into<Bytes>) -> Variant {
        Variant { step: self.step(once), body: body.into() }
    }
}

/// The variants of a transformation that has at most one.
pub(super) fn one<'b>(variant: Option<Variant>) -> Variants<'b> {
    Box::new(variant.into_iter())
}

/// The body as text.
pub(super) fn text(body: &[u8]) -> Option<&str> {
    str::from_utf8(body).ok()
}
