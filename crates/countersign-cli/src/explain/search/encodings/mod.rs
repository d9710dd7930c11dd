//! Undoes what happens when bytes are taken for text in another character set.

mod charset;
mod code_pages;
mod entities;
mod lost;
mod normal;

pub(super) use charset::{misread, narrow, utf16};
pub(super) use entities::{entities, typographic};
pub(super) use lost::question_marks;
pub(super) use normal::normal_forms;

use crate::explain::finding::Explanation;

/// Bytes that were taken for another text.
const RECODED: Explanation = Explanation {
    code: "body_recoded",
    title: "the body was decoded and encoded as text in another character set",
    advice: "Verify bytes, not text: the body is UTF-8, and something decoded it in another character set (`latin1`, the \
             default of an old platform, a console). Read it as bytes, or name UTF-8 explicitly.",
};
