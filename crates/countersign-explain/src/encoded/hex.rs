//! Hexadecimal digits, as databases, languages and tools write bytes.

use super::run::main_run;

/// A shorter run of digits between other text is a number.
const MIN_RUN: usize = 16;

/// The bytes of a text in hexadecimal: `7b22`, `0x7b22`, `\x7b22`, `X'7b22'`, `7b 22`, `7B-22`, `0x7b, 0x22`, `<Buffer 7b 22>`,
/// `[]byte{0x7b, 0x22}`, the output of `xxd -p` and `xxd -i`, or a table of a database with one value.
pub(crate) fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_matches(['"', '\'']);
    plain(text).or_else(|| listed(text)).or_else(|| {
        let run =
            main_run(text, |c| c.is_ascii_hexdigit()).filter(|run| run.len() >= MIN_RUN && run.len() < text.len())?;
        ::hex::decode(run).ok()
    })
}

/// Digits with separators and prefixes, and nothing else.
fn plain(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
    let text = text.strip_prefix("Buffer ").unwrap_or(text);
    let is_part = |c: char| c.is_ascii_hexdigit() || is_separator(c) || matches!(c, '\\' | 'x' | 'X' | 'h' | 'H');
    if text.len() < 4 || !text.chars().all(is_part) {
        return None;
    }
    let is_listed = text.contains([' ', ',', '\n', ';', ':', '-', '\t']);
    if !is_listed {
        let digits = text.replace("\\\\x", "").replace("\\x", "").replace("0x", "").replace("0X", "");
        return ::hex::decode(digits).ok();
    }
    // Each number alone: `0xa` and `a` are one byte in a list.
    let words = text.split(is_separator).filter(|word| !word.is_empty());
    let mut bytes = Vec::with_capacity(text.len() / 3);
    for word in words {
        let digits = ["\\\\x", "\\x", "0x", "0X"].iter().find_map(|prefix| word.strip_prefix(prefix)).unwrap_or(word);
        let digits = digits.trim_end_matches(['h', 'H']);
        match digits.len() {
            1 => bytes.push(u8::from_str_radix(digits, 16).ok()?),
            _ => bytes.extend(::hex::decode(digits.replace("\\x", "")).ok()?),
        }
    }
    (bytes.len() > 1).then_some(bytes)
}

fn is_separator(c: char) -> bool {
    c.is_ascii_whitespace() || matches!(c, ':' | ',' | ';' | '-')
}

/// `unsigned char body[] = { 0x7b, 0x22 };`, `[]byte{0x7b}`, `new byte[] { 0x7b }`, `{length = 2, bytes = 0x7b22}`.
fn listed(text: &str) -> Option<Vec<u8>> {
    let inner = text.split_once('{')?.1;
    let inner = inner.split('}').next()?.trim();
    let inner = inner.rsplit_once("bytes = ").map_or(inner, |(_, bytes)| bytes);
    inner.contains("0x").then(|| plain(inner.trim_end_matches(','))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_in_every_form() {
        let expected = r#"{"type":"batch.succeeded","note":"b é","data":{"id":"batches/1"}}"#.as_bytes().to_vec();
        let digits = ::hex::encode(&expected);
        let pairs = |separator: &str, prefix: &str| {
            expected.iter().map(|byte| format!("{prefix}{byte:02x}")).collect::<Vec<_>>().join(separator)
        };
        for text in [
            digits.clone(),
            digits.to_uppercase(),
            format!("0x{digits}"),
            format!("\\x{digits}"),
            format!("\\\\x{digits}"),
            format!("X'{digits}'"),
            format!("bytes.fromhex('{digits}')"),
            format!(" body \n------\n \\x{digits}\n(1 row)"),
            format!("{}\n{}\n", &digits[..60], &digits[60..]),
            pairs(" ", ""),
            pairs(":", ""),
            pairs("-", "").to_uppercase(),
            pairs("", "\\x"),
            pairs(", ", "0x"),
            format!("<Buffer {}>", pairs(" ", "")),
            format!("<{} {}>", &digits[..64], &digits[64..]),
            format!("[]byte{{{}}}", pairs(", ", "0x")),
            format!("unsigned char body[] = {{\n  {},\n}};\nunsigned int body_len = 12;", pairs(", ", "0x")),
            format!("{{length = 12, bytes = 0x{digits}}}"),
        ] {
            assert_eq!(hexadecimal(&text).as_ref(), Some(&expected), "{text}");
        }
        for text in ["{\"a\":1}", "added", "a number 1234", "odd123"] {
            assert_eq!(hexadecimal(text).filter(|bytes| bytes.len() > 3), None, "{text}");
        }
    }
}
