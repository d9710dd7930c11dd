//! The other direction: the sender signed a wrapped body, and something has unwrapped it since.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::respell;
use super::step::{Variant, Variants, text};
use crate::explain::finding::Explanation;
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

/// The names of form fields in which senders put their JSON.
const FIELDS: [&str; 8] = ["payload", "data", "body", "json", "event", "message", "mandrill_events", "content"];

/// The body in a string, in base64, in a form, as the sender may have signed it.
pub(super) fn rewrapped(body: &[u8]) -> Variants<'_> {
    let unwrapped = |once: &'static str, body: Vec<u8>| UNWRAPPED.variant(once, body);
    let mut all = vec![
        unwrapped("the body is encoded in base64", STANDARD.encode(body).into()),
        unwrapped("the body is encoded in base64url", URL_SAFE.encode(body).into()),
        unwrapped("the body is encoded in base64 without padding", STANDARD_NO_PAD.encode(body).into()),
        unwrapped("the body is encoded in base64url without padding", URL_SAFE_NO_PAD.encode(body).into()),
        unwrapped("the body is encoded in hexadecimal", hex::encode(body).into()),
        PRINTED_BY_SENDER.variant("the body is written as Python's `b'…'`", python_bytes(body)),
    ];
    if let Some(text) = text(body) {
        all.extend(respell::as_text(text).into_iter().map(|string| unwrapped("the body is put into a JSON string", string)));
        all.extend(forms(text));
        if let Some(node) = json::parse(text) {
            all.extend(form_of_object(&node));
            let compact = respell::compact(&node);
            all.extend(str::from_utf8(&compact).ok().filter(|compact| *compact != text).map(forms).unwrap_or_default());
            let parts = ["data", "payload", "event", "detail", "object", "message"];
            all.extend(parts.into_iter().filter_map(|name| {
                let part = text[node.get(name)?.span.clone()].to_owned();
                Some(UNWRAPPED.variant(format!("only `{name}` of the body is signed"), part))
            }));
        }
    }
    let printed = ["[object Object]", "undefined", "null", "None", "True", "Array", "{}", "[object Promise]"];
    let printed = printed.map(|text| {
        PRINTED_BY_SENDER.variant(format!("`{text}` is signed instead of the body"), text.as_bytes())
    });
    Box::new(all.into_iter().chain(printed))
}

/// The text as a form's field, as its key, and alone, in each encoder's way.
fn forms(text: &str) -> Vec<Variant> {
    let mut forms = Vec::new();
    for encoder in Encoder::ALL {
        let encoded = encoder.encode(text);
        for name in FIELDS {
            let once = format!("the body is put into the form field `{name}`, {}", encoder.name);
            forms.push(UNWRAPPED.variant(once, format!("{name}={encoded}")));
        }
        forms.push(UNWRAPPED.variant(format!("the body is the key of a form, {}", encoder.name), format!("{encoded}=")));
        forms.push(UNWRAPPED.variant(format!("the body is percent-encoded, {}", encoder.name), encoded));
    }
    forms.push(UNWRAPPED.variant("the body is the key of a form, unencoded", format!("{text}=")));
    forms.extend(FIELDS.map(|name| {
        UNWRAPPED.variant(format!("the body is put into the form field `{name}`, unencoded"), format!("{name}={text}"))
    }));
    forms
}

/// A parsed form as the form that it was: `a=1&b[c]=2`.
fn form_of_object(node: &Node) -> Vec<Variant> {
    let mut fields = Vec::new();
    let Some(members) = node.members() else { return Vec::new() };
    members.iter().for_each(|member| flatten(&member.name, &member.value, &mut fields));
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
            members.iter().for_each(|member| flatten(&format!("{name}[{}]", member.name), &member.value, fields));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| flatten(&format!("{name}[{at}]"), item, fields));
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
                let _ = if self.lower { write!(encoded, "%{byte:02x}") } else { write!(encoded, "%{byte:02X}") };
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
