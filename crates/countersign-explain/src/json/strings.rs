//! Strings and their escapes, in JSON and in the literals of programming languages.

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    Json,
    Literal,
}

/// Reads the string that begins with the quote at the beginning of `text`; also returns how many bytes it takes up.
pub(super) fn read_string(text: &[u8], notation: Notation) -> Option<(String, usize)> {
    let quote = *text.first()?;
    let (mut decoded, mut at) = (Vec::new(), 1);
    loop {
        let plain = text[at..].iter().position(|byte| *byte == quote || *byte == b'\\' || *byte < 0x20)?;
        decoded.extend_from_slice(&text[at..at + plain]);
        at += plain;
        match text[at] {
            b'\\' => {
                let (character, len) = unescape(&text[at..], notation)?;
                match character {
                    Some(character) => decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                    None => decoded.extend_from_slice(text.get(at..at + len)?),
                }
                at += len;
            }
            byte if byte == quote => return Some((String::from_utf8(decoded).ok()?, at + 1)),
            _ if notation == Notation::Json => return None,
            byte => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
}

/// The character of the escape at the beginning, and its length in bytes; no character if the backslash is meant.
fn unescape(text: &[u8], notation: Notation) -> Option<(Option<char>, usize)> {
    let character = match (*text.get(1)?, notation) {
        (b'"', _) => '"',
        (b'\\', _) => '\\',
        (b'/', _) => '/',
        (b'b', _) => '\u{8}',
        (b'f', _) => '\u{c}',
        (b'n', _) => '\n',
        (b'r', _) => '\r',
        (b't', _) => '\t',
        (b'u', Notation::Literal) if text.get(2) == Some(&b'{') => {
            let end = text.iter().position(|byte| *byte == b'}')?;
            return char::from_u32(hex(text.get(3..end)?)?).map(|character| (Some(character), end + 1));
        }
        (b'u', _) => return utf16(text).map(|(character, len)| (Some(character), len)),
        (_, Notation::Json) => return None,
        (b'\'', _) => '\'',
        (b'`', _) => '`',
        (b'#', _) => '#',
        (b'$', _) => '$',
        (b'0', _) => '\0',
        (b'a', _) => '\u{7}',
        (b'v', _) => '\u{b}',
        (b'e', _) => '\u{1b}',
        (b'x', _) => return char::from_u32(hex(text.get(2..4)?)?).map(|character| (Some(character), 4)),
        (b'U', _) => return char::from_u32(hex(text.get(2..10)?)?).map(|character| (Some(character), 10)),
        _ => return Some((None, 1)),
    };
    Some((Some(character), 2))
}

fn utf16(text: &[u8]) -> Option<(char, usize)> {
    let unit = hex(text.get(2..6)?)?;
    if !(0xd800..0xdc00).contains(&unit) {
        return char::from_u32(unit).map(|character| (character, 6));
    }
    let low = text.get(6..8).filter(|next| *next == b"\\u").and_then(|_| hex(text.get(8..12)?))?;
    let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    char::from_u32(0x10000 + ((unit - 0xd800) << 10) + low).map(|character| (character, 12))
}

fn hex(digits: &[u8]) -> Option<u32> {
    let is_number = (1..=8).contains(&digits.len());
    is_number
        .then(|| digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?)))?
}
