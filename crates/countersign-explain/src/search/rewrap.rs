//! The other direction: the sender signed a wrapped body, and something has unwrapped it since.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::mac::sha256;
use super::respell;
use super::step::{Variant, Variants, text};
use crate::finding::Explanation;
use crate::json::{self, Node, Value};

const UNWRAPPED: Explanation = Explanation {
    code: "body_wrapped",
    title: "the sender signed the body inside another encoding, which something has undone",
    advice: "Verify the bytes as received, before a parser unwraps them: the form (`payload=…`), the JSON string or the base64 \
             itself is signed. If the sender is yours, sign the bytes that are sent instead.",
};
const PRINTED_BY_SENDER: Explanation = Explanation {
    code: "sender_signed_text",
    title: "the sender signed the text of an object instead of the body",
    advice: "The sender puts the body into a template string, so its language's notation is signed (`b'…'`, \
             `[object Object]`). It must sign the bytes of the body.",
};

const HASHED: Explanation = Explanation {
    code: "signed_body_hash",
    title: "the sender signed a hash of the body instead of the body",
    advice: "The sender must sign the id, a dot, the timestamp, a dot and the body itself.",
};

/// The names of form fields in which senders put their JSON.
const FIELDS: [&str; 8] = ["payload", "data", "body", "json", "event", "message", "mandrill_events", "content"];

/// A way to encode a body.
type Encode = fn(&[u8]) -> Vec<u8>;

const ENCODINGS: [(&str, Encode); 5] = [
    ("the body is encoded in base64", |body| STANDARD.encode(body).into()),
    ("the body is encoded in base64url", |body| URL_SAFE.encode(body).into()),
    ("the body is encoded in base64 without padding", |body| STANDARD_NO_PAD.encode(body).into()),
    ("the body is encoded in base64url without padding", |body| URL_SAFE_NO_PAD.encode(body).into()),
    ("the body is encoded in hexadecimal", |body| hex::encode(body).into()),
];

/// The members that some senders sign alone.
const PARTS: [&str; 6] = ["data", "payload", "event", "detail", "object", "message"];

/// What languages print for an object.
const PRINTED: [&str; 8] = ["[object Object]", "undefined", "null", "None", "True", "Array", "{}", "[object Promise]"];

/// The body in a string, in base64, in a form, as the sender may have signed it. Each is made when it is asked for.
pub(super) fn rewrapped(body: &[u8]) -> Variants<'_> {
    let printed = PRINTED
        .into_iter()
        .map(|text| PRINTED_BY_SENDER.variant(format!("`{text}` is signed instead of the body"), text.as_bytes()));
    let encoded = ENCODINGS.into_iter().map(|(once, encode)| UNWRAPPED.variant(once, encode(body)));
    let hashed = [hex::encode(sha256(body)), hex::encode_upper(sha256(body)), STANDARD.encode(sha256(body))];
    let hashed = hashed.into_iter().map(|hash| HASHED.variant("the SHA-256 of the body is signed in its place", hash));
    let repr = std::iter::once_with(|| {
        PRINTED_BY_SENDER.variant("the body is written as Python's `b'…'`", python_bytes(body))
    });
    let of_text = text(body).into_iter().flat_map(|text| {
        let strings =
            respell::as_text(text).map(|string| UNWRAPPED.variant("the body is put into a JSON string", string));
        strings.chain(forms(text)).chain(parts(text))
    });
    Box::new(printed.chain(encoded).chain(hashed).chain(repr).chain(of_text))
}

/// What a sender may sign of a JSON body: a part of it, its members as a form, or a form with it, without spaces.
fn parts(text: &str) -> impl Iterator<Item = Variant> + '_ {
    let node = std::iter::once_with(|| json::parse(text)).flatten();
    node.flat_map(move |node| {
        let part = |name: &&'static str| {
            let part = text[node.get(name)?.span.clone()].to_owned();
            Some(UNWRAPPED.variant(format!("only `{name}` of the body is signed"), part))
        };
        let parts: Vec<_> = PARTS.iter().filter_map(part).collect();
        let compact = String::from_utf8(respell::compact(&node)).ok().filter(|compact| compact != text);
        let compact = compact.into_iter().flat_map(|compact| forms(&compact).collect::<Vec<_>>());
        parts.into_iter().chain(form_of_object(&node)).chain(compact)
    })
}

/// The text as a form's field, as its key, and alone, in each encoder's way.
fn forms(text: &str) -> impl Iterator<Item = Variant> + '_ {
    let encoded = Encoder::ALL.iter().flat_map(move |encoder| {
        let encoded = encoder.encode(text);
        let fields = FIELDS.into_iter().map({
            let encoded = encoded.clone();
            move |name| {
                let once = format!("the body is put into the form field `{name}`, {}", encoder.name);
                UNWRAPPED.variant(once, format!("{name}={encoded}"))
            }
        });
        let key = UNWRAPPED.variant(format!("the body is the key of a form, {}", encoder.name), format!("{encoded}="));
        fields.chain([key, UNWRAPPED.variant(format!("the body is percent-encoded, {}", encoder.name), encoded)])
    });
    let plain = FIELDS.into_iter().map(move |name| {
        UNWRAPPED.variant(format!("the body is put into the form field `{name}`, unencoded"), format!("{name}={text}"))
    });
    let key =
        std::iter::once_with(move || UNWRAPPED.variant("the body is the key of a form, unencoded", format!("{text}=")));
    encoded.chain(plain).chain(key)
}

/// A parsed form as the form that it was: `a=1&b[c]=2`.
fn form_of_object(node: &Node) -> Vec<Variant> {
    let mut fields = Vec::new();
    let Some(members) = node.members() else { return Vec::new() };
    for member in members {
        flatten(&member.name, &member.value, &mut fields);
    }
    let form = |encoder: &Encoder| {
        let pairs: Vec<_> =
            fields.iter().map(|(name, value)| format!("{}={}", encoder.encode(name), encoder.encode(value))).collect();
        UNWRAPPED.variant(format!("its members are the fields of a form, {}", encoder.name), pairs.join("&"))
    };
    Encoder::ALL.iter().map(form).collect()
}

fn flatten(name: &str, node: &Node, fields: &mut Vec<(String, String)>) {
    match &node.value {
        Value::Object(members) => {
            for member in members {
                flatten(&format!("{name}[{}]", member.name), &member.value, fields);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                flatten(&format!("{name}[{at}]"), item, fields);
            }
        }
        Value::Text(text) | Value::Number(text) => fields.push((name.to_owned(), text.clone())),
        Value::Word(word) => fields.push((name.to_owned(), (*word).to_owned())),
    }
}

/// How a language percent-encodes.
struct Encoder {
    name: &'static str,
    /// What is not encoded besides letters and digits.
    plain: &'static str,
    space_is_plus: bool,
    lower: bool,
}

impl Encoder {
    const ALL: &[Self] = &[
        Self { name: "as browsers do", plain: "-_.*", space_is_plus: true, lower: false },
        Self { name: "as Python does", plain: "-_.~", space_is_plus: true, lower: false },
        Self { name: "as JavaScript does", plain: "-_.!~*'()", space_is_plus: false, lower: false },
        Self { name: "as RFC 3986 says", plain: "-_.~", space_is_plus: false, lower: false },
        Self { name: "as PHP does", plain: "-_.", space_is_plus: true, lower: false },
        Self { name: "as .NET does", plain: "-_.!*()", space_is_plus: true, lower: true },
        Self { name: "with `/` as it is", plain: "-_.~/", space_is_plus: true, lower: false },
    ];

    fn encode(&self, text: &str) -> String {
        let mut encoded = String::with_capacity(text.len() * 2);
        for byte in text.bytes() {
            let character = char::from(byte);
            if byte.is_ascii_alphanumeric() || (byte.is_ascii() && self.plain.contains(character)) {
                encoded.push(character);
            } else if byte == b' ' && self.space_is_plus {
                encoded.push('+');
            } else {
                let digits = if self.lower { b"0123456789abcdef" } else { b"0123456789ABCDEF" };
                let digit = |value: u8| char::from(digits[usize::from(value)]);
                encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
        encoded
    }
}

/// The body as Python's `repr` writes bytes.
fn python_bytes(body: &[u8]) -> Vec<u8> {
    let quote = if body.contains(&b'\'') && !body.contains(&b'"') { '"' } else { '\'' };
    let mut text = format!("b{quote}");
    for byte in body {
        match *byte {
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            byte if char::from(byte) == quote => text.extend(['\\', quote]),
            b' '..=b'~' => text.push(char::from(*byte)),
            byte => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push(quote);
    text.into()
}
