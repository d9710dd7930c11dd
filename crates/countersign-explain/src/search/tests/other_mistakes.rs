//! Mistakes with the headers, with the secret, and of senders.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::writing::{form, python_bytes, secret, text};

/// A mistake with the headers: the finding that names it, and what it makes of names and values.
type HeadMistake = (&'static str, &'static str, fn(&mut Vec<(String, String)>));

pub(super) const HEAD_MISTAKES: &[HeadMistake] = &[
    ("other names", "headers_renamed", |head| {
        for (name, _) in head {
            *name = name.replace("webhook", "acme");
        }
    }),
    ("swapped", "id_and_timestamp_swapped", |head| {
        let id = head[0].1.clone();
        head[0].1 = std::mem::replace(&mut head[1].1, id);
    }),
    ("quotes", "header_decorated", |head| head[0].1 = format!("\"{}\"", head[0].1)),
    ("milliseconds", "timestamp_in_another_unit", |head| head[1].1.push_str("000")),
    ("another id", "id_from_another_delivery", |head| head[0].1 = head[0].1.to_uppercase()),
    ("hexadecimal", "signature_hex", |head| {
        head[2].1 = hex::encode(STANDARD.decode(&head[2].1[3..]).expect("base64"));
    }),
    ("Python's bytes", "header_decorated", |head| head[0].1 = format!("b'{}'", head[0].1)),
    ("a date with an offset", "timestamp_in_another_unit", |head| {
        head[1].1 = "2026-09-29T08:05:46+02:00".into();
    }),
    ("a folded signature", "signature_escaped", |head| head[2].1.insert(20, ' ')),
    ("encoded twice", "signature_encoded_twice", |head| {
        head[2].1 = format!("v1,{}", STANDARD.encode(&head[2].1[3..]));
    }),
];

/// What was done to a body.
type Change = fn(&[u8]) -> Vec<u8>;

/// What a sender signed instead of the body that it sent: the finding that names it, and the signed bytes.
pub(super) const SENDER_MISTAKES: &[(&str, &str, Change)] = &[
    ("base64", "body_wrapped", |body| STANDARD.encode(body).into()),
    ("a JSON string", "body_wrapped", |body| Value::from(text(body).expect("text")).to_string().into()),
    ("a form's field", "body_wrapped", |body| [b"payload=", &form(body)[..]].concat()),
    ("Python's bytes", "sender_signed_text", python_bytes),
    ("[object Object]", "sender_signed_text", |_| b"[object Object]".to_vec()),
    ("gzip", "body_decompressed", |body| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(body).expect("it is in memory");
        encoder.finish().expect("it is in memory")
    }),
    ("a hash in hexadecimal", "signed_body_hash", |body| hex::encode(Sha256::digest(body)).into()),
    ("a hash in base64", "signed_body_hash", |body| STANDARD.encode(Sha256::digest(body)).into()),
];

/// A mistake with a secret: the finding that names it, and the configured text and the sender's key that it makes of a key.
type SecretMistake = (&'static str, &'static str, fn(&[u8]) -> (String, Vec<u8>));

pub(super) const SECRET_MISTAKES: &[SecretMistake] = &[
    ("quotes", "secret_has_quotes", |key| (format!("\"{}\"", secret(key)), key.to_vec())),
    ("a newline", "secret_has_white_space", |key| (format!("{}\n\n", secret(key)), key.to_vec())),
    ("a version", "secret_has_version_prefix", |key| (format!("v1,{}", secret(key)), key.to_vec())),
    ("a name", "secret_has_other_text", |key| (format!("SECRET={}", secret(key)), key.to_vec())),
    ("a byte order mark", "secret_has_byte_order_mark", |key| (format!("\u{feff}{}", secret(key)), key.to_vec())),
    ("the text as the key", "secret_undecoded", |key| (secret(key), secret(key).into())),
    ("the rest as the key", "secret_undecoded", |key| (secret(key), secret(key)[6..].into())),
    ("hexadecimal", "secret_in_hex", |key| (hex::encode(key), key.to_vec())),
    ("encoded twice", "secret_encoded_twice", |key| (STANDARD.encode(secret(key)), key.to_vec())),
    ("decoded with its prefix", "secret_prefix_decoded", |key| {
        let text = format!("whsec/{}", &secret(key)[6..]);
        let lenient = base64::engine::general_purpose::GeneralPurpose::new(
            &base64::alphabet::STANDARD,
            base64::engine::GeneralPurposeConfig::new()
                .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
                .with_decode_allow_trailing_bits(true),
        );
        // Node drops the last character, which is too few for a byte.
        (secret(key), lenient.decode(&text[..48]).expect("base64"))
    }),
    ("two secrets", "secret_has_others", |key| (format!("{},{}", secret(key), secret(&[7; 32])), key.to_vec())),
    ("another prefix", "secret_has_other_text", |key| (secret(key).replace("whsec_", "whsec-"), key.to_vec())),
    ("hexadecimal with colons", "secret_in_hex", |key| {
        (key.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"), key.to_vec())
    }),
    ("a line of many", "secret_has_other_text", |key| {
        let env = format!(
            "# webhooks\nexport LOG_LEVEL=debug_and_more_of_it\nexport SECRET=\"{}\" # live\nPORT=80\n",
            secret(key)
        );
        (env, key.to_vec())
    }),
    ("escaped for a URL", "secret_has_other_text", |key| {
        (secret(key).replace('_', "%5F").replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"), key.to_vec())
    }),
    ("the prefix twice", "secret_has_other_text", |key| (format!("whsec_{}", secret(key)), key.to_vec())),
    ("two characters missing at its end", "secret_cut", |key| {
        let text = secret(key);
        (text.trim_end_matches('=')[..text.trim_end_matches('=').len() - 2].to_owned(), key.to_vec())
    }),
    ("two characters missing at its beginning", "secret_cut", |key| {
        (format!("whsec_{}", &secret(key)[8..]), key.to_vec())
    }),
    ("capitals", "secret_case_lost", |_| {
        let key = b"6vvi5937j9v6mqpf83odvqs5cpzq9r2s".to_vec();
        (secret(&key).to_uppercase(), key)
    }),
    ("hexadecimal of its text", "secret_in_hex", |key| (hex::encode(secret(key)), key.to_vec())),
    ("base32", "secret_in_base32", |key| (base32(key), key.to_vec())),
    ("characters that a decoder ignores", "secret_recoded", |key| {
        let url = URL_SAFE_NO_PAD.encode(key);
        let kept: String = url.chars().filter(char::is_ascii_alphanumeric).collect();
        let kept = &kept[..kept.len() - usize::from(kept.len() % 4 == 1)];
        let lenient = base64::engine::general_purpose::GeneralPurpose::new(
            &base64::alphabet::STANDARD,
            base64::engine::GeneralPurposeConfig::new()
                .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
                .with_decode_allow_trailing_bits(true),
        );
        (format!("whsec_{url}"), lenient.decode(kept).expect("base64"))
    }),
    ("as text", "secret_recoded", |key| (secret(key), String::from_utf8_lossy(key).into_owned().into())),
];

/// Those that are found alone: each has thousands of variants.
pub(super) const ALONE: [&str; 3] =
    ["two characters missing at its end", "two characters missing at its beginning", "capitals"];

/// As RFC 4648 writes it, without padding.
fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: Vec<_> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let digit = |bits: &[u8]| {
        let number = bits.iter().chain(&[0; 4]).take(5).fold(0, |number, bit| number << 1 | usize::from(*bit));
        char::from(DIGITS[number])
    };
    bits.chunks(5).map(digit).collect()
}
