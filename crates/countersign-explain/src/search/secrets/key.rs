//! A signing key.

use std::rc::Rc;

use zeroize::Zeroizing;

use crate::search::step::Step;

/// The bytes of a key, and what was undone to get them.
#[derive(Clone)]
pub(in super::super) struct Key {
    pub(in super::super) label: String,
    pub(in super::super) bytes: Rc<Zeroizing<Vec<u8>>>,
    pub(in super::super) steps: Vec<Step>,
}

impl Key {
    pub(super) fn new(label: &str, bytes: Vec<u8>, steps: Vec<Step>) -> Self {
        Self { label: label.to_owned(), bytes: Rc::new(Zeroizing::new(bytes)), steps }
    }
}
