//! CESU-8 and Java's modified UTF-8: surrogates that are encoded one by one.

use crate::finding::Explanation;
use crate::search::step::{Variants, one};

const SURROGATES: Explanation = Explanation {
    code: "body_recoded",
    title: "the body was written in CESU-8 or Java's modified UTF-8",
    advice: "Verify the bytes as received. Java's `DataOutputStream.writeUTF`, JNI and some databases write characters beyond \
             U+FFFF as two surrogates of three bytes each: use `getBytes(StandardCharsets.UTF_8)`.",
};

/// Pairs of surrogates as one character of four bytes, and `C0 80` as a zero byte.
pub(in super::super) fn surrogates(body: &[u8]) -> Variants<'_> {
    let (mut to, mut rest, mut is_changed) = (Vec::with_capacity(body.len()), body, false);
    while let Some(first) = rest.first() {
        let (bytes, len) = match rest {
            [0xed, 0xa0..=0xaf, _, 0xed, 0xb0..=0xbf, _, ..] => {
                let unit = |at: usize| 0xd000 | u16::from(rest[at] & 0x3f) << 6 | u16::from(rest[at + 1] & 0x3f);
                let character = char::decode_utf16([unit(1), unit(4)]).next().and_then(Result::ok);
                (character.unwrap_or('\u{fffd}').to_string().into_bytes(), 6)
            }
            [0xc0, 0x80, ..] => (vec![0], 2),
            _ => (vec![*first], 1),
        };
        is_changed |= len > 1;
        to.extend(bytes);
        rest = &rest[len..];
    }
    one(is_changed.then(|| SURROGATES.variant("its surrogates are joined to characters", to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_joined() {
        let found: Vec<_> =
            surrogates(b"a\xed\xa0\xbd\xed\xb8\x80\xc0\x80\xc3\xa9").map(|variant| variant.body).collect();
        assert_eq!(found, ["a😀\0é".as_bytes()]);
        assert_eq!(surrogates("a😀é".as_bytes()).count(), 0);
    }
}
