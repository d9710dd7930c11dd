//! Mistakes, as people make them: from what was signed to what was captured.
//!
//! They are written with other code than the search, so that the two cannot be wrong together.

use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization as _;

/// A mistake, the finding that names it, and what it makes of a body; `None` if it does not apply.
pub(super) struct Mistake {
    pub(super) name: &'static str,
    pub(super) code: &'static str,
    /// Whether it is found together with another mistake.
    pub(super) combines: bool,
    /// Whether it writes JSON again.
    pub(super) is_respelling: bool,
    pub(super) apply: fn(&[u8]) -> Option<Vec<u8>>,
}

const fn around(name: &'static str, code: &'static str, apply: fn(&[u8]) -> Option<Vec<u8>>) -> Mistake {
    Mistake { name, code, combines: true, is_respelling: false, apply }
}

const fn respelled(name: &'static str, apply: fn(&[u8]) -> Option<Vec<u8>>) -> Mistake {
    Mistake { name, code: "body_reserialised", combines: true, is_respelling: true, apply }
}

const fn alone(name: &'static str, code: &'static str, apply: fn(&[u8]) -> Option<Vec<u8>>) -> Mistake {
    Mistake { name, code, combines: false, is_respelling: false, apply }
}

pub(super) const BODY_MISTAKES: &[Mistake] = &[
    // Edges
    around("a newline at its end", "body_trailing_newline_added", |body| Some([body, b"\n"].concat())),
    around("CRLF at its end", "body_trailing_newline_added", |body| Some([body, b"\r\n"].concat())),
    around("white space around", "body_trailing_newline_added", |body| Some([b"  ", body, b" \t"].concat())),
    around("a byte order mark", "body_byte_order_mark", |body| Some([b"\xEF\xBB\xBF", body].concat())),
    alone("wrapped lines", "body_line_ends", |body| {
        let text = text(body)?;
        let at = (20..text.len()).find(|at| text.is_char_boundary(*at))?;
        Some(format!("{}\n{}", &text[..at], &text[at..]).into())
    }),
    // Wrappings
    around("a JSON string", "body_wrapped", |body| Some(Value::from(text(body)?).to_string().into())),
    around("escaped quotes", "body_wrapped", |body| {
        let string = Value::from(text(body)?).to_string();
        Some(string[1..string.len() - 1].to_owned().into())
    }),
    around("base64", "body_wrapped", |body| Some(STANDARD.encode(body).into())),
    around("base64url", "body_wrapped", |body| Some(URL_SAFE.encode(body).into())),
    around("base64 without padding", "body_wrapped", |body| Some(STANDARD_NO_PAD.encode(body).into())),
    around("base64url without padding", "body_wrapped", |body| Some(URL_SAFE_NO_PAD.encode(body).into())),
    around("base64 in lines", "body_wrapped", |body| {
        let lines: Vec<_> = STANDARD.encode(body).into_bytes().chunks(76).map(<[u8]>::to_vec).collect();
        Some(lines.join(&b"\r\n"[..]))
    }),
    around("base64 with spaces for plus", "body_wrapped", |body| Some(STANDARD.encode(body).replace('+', " ").into())),
    around("a data URL", "body_wrapped", |body| {
        Some(format!("data:application/json;base64,{}", STANDARD.encode(body)).into())
    }),
    around("hexadecimal", "body_wrapped", |body| Some(hex::encode(body).into())),
    around("PostgreSQL's bytea", "body_wrapped", |body| Some(format!("\\x{}", hex::encode(body)).into())),
    around("Node's Buffer", "body_wrapped", |body| Some(json!({"type": "Buffer", "data": body}).to_string().into())),
    around("an array of numbers", "body_wrapped", |body| Some(json!(body).to_string().into())),
    around("a Uint8Array as JSON", "body_wrapped", |body| {
        let members: Vec<_> = body.iter().enumerate().map(|(at, byte)| format!("\"{at}\":{byte}")).collect();
        Some(format!("{{{}}}", members.join(",")).into())
    }),
    around("Uint8Array.toString", "body_wrapped", |body| {
        Some(body.iter().map(u8::to_string).collect::<Vec<_>>().join(",").into())
    }),
    around("Go's bytes", "body_wrapped", |body| Some(format!("{body:?}").replace(',', "").into())),
    around("Java's bytes", "body_wrapped", |body| {
        Some(format!("{:?}", body.iter().map(|byte| byte.cast_signed()).collect::<Vec<_>>()).into())
    }),
    around("xxd", "body_wrapped", |body| {
        let mut dump = String::new();
        for (at, line) in body.chunks(16).enumerate() {
            let _ = write!(dump, "{:08x}: ", at * 16);
            line.chunks(2).for_each(|pair| {
                let _ = write!(dump, "{} ", hex::encode(pair));
            });
            let shown: String =
                line.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect();
            let _ = writeln!(dump, " {shown}");
        }
        Some(dump.into())
    }),
    around("Python's bytes", "body_wrapped", |body| Some(python_bytes(body))),
    around("a form's field", "body_wrapped", |body| Some([b"payload=", &form(body)[..]].concat())),
    around("a form's field among others", "body_wrapped", |body| {
        Some([b"a=1&data=", &form(body)[..], b"&z="].concat())
    }),
    around("a form's key", "body_wrapped", |body| Some([&form(body)[..], b"="].concat())),
    around("percent-encoded", "body_wrapped", |body| Some(form(body))),
    around("JSON of a form's key", "body_wrapped", |body| Some(json!({text(body)?: ""}).to_string().into())),
    around("SNS", "body_wrapped", |body| {
        Some(json!({"Type": "Notification", "MessageId": "1", "Message": text(body)?}).to_string().into())
    }),
    around("SQS", "body_wrapped", |body| {
        Some(json!({"Records": [{"messageId": "1", "body": text(body)?}]}).to_string().into())
    }),
    around("Lambda", "body_wrapped", |body| {
        Some(json!({"version": "2.0", "isBase64Encoded": true, "body": STANDARD.encode(body)}).to_string().into())
    }),
    around("Pub/Sub", "body_wrapped", |body| {
        Some(json!({"message": {"data": STANDARD.encode(body), "messageId": "1"}}).to_string().into())
    }),
    around("EventBridge", "body_wrapped", |body| {
        let body = text(body).filter(|text| serde_json::from_str::<Value>(text).is_ok())?;
        Some(format!("{{\"source\":\"a\", \"detail\": {body}}}").into())
    }),
    around("gzip", "body_compressed", |body| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(body).ok()?;
        encoder.finish().ok()
    }),
    around("zlib", "body_compressed", |body| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(body).ok()?;
        encoder.finish().ok()
    }),
    around("chunks", "body_chunked", |body| {
        let (first, second) = body.split_at(body.len() / 3);
        let chunk = |chunk: &[u8]| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
        Some([chunk(first), chunk(second), b"0\r\n\r\n".to_vec()].concat())
    }),
    around("an HTTP head", "body_wrapped", |body| Some([b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", body].concat())),
    around("multipart", "body_wrapped", |body| {
        Some([b"--b1\r\ncontent-disposition: form-data; name=\"payload\"\r\n\r\n", body, b"\r\n--b1--\r\n"].concat())
    }),
    around("a gRPC frame", "body_wrapped", |body| {
        Some([&[0][..], &u32::try_from(body.len()).ok()?.to_be_bytes(), body].concat())
    }),
    around("CSV", "body_wrapped", |body| Some(format!("\"{}\"", text(body)?.replace('"', "\"\"")).into())),
    around("single quotes", "body_wrapped", |body| Some([b"'", body, b"'"].concat())),
    around("addslashes", "body_wrapped", |body| {
        let body = text(body)?.replace('\\', "\\\\").replace('"', "\\\"").replace('\'', "\\'");
        Some(body.into())
    }),
    around("twice", "body_wrapped", |body| Some([body, body].concat())),
    alone("a log line", "body_wrapped", |body| Some([b"2026-09-29 INFO body=", body, b" (ok)"].concat())),
    alone("quoted-printable", "body_wrapped", |body| {
        let encode = |byte: &u8| match byte {
            b'=' | 0..=31 | 127.. => format!("={byte:02X}"),
            byte => char::from(*byte).to_string(),
        };
        Some(body.iter().map(encode).collect::<String>().into())
    }),
    // Encodings
    around("UTF-16 with a mark", "body_recoded", |body| {
        let text = format!("\u{feff}{}", text(body)?);
        Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect())
    }),
    around("UTF-16, big-endian", "body_recoded", |body| {
        let text = format!("\u{feff}{}", text(body)?);
        Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect())
    }),
    around("PowerShell's redirection", "body_recoded", |body| {
        let text = format!("\u{feff}{}\r\n", text(body)?);
        Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect())
    }),
    around("read as Latin-1", "body_recoded", |body| {
        (!body.is_ascii()).then(|| body.iter().map(|byte| char::from(*byte)).collect::<String>().into())
    }),
    around("read as Windows-1252", "body_recoded", |body| {
        (!body.is_ascii()).then(|| encoding_rs::WINDOWS_1252.decode_without_bom_handling(body).0.into_owned().into())
    }),
    around("written as Windows-1252", "body_recoded", |body| {
        let text = text(body).filter(|text| !text.is_ascii())?;
        let (bytes, _, has_errors) = encoding_rs::WINDOWS_1252.encode(text);
        (!has_errors).then(|| bytes.into_owned())
    }),
    around("decomposed", "body_recoded", |body| {
        let text = text(body).filter(|text| text.nfc().eq(text.chars()) && !text.is_ascii())?;
        Some(text.nfd().collect::<String>().into())
    }),
    around("HTML entities", "body_recoded", |body| {
        let text = text(body)?.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        Some(text.replace('"', "&quot;").replace('\'', "&#39;").into())
    }),
    alone("a lost character", "body_characters_lost", |body| {
        let text = text(body)?;
        let (at, character) = text.char_indices().find(|(_, character)| "éü".contains(*character))?;
        Some(format!("{}?{}", &text[..at], &text[at + character.len_utf8()..]).into())
    }),
    alone("lost bytes", "body_characters_lost", |body| {
        let text = text(body)?;
        let (at, character) = text.char_indices().find(|(_, character)| "éü".contains(*character))?;
        Some(format!("{}\u{fffd}\u{fffd}{}", &text[..at], &text[at + character.len_utf8()..]).into())
    }),
    // JSON written again
    respelled("Python's spaces", |body| Some(spaced(body)?.into())),
    respelled("json.dumps", |body| Some(ascii(&spaced(body)?).into())),
    respelled("two spaces", |body| Some(indented(json_text(body)?).into())),
    respelled("escaped slashes", |body| json_text(body).map(|text| text.replace('/', "\\/").into())),
    respelled("ASCII", |body| json_text(body).map(|text| ascii(text).into())),
    Mistake {
        name: "another order",
        code: "body_reserialised",
        combines: false,
        is_respelling: true,
        // serde_json sorts the members.
        apply: |body| Some(value(body)?.to_string().into()),
    },
    Mistake {
        name: "Python's repr",
        code: "body_stringified",
        combines: false,
        is_respelling: true,
        apply: |body| {
            json_text(body)?;
            let text = spaced(body)?.replace("true", "True").replace("null", "None");
            Some(text.replace('\'', "\\'").replace("\\\"", "\u{1}").replace('"', "'").replace('\u{1}', "\"").into())
        },
    },
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
    ("as text", "secret_recoded", |key| (secret(key), String::from_utf8_lossy(key).into_owned().into())),
];

fn secret(key: &[u8]) -> String {
    format!("whsec_{}", STANDARD.encode(key))
}

fn text(body: &[u8]) -> Option<&str> {
    str::from_utf8(body).ok()
}

fn value(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok().filter(Value::is_object)
}

/// The text of a JSON object.
fn json_text(body: &[u8]) -> Option<&str> {
    value(body).and_then(|_| text(body))
}

/// With Python's spaces. Strings in the tests have no `":` and no `,"` inside.
fn spaced(body: &[u8]) -> Option<String> {
    let text = json_text(body).filter(|text| !text.contains('\n'))?;
    let (mut to, mut in_text, mut is_escaped) = (String::new(), false, false);
    for character in text.chars() {
        to.push(character);
        if !in_text && matches!(character, ',' | ':') {
            to.push(' ');
        }
        in_text ^= character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
    }
    Some(to)
}

/// With a line for each member, as most serializers indent.
fn indented(text: &str) -> String {
    let (mut to, mut depth, mut in_text, mut is_escaped) = (String::new(), 0, false, false);
    let line = |to: &mut String, depth: usize| {
        to.push('\n');
        to.push_str(&"  ".repeat(depth));
    };
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_blank = !in_text && character.is_whitespace();
        match character {
            _ if is_blank => continue,
            '{' | '[' if !in_text => {
                to.push(character);
                while characters.next_if(|next| next.is_whitespace()).is_some() {}
                if let Some(close) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    to.push(close);
                } else {
                    depth += 1;
                    line(&mut to, depth);
                }
            }
            '}' | ']' if !in_text => {
                depth -= 1;
                line(&mut to, depth);
                to.push(character);
            }
            ',' if !in_text => {
                to.push(character);
                line(&mut to, depth);
            }
            ':' if !in_text => to.push_str(": "),
            _ => to.push(character),
        }
        in_text ^= character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
    }
    to
}

fn ascii(text: &str) -> String {
    let mut to = String::new();
    for character in text.chars() {
        if character.is_ascii() {
            to.push(character);
        } else {
            character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                let _ = write!(to, "\\u{unit:04x}");
            });
        }
    }
    to
}

fn form(body: &[u8]) -> Vec<u8> {
    let mut to = String::new();
    for byte in body {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => to.push(char::from(*byte)),
            b' ' => to.push('+'),
            byte => {
                let _ = write!(to, "%{byte:02X}");
            }
        }
    }
    to.into()
}

fn python_bytes(body: &[u8]) -> Vec<u8> {
    let mut to = String::from("b'");
    for byte in body {
        match byte {
            b'\\' => to.push_str("\\\\"),
            b'\'' => to.push_str("\\'"),
            b'\n' => to.push_str("\\n"),
            b'\r' => to.push_str("\\r"),
            b'\t' => to.push_str("\\t"),
            32..127 => to.push(char::from(*byte)),
            byte => {
                let _ = write!(to, "\\x{byte:02x}");
            }
        }
    }
    to.push('\'');
    to.into()
}
