//! Tests that belong to no single crate, and what several of them need. It makes the code of the README and of the book a test.

pub mod install;
pub mod sender;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/src/start/rust.md")]
struct QuickStart;
