//! The reader, beside `serde_json`.

use super::*;
use proptest::prelude::*;

fn equal(one: &str, other: &str) -> bool {
    let sorted = Object::parse(one.as_bytes()).and_then(Object::sorted);
    sorted.is_some_and(|object| object.equals(other.as_bytes(), one.len()))
}

#[test]
fn order_white_space_and_escapes_make_no_difference() {
    let (one, other) = (
        r#"{"a":1,"b":[true,null,{"c":"é\ud83d\ude00"}]}"#,
        "\r{ \"b\" : [ true, null, {\"\\u0063\":\"\\u00e9😀\"} ],\n\t\"a\":1 } ",
    );
    assert!(equal(one, other) && equal(other, one));
    assert!(equal("{}", "{}"));
}

#[test]
fn different_texts_are_not_equal() {
    for (one, other) in [
        (r#"{"a":1}"#, r#"{"a":2}"#),
        (r#"{"a":1}"#, r#"{"a":1.0}"#),
        (r#"{"a":1e400}"#, r#"{"a":1e401}"#),
        (r#"{"a":0}"#, r#"{"a":-0}"#),
        (r#"{"a":18446744073709551616}"#, r#"{"a":18446744073709551617}"#),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#),
        (r#"{"a":1}"#, r#"{"b":1}"#),
        (r#"{"a":1}"#, "{}"),
        (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#),
        (r#"{"a":[1,2]}"#, r#"{"a":[1]}"#),
        (r#"{"a":"1"}"#, r#"{"a":1}"#),
        (r#"{"a":"null"}"#, r#"{"a":null}"#),
        (r#"{"a":null}"#, "{}"),
        (r#"{"a":{}}"#, r#"{"a":[]}"#),
        (r#"{"a":1}"#, "[1]"),
        (r#"{"a":1}"#, r#"{"a":1}{}"#),
        (r#"{"a":1}"#, "\u{feff}{\"a\":1}"),
    ] {
        assert!(!equal(one, other) && !equal(other, one), "{one} {other}");
    }
    assert!(equal(r#"{"a":1e400}"#, r#"{"a":1e400}"#));
}

#[test]
fn a_duplicate_name_equals_nothing_at_any_depth() {
    for text in [r#"{"a":1,"a":1}"#, r#"{"b":{"a":1,"a":1}}"#, r#"{"b":[{"a":1,"\u0061":1}]}"#] {
        assert!(!equal(text, text), "{text}");
    }
    assert!(!equal(r#"{"a":1}"#, r#"{"a":1,"a":1}"#));
}

#[test]
fn text_that_another_crate_would_read_as_structure_is_text() {
    for name in ["$serde_json::private::RawValue", "$serde_json::private::Number"] {
        let (one, other) = (format!(r#"{{"a":{{"{name}":"{{}}"}}}}"#), r#"{"a":{}}"#);
        assert!(!equal(&one, other) && !equal(other, &one) && equal(&one, &one), "{name}");
    }
}

#[test]
fn depth_is_bounded_as_in_serde_json() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    for (depth, expected) in [(100, true), (MAX_DEPTH, true), (MAX_DEPTH + 1, false), (1_000_000, false)] {
        let text = nested(depth);
        assert_eq!(equal(&text, &text), expected, "{depth}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), expected, "{depth}");
        let mut reader = Reader::new(text.as_bytes()).expect("UTF-8");
        assert_eq!(reader.skip().is_some(), expected, "{depth}");
    }
}

/// JSON, and texts that are nearly that.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let scalar = prop_oneof![
        prop::sample::select(vec![
            "null",
            "true",
            "false",
            "nul",
            "0",
            "-0",
            "01",
            "-",
            "1.",
            ".5",
            "1.50",
            "1e5",
            "1E+05",
            "1e",
            "1e400",
            "-1e-400",
            "18446744073709551616",
            "\"\"",
            "\"a\"",
            "\"\\u0061\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\ude00\"",
            "\"\\ud83dx\"",
            "\"\\ud83d\\u0061\"",
            "\"\\u00G0\"",
            "\"\\x\"",
            "\"\\/\\b\"",
            "\"\n\"",
            "\"\u{7f}é\"",
            "\"",
            "{}",
            "[]",
            "{,}",
            "[,]",
            "\"$serde_json::private::RawValue\"",
        ])
        .prop_map(str::to_owned),
        any::<f64>().prop_filter("JSON has no such number", |number| number.is_finite()).prop_map(|n| n.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
    ];
    let value = scalar.prop_recursive(6, 40, 5, |inner| {
        let name = prop::sample::select(vec!["\"a\"", "\"b\"", "\"\\u0061\"", "\"type\"", "a", "1"]);
        let blank = prop::sample::select(vec!["", " ", "\n\t\r ", ",", "\u{c}", "\u{a0}"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            (prop::collection::vec((name, inner), 0..4), blank).prop_map(|(members, blank)| {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("{blank}{name} :{value}")).collect();
                format!("{{{}{blank}}}", members.join(","))
            }),
        ]
    });
    let bytes = value.prop_map(String::into_bytes);
    (bytes, any::<prop::sample::Index>(), any::<u8>(), 0..6).prop_map(|(mut text, at, byte, change)| {
        if !text.is_empty() {
            let at = at.index(text.len());
            match change {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                2 => drop(text.remove(at)),
                _ => {}
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// The other implementation reads numbers that it can hold only, so that is asked of ours as well.
    #[test]
    fn it_accepts_the_texts_that_serde_json_accepts(text in texts()) {
        let theirs = serde_json::from_slice::<serde_json::Value>(&text);
        let ours = Value::parse(&text);
        let skipped = Reader::new(&text).and_then(|mut reader| reader.skip_representable().and_then(|()| reader.end()));
        prop_assert_eq!(skipped.is_some(), theirs.is_ok(), "{}", String::from_utf8_lossy(&text));
        let skipped = Reader::new(&text).and_then(|mut reader| reader.skip().and_then(|()| reader.end()));
        prop_assert_eq!(skipped.is_some(), ours.is_some());
        prop_assert_eq!(ours.and_then(Value::into_serde), theirs.ok());
    }

    #[test]
    fn equal_texts_are_equal_to_serde_json_too(one in texts(), other in texts()) {
        let wrap = |text: &[u8]| [b"{\"x\":", text, b"}"].concat();
        let (one, other) = (wrap(&one), wrap(&other));
        let Some(value) = Value::parse(&one) else { return Ok(()) };
        let Some(Value::Object(object)) = value.sorted() else {
            // A name stands twice, so that the other implementation has fewer of them.
            let read = Value::parse(&one).and_then(Value::into_serde);
            let colons = one.iter().filter(|byte| **byte == b':').count();
            prop_assert!(read.is_none_or(|read| read.to_string().matches(':').count() < colons));
            return Ok(());
        };
        prop_assert!(object.equals(&one, one.len()));
        if object.equals(&other, one.len()) {
            let parse = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).ok();
            prop_assert_eq!(parse(&one), parse(&other));
        }
    }

}

proptest! {
    /// Without fractions: their spelling counts, and the other implementation has one of its own.
    #[test]
    fn values_that_serde_json_finds_equal_are_equal(
        members in prop::collection::btree_map(any::<String>(), prop::collection::vec(any::<(i64, String)>(), 0..4), 0..6),
    ) {
        let spell = |text: &str| text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>().concat();
        let items = |items: &[(i64, String)]| {
            items.iter().map(|(number, text)| format!(" [{number} ,\"{}\"]", spell(text))).collect::<Vec<_>>().join(",")
        };
        let other: Vec<_> =
            members.iter().rev().map(|(name, list)| format!("\"{}\":[{}]\n", spell(name), items(list))).collect();
        let other = format!("{{{}}}", other.join(","));
        let one = serde_json::to_string(&members).expect("JSON");
        prop_assert!(equal(&one, &other) && equal(&other, &one), "{} {}", one, other);
    }
}
