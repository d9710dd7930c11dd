//! A secret in other forms than the configured one.

use zeroize::Zeroizing;

use super::super::mac::sha256;
use super::key::Key;
use super::several;
use super::text::{PREFIX, bare, bare as bare_text, decode};
use crate::finding::Explanation;
use crate::secret_text::{BYTE_ORDER_MARK, SecretText};

const VERSION_PREFIX: Explanation = Explanation {
    code: "secret_has_version_prefix",
    title: "the secret has a `v1,` in front of it",
    advice: "Remove `v1,` from the configured secret, so that it starts with `whsec_`. Versions belong to signatures.",
};
const QUOTES: Explanation = Explanation {
    code: "secret_has_quotes",
    title: "the secret has quotation marks around it",
    advice: "Remove them where the secret is configured: an env file or a container's variables often keep them.",
};
const WHITE_SPACE: Explanation = Explanation {
    code: "secret_has_white_space",
    title: "the secret has white space or a newline in it",
    advice: "Remove it; `echo -n` or `printf %s` writes a secret without a newline.",
};
const MARK: Explanation = Explanation {
    code: "secret_has_byte_order_mark",
    title: "the secret's file begins with a byte order mark, or is UTF-16",
    advice: "Save it as UTF-8 without BOM: in PowerShell 5, `[IO.File]::WriteAllText(path, text)` instead of `>` or `Out-File`.",
};
const OTHER_TEXT: Explanation = Explanation {
    code: "secret_has_other_text",
    title: "the secret has other text around it",
    advice: "Configure only the part that starts with `whsec_`: no name, no `=`, no escape, and `whsec_` once, in small \
             letters.",
};
const UNDECODED: Explanation = Explanation {
    code: "secret_undecoded",
    title: "the sender used the text of the secret as the key, without decoding it",
    advice: "The part after `whsec_` is base64: the sender must remove the prefix, decode the rest, and sign with \
             those bytes. If the sender cannot be changed, configure `whsec_` and the base64 of the text that it uses.",
};
const PREFIX_DECODED: Explanation = Explanation {
    code: "secret_prefix_decoded",
    title: "the sender decoded the secret together with its prefix `whsec_`",
    advice: "The sender must remove `whsec_` before it decodes the rest. Lenient decoders (Node's `Buffer`, PHP, Python) do not \
             complain about the prefix, and return another key.",
};
const ENCODED_TWICE: Explanation = Explanation {
    code: "secret_encoded_twice",
    title: "the secret was encoded in base64 once too often",
    advice: "Configure the secret as the sender showed it; a tool that stores secrets in base64 (Kubernetes, Terraform) \
             expects encoded text and provides it decoded. Check which of the two it was given.",
};
const HEXADECIMAL: Explanation = Explanation {
    code: "secret_in_hex",
    title: "the secret is in hexadecimal",
    advice: "Configure the same bytes in base64, after `whsec_`.",
};
const OTHER_ALPHABET: Explanation = Explanation {
    code: "secret_in_base32",
    title: "the secret is in base32",
    advice: "Configure the same bytes in base64, after `whsec_`.",
};
const MANGLED: Explanation = Explanation {
    code: "secret_recoded",
    title: "the sender turned the bytes of the secret into text, or the other way round",
    advice: "The key is the decoded bytes, unchanged: not their hexadecimal form, not their hash, and not a string (in Node, \
             `Buffer.from(secret, 'base64')` without `.toString()`).",
};
const UNSET: Explanation = Explanation {
    code: "sender_without_secret",
    title: "the sender signed without a secret",
    advice: "The sender's secret is empty or not set: check the name of its environment variable. Until then, anyone can sign \
             such deliveries.",
};

/// Shorter texts in a file are no secret.
const SHORTEST: usize = 16;
/// How many lines of a file are tried.
const MAX_LINES: usize = 64;

/// Every other form of a secret, most likely first.
pub(super) fn of(given: &SecretText) -> Vec<Key> {
    let label = given.label.as_str();
    let text = given.text.trim();
    let bare = bare(text);
    let rest = bare.strip_prefix(PREFIX).unwrap_or(&bare);
    let key = |explanation: &'static Explanation, once: String, bytes: Vec<u8>| {
        Key::new(label, bytes, vec![explanation.step(once)])
    };
    let mut keys = Vec::new();
    if let (Some((explanation, what)), Some(bytes)) = (decoration(&given.text, &bare), decode(&bare)) {
        keys.push(key(explanation, format!("{what} removed from the secret `{label}`"), bytes.to_vec()));
    }
    let undecoded = |what: &str, text: &str| {
        key(&UNDECODED, format!("{what} `{label}` is used as the key, undecoded"), text.as_bytes().to_vec())
    };
    keys.push(undecoded("the text of", text));
    keys.push(undecoded("the part after `whsec_` of", rest));
    keys.push(undecoded("the text and a newline of", &format!("{text}\n")));
    keys.push(undecoded("the part after `whsec_`, without its `=`, of", rest.trim_end_matches('=')));
    if *bare != *text {
        keys.push(undecoded("the text, without what is around it, of", &bare));
    }
    keys.push(undecoded("the text, with `v1,`, of", &format!("v1,{}", *bare)));
    if !text.starts_with(PREFIX) {
        keys.push(undecoded("`whsec_` and the text of", &format!("{PREFIX}{text}")));
    }
    for (prefix, decoder) in [("whsec/", "as Node does"), ("whsec", "as PHP and Python do")] {
        // Such decoders drop a last character that is too few for a byte.
        let text = Zeroizing::new(format!("{prefix}{}", rest.trim_end_matches('=')));
        let bytes = decode(&text[..text.len() - usize::from(text.len() % 4 == 1)]);
        let once = format!("`whsec_` and the rest of `{label}` are decoded together, {decoder}");
        keys.extend(bytes.map(|bytes| key(&PREFIX_DECODED, once, bytes.to_vec())));
    }
    let once = format!("the secret `{label}` is read as hexadecimal");
    // `0x…`, and digits in pairs.
    let digits = text.trim_start_matches(PREFIX).trim_start_matches("0x").trim_start_matches("0X");
    let digits: Zeroizing<String> = Zeroizing::new(digits.replace([':', ' ', '-', ','], ""));
    let bytes = hex::decode(&*digits).ok().filter(|bytes| !bytes.is_empty());
    let of_text =
        bytes.as_deref().and_then(|bytes| str::from_utf8(bytes).ok()).and_then(|inner| decode(&bare_text(inner)));
    keys.extend(bytes.map(|bytes| key(&HEXADECIMAL, once.clone(), bytes)));
    keys.extend(
        of_text.map(|bytes| key(&HEXADECIMAL, format!("{once}, and the text in it is decoded"), bytes.to_vec())),
    );
    let once = format!("the secret `{label}` is read as base32");
    keys.extend(base32(rest).map(|bytes| key(&OTHER_ALPHABET, once, bytes)));
    keys.extend(lines(label, &given.text));
    keys.extend(several::of(label, &given.text));
    keys.extend(of_bytes(label, rest));
    keys
}

/// The secret in each line of a file with several, for example of a `.env` file.
fn lines(label: &str, text: &str) -> Vec<Key> {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    if lines.len() < 2 {
        return Vec::new();
    }
    let key = |(number, line): (usize, &&str)| {
        let bytes = decode(&bare_text(line)).filter(|bytes| bytes.len() >= SHORTEST)?;
        let once = format!("only line {} of `{label}` is used", number + 1);
        Some(Key::new(label, bytes.to_vec(), vec![OTHER_TEXT.step(once)]))
    };
    lines.iter().enumerate().take(MAX_LINES).filter_map(key).collect()
}

/// The bytes of base32 (RFC 4648), in which some tools write keys.
fn base32(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let (mut bytes, mut buffer, mut bits) = (Vec::with_capacity(text.len()), 0_u32, 0);
    for byte in text.bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a',
            b'2'..=b'7' => byte - b'2' + 26,
            _ => return None,
        };
        buffer = buffer << 5 | u32::from(digit);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits & 0xff).to_le_bytes()[0]);
        }
    }
    (bytes.len() >= SHORTEST).then_some(bytes)
}

/// Forms of the decoded bytes.
fn of_bytes(label: &str, rest: &str) -> Vec<Key> {
    let Some(bytes) = decode(rest) else { return Vec::new() };
    let mut keys = Vec::new();
    if let Ok(inner) = str::from_utf8(&bytes) {
        let inner = inner.trim();
        let once = || format!("the secret `{label}` is decoded once more");
        let twice = |bytes: Vec<u8>| Key::new(label, bytes, vec![ENCODED_TWICE.step(once())]);
        keys.extend(decode(&bare(inner)).map(|bytes| twice(bytes.to_vec())));
        keys.extend(hex::decode(inner).ok().map(twice));
        let once = format!("the secret `{label}` is decoded, and white space at its end is removed");
        keys.push(Key::new(label, inner.as_bytes().to_vec(), vec![WHITE_SPACE.step(once)]));
    }
    let mut mangled = |what: &str, bytes: Vec<u8>| {
        let once = format!("the key is {what} `{label}`");
        keys.push(Key::new(label, bytes, vec![MANGLED.step(once)]));
    };
    mangled("the decoded bytes as UTF-8 text (`toString()`) of", String::from_utf8_lossy(&bytes).into_owned().into());
    let latin1: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    mangled("the decoded bytes as Latin-1 text (`toString('binary')`) of", latin1.into());
    mangled("the hexadecimal digits of the bytes of", hex::encode(&bytes).into());
    mangled("the hexadecimal digits, in capitals, of the bytes of", hex::encode_upper(&bytes).into());
    mangled("the SHA-256 of the bytes of", sha256(&bytes));
    mangled("the SHA-256 of the text of", sha256(format!("{PREFIX}{rest}").as_bytes()));
    mangled("the UTF-16 of the text of", format!("{PREFIX}{rest}").encode_utf16().flat_map(u16::to_le_bytes).collect());
    mangled("the bytes and a newline of", [&bytes[..], b"\n"].concat());
    for (ignored, how) in [(['-', '_'], "of base64url"), (['+', '/'], "of standard base64")] {
        if rest.contains(ignored) {
            let key = decode(&rest.replace(ignored, "")).map(|bytes| bytes.to_vec());
            if let Some(bytes) = key {
                mangled(&format!("what is left without the characters {how}, as lenient decoders do, of"), bytes);
            }
        }
    }
    let reversed: String = rest
        .chars()
        .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    let reversed = decode(&reversed).map(|bytes| bytes.to_vec());
    if let Some(bytes) = reversed {
        mangled("what the other case of each letter means in", bytes);
    }
    keys
}

/// The keys of a sender whose secret is not set.
pub(super) fn unset() -> Vec<Key> {
    let texts = ["", "undefined", "null", "None", "secret", "changeme"];
    let key = |text: &str| {
        let what = if text.is_empty() { "nothing".to_owned() } else { format!("`{text}`") };
        Key::new("none", text.as_bytes().to_vec(), vec![UNSET.step(format!("the key is {what}"))])
    };
    texts.into_iter().map(key).collect()
}

/// What is around the secret, if it is not bare.
fn decoration(text: &str, bare: &str) -> Option<(&'static Explanation, &'static str)> {
    let inner = text.trim().trim_matches(['"', '\'', '`']);
    if bare == text {
        None
    } else if text.starts_with(BYTE_ORDER_MARK) {
        Some((&MARK, "the byte order mark is"))
    } else if inner.starts_with("v1,") {
        Some((&VERSION_PREFIX, "`v1,` is"))
    } else if inner.contains(['=', ':', '{'])
        && !inner.starts_with(PREFIX)
        && inner.trim_end_matches('=').contains(['=', ':'])
    {
        Some((&OTHER_TEXT, "the text around `whsec_…` is"))
    } else if text.contains(['"', '\'', '`', '“', '”', '‘', '’']) {
        Some((&QUOTES, "the quotation marks are"))
    } else if text.contains(|c: char| c.is_whitespace() || ('\u{200b}'..='\u{2060}').contains(&c) || c == '\u{feff}') {
        Some((&WHITE_SPACE, "white space is"))
    } else {
        Some((&OTHER_TEXT, "the text around `whsec_…` is"))
    }
}
