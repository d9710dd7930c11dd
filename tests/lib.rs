//! Tests that belong to no single crate. The library is empty: it makes the README's code a test.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
