//! The parts of strings that stand for themselves.

/// As many bytes as compilers compare at once on common processors.
const BLOCK: usize = 32;
/// As many bytes as a register holds.
const WORD: usize = 8;

/// The position of the first byte that ends a string, begins an escape, or must not be in a string.
pub(super) fn first_special(text: &[u8]) -> Option<usize> {
    // Nearly all strings are shorter than it takes to prepare a search in blocks.
    let near = text.get(..BLOCK).unwrap_or(text);
    if let Some(at) = first_in_words(near) {
        return Some(at);
    }
    let plain = plain_blocks(text) * BLOCK;
    first_in_words(text.get(plain..)?).map(|at| plain + at)
}

/// The same, eight bytes at a time.
fn first_in_words(text: &[u8]) -> Option<usize> {
    let (words, rest) = text.as_chunks::<WORD>();
    for (index, word) in words.iter().enumerate() {
        let special = special_of(u64::from_le_bytes(*word));
        if special != 0 {
            return Some(index * WORD + special.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|byte| is_special(*byte)).map(|at| words.len() * WORD + at)
}

/// The lowest bit that is set is the highest bit of the first special byte, if there is one.
///
/// A subtraction sets the highest bit of a byte that is below its subtrahend. It may borrow from the bytes above, but
/// these come later in the text.
fn special_of(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; WORD]);
    let is_below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let is = |byte: u8| is_below(word ^ (ONES * u64::from(byte)), 1);
    (is_below(word, b' ') | is(b'"') | is(b'\\')) & (ONES << 7)
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1f)
}

/// The number of blocks in front of the first special byte.
///
/// The comparisons of a block have no branch between them, so compilers use vector instructions. For a string of
/// 20 KiB this takes a tenth of the time.
fn plain_blocks(text: &[u8]) -> usize {
    let special = |byte: &u8| u8::from(*byte == b'"') | u8::from(*byte == b'\\') | u8::from(*byte < 0x20);
    let is_plain = |block: &&[u8; BLOCK]| block.iter().fold(0, |any, byte| any | special(byte)) == 0;
    text.as_chunks().0.iter().take_while(is_plain).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_special_byte_is_found_wherever_it_is() {
        for len in 0..3 * BLOCK {
            let plain = vec![b'a'; len];
            assert_eq!(first_special(&plain), None, "{len}");
            for byte in 0..=u8::MAX {
                let text = [&plain[..], &[byte], b"aaa\""].concat();
                let expected = if is_special(byte) { len } else { len + 4 };
                assert_eq!(first_special(&text), Some(expected), "{byte} after {len}");
            }
        }
    }
}
