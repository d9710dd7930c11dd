//! JSON as other serializers write it: the same value in other bytes.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

/// A value that keeps the order of its members.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Object(Vec<(String, Json)>),
    Array(Vec<Json>),
    Text(String),
    /// `null`, `true`, `false` or a number.
    Literal(Value),
}

pub(super) fn parse(text: &str) -> Option<Json> {
    serde_json::from_str(text).ok()
}

/// Every text to try, with its description, most likely first.
pub(super) fn spellings(value: Json) -> impl Iterator<Item = (String, String)> {
    let orders = Order::ALL.iter().filter_map(move |order| Some((order, order.of(&value)?)));
    orders.flat_map(|(order, value)| {
        Layout::ALL.iter().flat_map(move |layout| {
            let value = value.clone();
            Escapes::ALL.iter().flat_map(move |escapes| {
                let text = Style::write(&value, layout, *escapes).unwrap_or_default();
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
    /// The order of Gemini's documentation.
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
            Self::Documented => ", with its names in the documented order",
        }
    }

    /// `None` if the order stays the same.
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

/// Writes JSON in one layout and one way of escaping.
struct Style<'l> {
    layout: &'l Layout,
    escapes: Escapes,
    depth: usize,
    /// Whether the innermost list or object has an element.
    has_element: bool,
}

impl Style<'_> {
    fn write(value: &Json, layout: &Layout, escapes: Escapes) -> Option<String> {
        let style = Style { layout, escapes, depth: 0, has_element: false };
        let mut text = Vec::new();
        value.serialize(&mut Serializer::with_formatter(&mut text, style)).ok()?;
        String::from_utf8(text).ok()
    }

    fn open(&mut self, to: &mut (impl Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.has_element = false;
        to.write_all(bracket)
    }

    fn element(&mut self, to: &mut (impl Write + ?Sized), is_first: bool) -> io::Result<()> {
        if !is_first {
            to.write_all(self.layout.comma.as_bytes())?;
        }
        self.line(to)
    }

    fn close(&mut self, to: &mut (impl Write + ?Sized), bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.has_element {
            self.line(to)?;
        }
        to.write_all(bracket)
    }

    fn line(&self, to: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let Some(indent) = self.layout.indent else { return Ok(()) };
        to.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| to.write_all(indent.as_bytes()))
    }
}

impl Formatter for Style<'_> {
    fn begin_array<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.open(to, b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.close(to, b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, to: &mut W, is_first: bool) -> io::Result<()> {
        self.element(to, is_first)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_element = true;
        Ok(())
    }

    fn begin_object<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.open(to, b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        self.close(to, b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, to: &mut W, is_first: bool) -> io::Result<()> {
        self.element(to, is_first)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(self.layout.colon.as_bytes())
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.has_element = true;
        Ok(())
    }

    /// The part of a string that needs no escape by the rules of JSON.
    fn write_string_fragment<W: Write + ?Sized>(&mut self, to: &mut W, fragment: &str) -> io::Result<()> {
        for character in fragment.chars() {
            if character == '/' && self.escapes == Escapes::AsciiAndSlash {
                to.write_all(b"\\/")?;
            } else if self.escapes.escapes(character) {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(to, "\\u{unit:04x}")?;
                }
            } else {
                to.write_all(character.encode_utf8(&mut [0; 4]).as_bytes())?;
            }
        }
        Ok(())
    }
}

impl Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(members) => serializer.collect_map(members.iter().map(|(name, value)| (name, value))),
            Self::Array(items) => serializer.collect_seq(items),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Literal(value) => value.serialize(serializer),
        }
    }
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
        Ok(Json::Literal(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Literal(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Literal(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Literal(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Literal(Value::Null))
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
    fn every_serializer_is_imitated() {
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
