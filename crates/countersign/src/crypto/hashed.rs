//! Counts the hashed bytes, so that tests can check the limit.

use std::cell::Cell;

thread_local! {
    static SHA256: Cell<usize> = const { Cell::new(0) };
    static SHA512: Cell<usize> = const { Cell::new(0) };
}

pub(super) fn count(parts: &[&[u8]]) {
    SHA256.set(SHA256.get() + len(parts));
}

pub(super) fn count_sha512(parts: &[&[u8]]) {
    SHA512.set(SHA512.get() + len(parts));
}

fn len(parts: &[&[u8]]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

/// The number of bytes that this thread has hashed with SHA-256 and SHA-512 since the last call.
pub(crate) fn take() -> (usize, usize) {
    (SHA256.take(), SHA512.take())
}
