//! Character sets: UTF-16, Windows-1252, Latin-1 and others.

use encoding_rs::{
    BIG5, EUC_KR, EncoderResult, Encoding, GB18030, ISO_8859_2, ISO_8859_15, KOI8_R, MACINTOSH, SHIFT_JIS, UTF_16BE,
    UTF_16LE, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252, WINDOWS_1254,
};

use super::code_pages::CODE_PAGES;
use crate::finding::Explanation;
use crate::search::step::{Variants, one, text};

/// Bytes that were taken for another text.
const RECODED: Explanation = Explanation {
    code: "body_recoded",
    title: "the body was decoded and encoded as text in another character set",
    advice: "Verify bytes, not text: the body is UTF-8, and something decoded it in another character set (`latin1`, the \
             default of an old platform, a console). Read it as bytes, or name UTF-8 explicitly.",
};
const UTF16: Explanation = Explanation {
    code: "body_recoded",
    title: "the body was saved as UTF-16",
    advice: "Verify the bytes as received. PowerShell's `>` and `Out-File` write UTF-16 in Windows PowerShell: use \
             `Set-Content -Encoding Byte` or `curl.exe -o FILE`, and `-AsByteStream` in PowerShell 7.",
};

/// Single-byte and double-byte sets that are taken for UTF-8's bytes, most likely first.
const CHARSETS: &[(&Encoding, &str)] = &[
    (WINDOWS_1252, "Windows-1252"),
    (ISO_8859_15, "ISO 8859-15"),
    (MACINTOSH, "Mac OS Roman"),
    (WINDOWS_1250, "Windows-1250"),
    (WINDOWS_1251, "Windows-1251"),
    (WINDOWS_1254, "Windows-1254"),
    (ISO_8859_2, "ISO 8859-2"),
    (KOI8_R, "KOI8-R"),
    (SHIFT_JIS, "Shift JIS"),
    (GB18030, "GB 18030"),
    (BIG5, "Big5"),
    (EUC_KR, "EUC-KR"),
];

/// UTF-16 in either byte order, with a byte order mark or without one; and UTF-8 that was UTF-16.
pub(in super::super) fn utf16(body: &[u8]) -> Variants<'_> {
    let is_wide = |parity: usize| {
        let half = body.iter().skip(parity).step_by(2);
        body.len() >= 4 && half.clone().filter(|byte| **byte == 0).count() * 4 > half.len()
    };
    let (encoding, name) = match body {
        [0xff, 0xfe, ..] => (UTF_16LE, "the body is decoded from UTF-16 (little-endian)"),
        [0xfe, 0xff, ..] => (UTF_16BE, "the body is decoded from UTF-16 (big-endian)"),
        _ if is_wide(1) => (UTF_16LE, "the body is decoded from UTF-16 (little-endian)"),
        _ if is_wide(0) => (UTF_16BE, "the body is decoded from UTF-16 (big-endian)"),
        _ => return one(None),
    };
    // An odd last byte is a newline's half.
    let (decoded, _) = encoding.decode_with_bom_removal(body);
    let trimmed = decoded.trim_end_matches(['\r', '\n']);
    // PowerShell's `>` also ends the text with CRLF.
    let without_end = (trimmed.len() < decoded.len())
        .then(|| UTF16.variant(format!("{name}, without the line end that `>` adds"), trimmed.to_owned()));
    Box::new([UTF16.variant(name, decoded.into_owned())].into_iter().chain(without_end))
}

/// UTF-8 that was read in another character set and written as UTF-8 again.
pub(in super::super) fn misread(body: &[u8]) -> Variants<'_> {
    let Some(text) = text(body).filter(|text| !text.is_ascii()) else { return one(None) };
    let latin1 = text.chars().map(|c| u8::try_from(c).ok()).collect::<Option<Vec<_>>>();
    let latin1 = latin1.map(|bytes| (bytes, "Latin-1"));
    // Characters that Windows-1252 lacks are often kept as Latin-1's.
    let mixed =
        text.chars().map(mixed_byte).collect::<Option<Vec<_>>>().map(|bytes| (bytes, "Windows-1252 or Latin-1"));
    let charsets = CHARSETS.iter().filter_map(move |(encoding, name)| Some((encode(encoding, text)?, *name)));
    let code_pages = CODE_PAGES.iter().filter_map(move |page| Some((page.encode(text)?, page.name)));
    let all = latin1.into_iter().chain(charsets).chain(mixed).chain(code_pages);
    Box::new(all.map(|(bytes, name)| RECODED.variant(format!("its characters are read as bytes of {name}"), bytes)))
}

/// The bytes of this text, if the character set has all of its characters.
fn encode(encoding: &'static Encoding, text: &str) -> Option<Vec<u8>> {
    let mut encoder = encoding.new_encoder();
    let capacity = encoder.max_buffer_length_from_utf8_without_replacement(text.len())?;
    let mut bytes = Vec::with_capacity(capacity);
    let (result, _) = encoder.encode_from_utf8_to_vec_without_replacement(text, &mut bytes, true);
    (result == EncoderResult::InputEmpty).then_some(bytes)
}

fn mixed_byte(character: char) -> Option<u8> {
    u8::try_from(character).ok().or_else(|| {
        let mut buffer = [0; 4];
        let (bytes, _, has_errors) = WINDOWS_1252.encode(character.encode_utf8(&mut buffer));
        (!has_errors).then(|| bytes.first().copied())?
    })
}

/// Bytes of another character set, which the sender signed as UTF-8.
pub(in super::super) fn narrow(body: &[u8]) -> Variants<'_> {
    if body.is_ascii() {
        return one(None);
    }
    let latin1: String = body.iter().map(|byte| char::from(*byte)).collect();
    let charsets = CHARSETS.iter().filter_map(move |(encoding, name)| {
        let decoded = encoding.decode_without_bom_handling_and_without_replacement(body)?;
        Some((decoded.into_owned(), *name))
    });
    let code_pages = CODE_PAGES.iter().map(move |page| (page.decode(body), page.name));
    let all = [(latin1, "Latin-1")].into_iter().chain(charsets).chain(code_pages);
    Box::new(
        all.map(|(text, name)| RECODED.variant(format!("its bytes are read as {name} and encoded as UTF-8"), text)),
    )
}
