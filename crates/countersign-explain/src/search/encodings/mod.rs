//! Undoes what happens when bytes are taken for text in another character set.

mod charset;
mod code_pages;
mod entities;
mod lost;
mod normal;
mod surrogates;

pub(super) use charset::{misread, narrow, utf16};
pub(super) use entities::{entities, typographic, without_entities};
pub(super) use lost::question_marks;
pub(super) use normal::{composed, normal_forms};
pub(super) use surrogates::surrogates;
