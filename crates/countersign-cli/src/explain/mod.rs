//! Why a request fails: each common mistake is undone, and the signature tried again.
//!
//! If the signature matches once a mistake is undone, that proves the mistake (`search/`). An observation (`clock`,
//! `scheme`, `token`, `secret`, `hints`) is visible without undoing anything.

mod case;
mod clock;
mod diagnosis;
mod finding;
mod head;
mod hints;
mod report;
mod scheme;
mod search;
mod secret;
mod token;

pub(crate) use case::Case;
pub(crate) use report::Report;
