//! Tests that belong to no single crate, and what several of them need. It makes the README's code a test.

pub mod install;
pub mod sender;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
