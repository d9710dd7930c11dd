//! Mistakes, as people make them: from what was signed to what was captured.
//!
//! They are written with other code than the search, so that the two cannot be wrong together.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization as _;

use super::writing::{ascii, form, indented, json_text, pairs, python_bytes, rows, shown, sorted, spaced, text};

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

/// The first place of a text in JSON is replaced.
macro_rules! replaced {
    ($name:literal, $code:literal, $from:literal, $to:literal) => {
        Mistake {
            name: $name,
            code: $code,
            combines: false,
            is_respelling: true,
            apply: |body| Some(json_text(body)?.replacen($from, $to, 1).into()),
        }
    };
}

pub(super) const BODY_MISTAKES: &[Mistake] = &[
    // Edges
    around("a newline at its end", "body_trailing_newline_added", |body| Some([body, b"\n"].concat())),
    around("CRLF at its end", "body_trailing_newline_added", |body| Some([body, b"\r\n"].concat())),
    around("white space around", "body_trailing_newline_added", |body| Some([b"  ", body, b" \t"].concat())),
    around("a byte order mark", "body_byte_order_mark", |body| Some([b"\xEF\xBB\xBF", body].concat())),
    alone("wrapped lines", "body_line_ends", |body| {
        let text = text(body).filter(|text| !text.contains('\n'))?;
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
    around("hexadecimal with spaces", "body_wrapped", |body| Some(pairs(body, " ", "").into())),
    around("hexadecimal with colons", "body_wrapped", |body| Some(pairs(body, ":", "").to_uppercase().into())),
    around("hexadecimal with 0x", "body_wrapped", |body| Some(pairs(body, ", ", "0x").into())),
    around("hexadecimal with \\x", "body_wrapped", |body| Some(pairs(body, "", "\\x").into())),
    around("psql's table", "body_wrapped", |body| {
        Some(format!(" body \n------\n \\x{}\n(1 row)\n", hex::encode(body)).into())
    }),
    around("xxd", "body_wrapped", |body| {
        Some(rows(body, |at, row| {
            let words: Vec<_> = row.chunks(2).map(hex::encode).collect();
            format!("{at:08x}: {:<39}  {}\n", words.join(" "), shown(row))
        }))
    }),
    around("hexdump -C", "body_wrapped", |body| {
        let dump = rows(body, |at, row| {
            let (first, second) = row.split_at(row.len().min(8));
            format!("{at:08x}  {:<23}  {:<23}  |{}|\n", pairs(first, " ", ""), pairs(second, " ", ""), shown(row))
        });
        Some([dump, format!("{:08x}\n", body.len()).into()].concat())
    }),
    around("od -tx1", "body_wrapped", |body| {
        let dump = rows(body, |at, row| format!("{at:07o} {}\n", pairs(row, " ", "")));
        Some([dump, format!("{:07o}\n", body.len()).into()].concat())
    }),
    // Of another dump, it looks like that one.
    alone("od -c", "body_wrapped", |body| {
        let cell = |byte: &u8| match byte {
            b'\n' => "  \\n".to_owned(),
            b'\r' => "  \\r".to_owned(),
            b'\t' => "  \\t".to_owned(),
            b' '..=b'~' => format!("{:>4}", char::from(*byte)),
            byte => format!(" {byte:03o}"),
        };
        let dump = rows(body, |at, row| format!("{at:07o}{}\n", row.iter().map(cell).collect::<String>()));
        Some([dump, format!("{:07o}\n", body.len()).into()].concat())
    }),
    around("base64 with headers", "body_wrapped", |body| {
        let head = "Content-Type: application/json\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        Some(format!("{head}{}\r\n", STANDARD.encode(body)).into())
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
    alone("no-break spaces", "body_recoded", |body| Some(text(body)?.replace("batch job", "batch\u{a0}job").into())),
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
    around("CESU-8", "body_recoded", |body| {
        let text = text(body).filter(|text| text.chars().any(|character| character > '\u{ffff}'))?;
        let mut to = Vec::new();
        for unit in text.encode_utf16() {
            let [high, low] = unit.to_be_bytes();
            match unit {
                0..0x80 => to.push(low),
                0x80..0x800 => to.extend([0xc0 | high << 2 | low >> 6, 0x80 | low & 0x3f]),
                0x800.. => to.extend([0xe0 | high >> 4, 0x80 | (high & 15) << 2 | low >> 6, 0x80 | low & 0x3f]),
            }
        }
        Some(to)
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
        apply: |body| sorted(body).map(Vec::from),
    },
    Mistake {
        name: "another order, with spaces",
        code: "body_reserialised",
        combines: false,
        is_respelling: true,
        apply: |body| Some(spaced(sorted(body)?.as_bytes())?.into()),
    },
    Mistake {
        name: "without white space",
        code: "body_reserialised",
        combines: false,
        is_respelling: true,
        apply: |body| {
            let text = json_text(body).filter(|text| text.contains(" : "))?;
            Some(text.replace([' ', '\n'], "").into())
        },
    },
    replaced!("JavaScript's numbers", "body_reserialised", "10.50", "10.5"),
    replaced!("JavaScript's integers", "body_reserialised", "12345678901234567", "12345678901234568"),
    replaced!("Java's numbers", "body_reserialised", ":0.00012", ":1.2E-4"),
    replaced!("dates without fractions", "body_reserialised", "40.000Z", "40Z"),
    replaced!("PHP's empty object", "body_reserialised", "{}", "[]"),
    replaced!("Laravel's empty text", "body_reserialised", ":\"\"", ":null"),
    replaced!("numbers as text", "body_reserialised", ":3,", ":\"3\","),
    replaced!("truth values as numbers", "body_reserialised", ":true", ":1"),
    replaced!("a dropped null", "body_reserialised", ",\"error\":null", ""),
    replaced!("an added member", "body_member_added", "{\"", "{\"received_at\":17,\""),
    Mistake {
        name: "names in PascalCase",
        code: "body_reserialised",
        combines: false,
        is_respelling: true,
        apply: |body| {
            let mut to = json_text(body)?.as_bytes().to_vec();
            for at in 1..to.len() {
                let rest = &to[at..];
                let end = rest.iter().position(|byte| !byte.is_ascii_lowercase()).unwrap_or(0);
                if to[at - 1] == b'"' && end > 0 && to[at + end..].starts_with(b"\":") {
                    to[at].make_ascii_uppercase();
                }
            }
            Some(to)
        },
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
