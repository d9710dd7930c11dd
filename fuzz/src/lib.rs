//! The targets of the fuzzers: each is a function of any bytes, which panics if a property does not hold.
//!
//! The fuzzer in `runner/` calls them with the bytes that it finds, and the test in `tests/` with the corpus.

#![expect(clippy::expect_used, reason = "a panic is how a target reports what it has found")]

pub mod corpus;
#[cfg(feature = "gateway")]
mod http1;
mod judge;
mod keys;
pub mod mutation;
mod targets;

/// A property of a parser or a decision.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, which is that of its corpus, too.
    pub name: &'static str,
    /// Checks the property for these bytes.
    pub run: fn(&[u8]),
    /// Where the fuzzer starts.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    #[cfg(feature = "gateway")]
    Target { name: "accelerator", run: targets::accelerator::run, seeds: targets::accelerator::seeds },
    Target { name: "binding", run: targets::binding::run, seeds: targets::binding::seeds },
    #[cfg(feature = "gateway")]
    Target { name: "config", run: targets::config::run, seeds: targets::config::seeds },
    Target { name: "events", run: targets::events::run, seeds: targets::events::seeds },
    Target { name: "heads", run: targets::heads::run, seeds: targets::heads::seeds },
    Target { name: "jwks", run: targets::jwks::run, seeds: targets::jwks::seeds },
    #[cfg(feature = "gateway")]
    Target { name: "plain", run: targets::plain::run, seeds: targets::plain::seeds },
    #[cfg(feature = "gateway")]
    Target { name: "proxy", run: targets::proxy::run, seeds: targets::proxy::seeds },
    Target { name: "secrets", run: targets::secrets::run, seeds: targets::secrets::seeds },
    Target { name: "signatures", run: targets::signatures::run, seeds: targets::signatures::seeds },
    Target { name: "tokens", run: targets::tokens::run, seeds: targets::tokens::seeds },
];

/// The target with this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Seeds from texts.
fn texts<const N: usize>(texts: [&str; N]) -> Vec<Vec<u8>> {
    texts.map(|text| text.as_bytes().to_vec()).into()
}
