//! Bodies that were parsed as JSON and serialized again: the same value, as other serializers write it.

mod members;
mod nulls;
mod numbers;
mod order;
mod style;
mod tree;
mod values;
mod write;

pub(super) use members::{added, renamed};
pub(super) use nulls::dropped;
pub(super) use numbers::{lost_digits, lost_fractions, rewritten as rewritten_numbers};
pub(super) use order::{shuffled, shuffled_layouts};
pub(super) use values::{dates, empty_values, quoted_numbers, words};

use order::Order;
use tree::{LIMIT, RESERIALISED, parsed};

use style::{Escapes, Layout, SERIALIZERS, combinations, present};
use write::{write, write_text};

use super::step::{Variant, Variants, one, text};
use crate::finding::Explanation;
use crate::json::{self, Node};

const PRINTED: Explanation = Explanation {
    code: "body_stringified",
    title: "the body was parsed, and the object was printed in the notation of a programming language",
    advice: "Verify the bytes as received, before anything parses them. `str(request.json)`, `inspect` and \
             `console.log` do not write JSON, and even JSON would have other bytes than the ones that were signed.",
};

/// The common layouts, orders and serializers.
pub(super) fn common(body: &[u8]) -> Variants<'_> {
    let Some((text, node)) = parsed(body) else { return Box::new(std::iter::empty()) };
    Box::new(common_spellings(text.to_owned(), node, &RESERIALISED))
}

/// `\u` escapes of what is not ASCII undone, and everything else as it is: what was misread before is seen then.
pub(super) fn unescaped(body: &[u8]) -> Variants<'_> {
    let Some(text) = text(body).filter(|text| text.contains("\\u")) else { return one(None) };
    let (mut to, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('\\') {
        to.push_str(&rest[..at]);
        rest = &rest[at..];
        // One escape, or the two of a surrogate pair.
        let unit = |at: usize| u16::from_str_radix(rest.get(at..at + 6)?.strip_prefix("\\u")?, 16).ok();
        let units = [unit(0), unit(6)].into_iter().map_while(|unit| unit);
        let mut decoded = char::decode_utf16(units).map_while(Result::ok).filter(|character| !character.is_ascii());
        if let Some(character) = decoded.next() {
            to.push(character);
            rest = &rest[6 * character.len_utf16()..];
        } else {
            let len = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
            to.push_str(&rest[..len]);
            rest = &rest[len..];
        }
    }
    to.push_str(rest);
    one(Some(RESERIALISED.variant(r"the `\u` escapes in the body are undone", to)))
}

/// An object that Python, Ruby, PHP or JavaScript has printed, as JSON without spaces.
pub(super) fn literal(body: &[u8]) -> Variants<'_> {
    let once = "the printed object is written as JSON without spaces";
    one(literal_text(body).map(|text| PRINTED.variant(once, text)))
}

/// The same, in the common spellings.
pub(super) fn printed(body: &[u8]) -> Variants<'_> {
    let Some(text) = literal_text(body) else { return one(None) };
    let Some(node) = json::parse(&text) else { return one(None) };
    Box::new(common_spellings(text, node, &PRINTED))
}

fn literal_text(body: &[u8]) -> Option<String> {
    let literal = text(body).map(str::trim).filter(|text| text.len() <= LIMIT && json::parse(text).is_none());
    let node =
        literal.and_then(json::parse_literal).filter(|node| node.members().is_some() || node.items().is_some())?;
    String::from_utf8(compact(&node)).ok()
}

fn common_spellings(text: String, node: Node, explanation: &'static Explanation) -> impl Iterator<Item = Variant> {
    let orders = Order::ALL.iter().filter_map(move |order| {
        let (text, node) = match order {
            Order::AsIs => (text.clone(), node.clone()),
            order => order.of(&text, &node).and_then(|text| json::parse(&text).map(|node| (text, node)))?,
        };
        Some((order, text, node))
    });
    orders.flat_map(move |(order, text, node)| {
        let as_is = [(text, "as it is".to_owned())].into_iter().filter(move |_| *order != Order::AsIs);
        let spellings = spellings(node, Layout::COMMON, serializers);
        as_is.chain(spellings.map(|(bytes, how)| (String::from_utf8(bytes).unwrap_or_default(), how))).flat_map(
            move |(text, how)| {
                let how = format!("the body is written as JSON {how}{}", order.name());
                let ended = explanation.variant(format!("{how}, with a newline at its end"), format!("{text}\n"));
                [explanation.variant(how, text), ended]
            },
        )
    })
}

/// The other layouts, and every other combination of escapes.
pub(super) fn rare(body: &[u8]) -> Variants<'_> {
    let Some((_, node)) = parsed(body) else { return Box::new(std::iter::empty()) };
    let variant = |(bytes, how)| RESERIALISED.variant(format!("the body is written as JSON {how}"), bytes);
    let layouts = spellings(node.clone(), Layout::RARE, serializers);
    let ended = |(bytes, how): (Vec<u8>, String)| {
        let with_newline = ([&bytes[..], b"\n"].concat(), format!("{how}, with a newline at its end"));
        [(bytes, how), with_newline]
    };
    let escapes = spellings(node, &Layout::COMMON[..3], |present| {
        combinations(present).map(|escapes| (", with other escapes", escapes)).collect()
    });
    Box::new(layouts.flat_map(ended).chain(escapes).map(variant))
}

/// The body as a string in JSON, as serializers write strings.
pub(super) fn as_text(text: &str) -> impl Iterator<Item = Vec<u8>> + '_ {
    let present = style::present_in(text);
    serializers(present).into_iter().map(move |(_, escapes)| write_text(text, escapes))
}

/// The value without spaces.
pub(super) fn compact(node: &Node) -> Vec<u8> {
    write(node, &Layout::COMPACT, Escapes::PLAIN)
}

type Named = (&'static str, Escapes);

/// The serializers that differ for these characters.
fn serializers(present: u16) -> Vec<Named> {
    let mut different: Vec<Named> = Vec::new();
    for (name, escapes) in SERIALIZERS {
        let escapes = escapes.within(present);
        if different.iter().all(|(_, known)| *known != escapes) {
            different.push((name, escapes));
        }
    }
    different
}

fn spellings(
    node: Node,
    layouts: &'static [Layout],
    escapes: impl Fn(u16) -> Vec<Named>,
) -> impl Iterator<Item = (Vec<u8>, String)> {
    let escapes = escapes(present(&node));
    escapes.into_iter().flat_map(move |(name, escapes)| {
        let node = node.clone();
        layouts.iter().map(move |layout| (write(&node, layout, escapes), format!("{}{name}", layout.name)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_serializer_is_imitated() {
        let source = r#"{"b": [1.50, {}, []], "a": "é/<\"\n😀+'", "c": -1.5}"#.as_bytes();
        let all: Vec<_> = common(source).chain(rare(source)).map(|variant| variant.body).collect();
        for expected in [
            "{\"b\":[1.50,{},[]],\"a\":\"é/<\\\"\\n😀+'\",\"c\":-1.5}",
            "{\"b\": [1.50, {}, []], \"a\": \"\\u00e9/<\\\"\\n\\ud83d\\ude00+'\", \"c\": -1.5}",
            "{\"b\":[1.50,{},[]],\"a\":\"\\u00e9\\/<\\\"\\n\\ud83d\\ude00+'\",\"c\":-1.5}",
            "{\"a\":\"é/\\u003c\\\"\\n😀+'\",\"b\":[1.50,{},[]],\"c\":-1.5}\n",
            "{\"b\":[1.50,{},[]],\"a\":\"\\u00E9/\\u003C\\u0022\\n\\uD83D\\uDE00\\u002B\\u0027\",\"c\":-1.5}",
            "{\n  \"b\": [\n    1.50,\n    {},\n    []\n  ],\n  \"a\": \"é/<\\\"\\n😀+'\",\n  \"c\": -1.5\n}",
            "{\n  \"b\" : [ 1.50, { }, [ ] ],\n  \"a\" : \"é/<\\\"\\n😀+'\",\n  \"c\" : -1.5\n}",
            "{\n  \"b\": [\n    1.50,\n    {\n    },\n    [\n\n    ]\n  ],\n  \"a\": \"é/<\\\"\\n😀+'\",\n  \"c\": -1.5\n}",
            "{\"b\":[1.50,{},[]],\"a\":\"\\u00e9\\/\\u003C\\u0022\\n\\ud83d\\ude00+\\u0027\",\"c\":-1.5}",
            "{\n  \"b\" : [\n    1.50,\n    {\n\n    },\n    [\n\n    ]\n  ],\n  \"a\" : \"é/<\\\"\\n😀+'\",\n  \"c\" : -1.5\n}",
        ] {
            assert!(all.iter().any(|body| body == expected.as_bytes()), "{expected}");
        }
    }

    #[test]
    fn only_escapes_of_other_characters_are_undone() {
        let body = br#"{"a":"\\u00e9\u00c3\u00a9\ud83d\ude00\u001b\n"}"#;
        let all: Vec<_> = unescaped(body).map(|variant| variant.body).collect();
        assert_eq!(all, ["{\"a\":\"\\\\u00e9Ã©😀\\u001b\\n\"}".as_bytes()]);
    }
}
