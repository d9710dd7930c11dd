//! Blind mutations of the corpus, without coverage: for each run of the tests, and where no fuzzer can be built.

use fastrand::Rng;

/// Bytes that mean something to one of the parsers.
const SPECIAL: &[u8] = b" \t\r\n,.;:=+-/_\"\\'{}[]$0129azAZ\0\x7f\x80\xff";
/// No mutated entry is longer.
const MAX_LEN: usize = 4096;

/// Changes an entry in one to eight places. Parts of others may get into it.
pub fn mutate(entries: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut pick = || entries.get(rng.usize(..entries.len().max(1))).cloned().unwrap_or_default();
    let (mut bytes, other) = (pick(), pick());
    for _ in 0..1 << rng.u8(..4) {
        let (at, from) = (rng.usize(..=bytes.len()), rng.usize(..=other.len()));
        let byte = if rng.bool() { SPECIAL[rng.usize(..SPECIAL.len())] } else { rng.u8(..) };
        match rng.u8(..9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 if at < bytes.len() => bytes[at] = byte,
            3 => drop(bytes.drain(at..bytes.len().min(at + rng.usize(..16)))),
            4 => {
                let piece = bytes[at..bytes.len().min(at + rng.usize(..64))].to_vec();
                bytes.splice(at..at, piece);
            }
            5 => {
                let piece = &other[from..other.len().min(from + rng.usize(..64))];
                bytes.splice(at..at, piece.iter().copied());
            }
            6 => {
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => bytes.insert(at, byte),
        }
    }
    bytes.truncate(MAX_LEN);
    bytes
}
