//! JSON as other serialisers write it: the same value, in another text.

use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value that keeps the order of its names.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Object(Vec<(String, Json)>),
    Array(Vec<Json>),
    Text(String),
    /// `null`, `true`, `false` or a number.
    Literal(String),
}

pub(super) fn parse(text: &str) -> Option<Json> {
    serde_json::from_str(text).ok()
}

/// Every text that is tried, with what is said of it, the most likely first.
pub(super) fn spellings(value: Json) -> impl Iterator<Item = (String, String)> {
    let orders = Order::ALL.iter().filter_map(move |order| Some((order, order.of(&value)?)));
    orders.flat_map(|(order, value)| {
        Layout::ALL.iter().flat_map(move |layout| {
            let value = value.clone();
            Escapes::ALL.iter().flat_map(move |escapes| {
                let mut text = String::new();
                write_value(&value, layout, *escapes, 0, &mut text);
                let how = format!("{}{}{}", layout.name, escapes.name(), order.name());
                let ended = (format!("{text}\n"), format!("{how}, with a newline at its end"));
                [(text, how), ended]
            })
        })
    })
}

#[derive(Clone, Copy, Debug)]
enum Order {
    AsIs,
    Sorted,
    /// As the documentation writes Gemini's envelope.
    Documented,
}

const DOCUMENTED: &[&str] = &[
    "type",
    "version",
    "timestamp",
    "data",
    "id",
    "output_file_uri",
    "file_name",
    "error_code",
    "error_message",
    "video_uri",
    "file_id",
    "user_metadata",
];

impl Order {
    const ALL: &[Self] = &[Self::AsIs, Self::Sorted, Self::Documented];

    const fn name(self) -> &'static str {
        match self {
            Self::AsIs => "",
            Self::Sorted => ", with its names sorted",
            Self::Documented => ", with its names in the order of the documentation",
        }
    }

    /// `None` if this changes nothing.
    fn of(self, value: &Json) -> Option<Json> {
        let ordered = match self {
            Self::AsIs => return Some(value.clone()),
            Self::Sorted => value.ordered(&|name| (0, name.to_owned())),
            Self::Documented => value.ordered(&|name| {
                let place = DOCUMENTED.iter().position(|known| *known == name);
                (place.unwrap_or(DOCUMENTED.len()), String::new())
            }),
        };
        (ordered != *value).then_some(ordered)
    }
}

impl Json {
    fn ordered(&self, key: &dyn Fn(&str) -> (usize, String)) -> Self {
        match self {
            Self::Object(members) => {
                let mut members: Vec<_> =
                    members.iter().map(|(name, value)| (name.clone(), value.ordered(key))).collect();
                members.sort_by_cached_key(|(name, _)| key(name));
                Self::Object(members)
            }
            Self::Array(items) => Self::Array(items.iter().map(|item| item.ordered(key)).collect()),
            other => other.clone(),
        }
    }
}

struct Layout {
    name: &'static str,
    comma: &'static str,
    colon: &'static str,
    indent: Option<&'static str>,
}

impl Layout {
    const ALL: &[Self] = &[
        Self { name: "without spaces", comma: ",", colon: ":", indent: None },
        Self { name: "with `, ` and `: `, as Python does", comma: ", ", colon: ": ", indent: None },
        Self { name: "indented by 2 spaces", comma: ",", colon: ": ", indent: Some("  ") },
        Self { name: "indented by 4 spaces", comma: ",", colon: ": ", indent: Some("    ") },
        Self { name: "indented by tabs", comma: ",", colon: ": ", indent: Some("\t") },
    ];

    fn line(&self, depth: usize, text: &mut String) {
        if let Some(indent) = self.indent {
            text.push('\n');
            (0..depth).for_each(|_| text.push_str(indent));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escapes {
    Necessary,
    /// Python's default.
    Ascii,
    /// PHP's default.
    AsciiAndSlash,
    /// Go's default.
    Html,
}

impl Escapes {
    const ALL: &[Self] = &[Self::Necessary, Self::Ascii, Self::AsciiAndSlash, Self::Html];

    const fn name(self) -> &'static str {
        match self {
            Self::Necessary => "",
            Self::Ascii => r", with `\u` for what is not ASCII",
            Self::AsciiAndSlash => r", with `\u` and `\/`, as PHP does",
            Self::Html => r", with `\u` for `<`, `>` and `&`, as Go does",
        }
    }

    fn escapes(self, character: char) -> bool {
        match self {
            Self::Necessary => false,
            Self::Ascii | Self::AsciiAndSlash => character > '~',
            Self::Html => matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}'),
        }
    }
}

fn write_value(value: &Json, layout: &Layout, escapes: Escapes, depth: usize, text: &mut String) {
    match value {
        Json::Literal(literal) => text.push_str(literal),
        Json::Text(string) => write_string(string, escapes, text),
        Json::Array(items) => list(items, ['[', ']'], layout, depth, text, |item, text| {
            write_value(item, layout, escapes, depth + 1, text);
        }),
        Json::Object(members) => list(members, ['{', '}'], layout, depth, text, |(name, value), text| {
            write_string(name, escapes, text);
            text.push_str(layout.colon);
            write_value(value, layout, escapes, depth + 1, text);
        }),
    }
}

fn list<T>(
    items: &[T],
    brackets: [char; 2],
    layout: &Layout,
    depth: usize,
    text: &mut String,
    mut write_item: impl FnMut(&T, &mut String),
) {
    text.push(brackets[0]);
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            text.push_str(layout.comma);
        }
        layout.line(depth + 1, text);
        write_item(item, text);
    }
    if !items.is_empty() {
        layout.line(depth, text);
    }
    text.push(brackets[1]);
}

fn write_string(string: &str, escapes: Escapes, text: &mut String) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '/' if escapes == Escapes::AsciiAndSlash => text.push_str("\\/"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            c if c < ' ' || escapes.escapes(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Literal(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Literal(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Literal(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Literal(serde_json::Value::from(value).to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Literal("null".into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Json::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_serialiser_is_imitated() {
        let source = r#"{"b": [1, {}, []], "a": "é/<\"\n😀", "c": -1.5}"#;
        let all: Vec<_> = spellings(parse(source).expect("JSON")).map(|(text, _)| text).collect();
        for expected in [
            "{\"b\":[1,{},[]],\"a\":\"é/<\\\"\\n😀\",\"c\":-1.5}",
            "{\"b\": [1, {}, []], \"a\": \"\\u00e9/<\\\"\\n\\ud83d\\ude00\", \"c\": -1.5}",
            "{\"b\":[1,{},[]],\"a\":\"\\u00e9\\/<\\\"\\n\\ud83d\\ude00\",\"c\":-1.5}",
            "{\"a\":\"é/\\u003c\\\"\\n😀\",\"b\":[1,{},[]],\"c\":-1.5}\n",
            "{\n  \"b\": [\n    1,\n    {},\n    []\n  ],\n  \"a\": \"é/<\\\"\\n😀\",\n  \"c\": -1.5\n}",
        ] {
            assert!(all.iter().any(|text| text == expected), "{expected}");
        }
    }
}
