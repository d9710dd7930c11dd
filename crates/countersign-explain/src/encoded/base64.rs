//! Base64 in either alphabet, on one line or several, and with what tools put around it.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::run::main_run;

/// A shorter text between other text is a word.
const MIN_RUN: usize = 24;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The bytes of a text that is base64: in either alphabet, padded or not, on one line or several, also in quotes.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_matches(['"', '\'']);
    // A form decoder turns `+` into spaces, and lines are wrapped; JSON escapes the `/` and the line ends.
    let spaces = if text.contains(['\n', '\r']) { "" } else { "+" };
    let text = text.replace("\\r", "").replace("\\n", "").replace("\\/", "/").replace(['\n', '\r', '\t'], "");
    let text = text.replace(' ', spaces).replace('-', "+").replace('_', "/");
    (text.len() >= 4).then(|| LENIENT.decode(text).ok())?
}

/// The bytes of base64 with something around it: `data:…;base64,`, PEM-like lines, the headers of MIME, `base64:`, the
/// lines of `uuencode -m`, an encoded word.
pub(crate) fn armored(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_matches(['"', '\'']);
    let in_url = || text.strip_prefix("data:")?.split_once(";base64,").map(|(_, rest)| rest);
    let in_pem =
        || text.strip_prefix("-----BEGIN ")?.split_once("-----\n")?.1.split_once("-----END ").map(|(inner, _)| inner);
    let in_word = || text.strip_prefix("=?")?.strip_suffix("?=")?.split_once("?B?").map(|(_, rest)| rest);
    if let Some(inner) = in_url().or_else(in_pem).or_else(in_word) {
        return base64(inner);
    }
    block(text).and_then(|block| base64(&block)).or_else(|| {
        let is_digit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
        base64(main_run(text, is_digit).filter(|run| run.len() >= MIN_RUN && run.len() < text.len())?)
    })
}

/// The longest block of lines that are base64, joined, if other lines are around it.
fn block(text: &str) -> Option<String> {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    let is_encoded = |line: &&str| !line.is_empty() && line.bytes().all(is_digit);
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let blocks = lines.split(|line| !is_encoded(line));
    let longest = blocks.max_by_key(|block| block.iter().map(|line| line.len()).sum::<usize>())?;
    // `====` ends the text of `uuencode -m`.
    let joined: String = longest.iter().filter(|line| !line.starts_with("==")).copied().collect();
    (longest.len() < lines.len() && joined.len() >= MIN_RUN).then_some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_base64_is_left_out() {
        let encoded = "eyJ0eXBlIjoiYmF0Y2guc3VjY2VlZGVkIn0=";
        let expected = Some(br#"{"type":"batch.succeeded"}"#.to_vec());
        for text in [
            format!("data:application/json;base64,{encoded}"),
            format!("-----BEGIN BODY-----\n{encoded}\n-----END BODY-----"),
            format!(
                "Content-Type: application/json\nContent-Transfer-Encoding: base64\n\n{}\n{}",
                &encoded[..16],
                &encoded[16..]
            ),
            format!("begin-base64 644 body\n{encoded}\n====\n"),
            format!("base64:{encoded}"),
            format!("=?utf-8?B?{encoded}?="),
            format!("b64\"{encoded}\""),
        ] {
            assert_eq!(armored(&text), expected, "{text}");
        }
        for text in [encoded, &encoded.replace('=', ""), &format!("{}\r\n{}", &encoded[..20], &encoded[20..])] {
            assert_eq!(base64(text), expected, "{text}");
        }
        assert_eq!(armored("a few words, and none of them is long enough"), None);
    }
}
