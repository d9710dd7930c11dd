//! What is an event: `event` and `event_type` agree, whatever the body.

use crate::common::{v1, verifier, verify};
use countersign::gemini::EventError;
use proptest::prelude::*;

/// The type that both find, if they find one.
fn event_type(body: &[u8]) -> Result<String, EventError> {
    let verified = verify(&verifier(), &v1(body), body).expect("signed");
    let event = verified.event();
    let (one, other) = (event.as_ref().ok().map(|event| event.event_type.as_str()), verified.event_type());
    assert_eq!(one, other.as_deref(), "{}", String::from_utf8_lossy(body));
    event.map(|event| event.event_type)
}

#[test]
fn only_an_object_with_one_type_is_an_event() {
    use EventError::{NoType, NotAnObject, NotJson};
    let nested = |depth: usize| format!(r#"{{"type":"a","x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    for (body, expected) in [
        (r#"{"type":"a"}"#, Ok("a")),
        (r#" {"x":[{"type":1}],"\u0074ype":"\u0061"} "#, Ok("a")),
        (r#"{"type":"a","x":1,"x":2}"#, Ok("a")),
        (r#"{"type":""}"#, Ok("")),
        (r#"{"Type":"a"}"#, Err(NoType)),
        (r#"{"type":"a","type":"a"}"#, Err(NoType)),
        (r#"{"type":"a","type":"b"}"#, Err(NoType)),
        (r#"{"type":"a","\u0074ype":"b"}"#, Err(NoType)),
        (r#"{"type":"a","type":null}"#, Err(NoType)),
        (r#"{"type":null}"#, Err(NoType)),
        (r#"{"type":["a"]}"#, Err(NoType)),
        (r#"{"data":{"type":"a"}}"#, Err(NoType)),
        // A struct that is read by places.
        (r#"["batch.succeeded"]"#, Err(NotAnObject)),
        (r#""batch.succeeded""#, Err(NotAnObject)),
        ("null", Err(NotAnObject)),
        ("", Err(NotJson)),
        ("\u{feff}{\"type\":\"a\"}", Err(NotJson)),
        (r#"{"type":"a"}{}"#, Err(NotJson)),
        (r#"{"type":"a","#, Err(NotJson)),
        (r#"{"type":"a","x":"\ud800"}"#, Err(NotJson)),
        (r#"{"type":"\ud800"}"#, Err(NotJson)),
        (r#"{"type":"a","x":1e400}"#, Err(NotJson)),
        (r#"{"type":"a","x":-1e400}"#, Err(NotJson)),
        (&format!(r#"{{"type":"a","x":{}}}"#, "9".repeat(400)), Err(NotJson)),
        (&format!(r#"{{"type":"a","x":{}}}"#, "9".repeat(300)), Ok("a")),
        (r#"{"type":"a","x":1.7976931348623159e308}"#, Err(NotJson)),
        (r#"{"type":"a","x":1e-400}"#, Ok("a")),
        (r#"{"type":"a","x":NaN}"#, Err(NotJson)),
        (&nested(126), Ok("a")),
        (&nested(127), Err(NotJson)),
        (&nested(200_000), Err(NotJson)),
        (r#"{"type":"a","$serde_json::private::RawValue":"{}"}"#, Ok("a")),
    ] {
        assert_eq!(event_type(body.as_bytes()), expected.map(str::to_owned), "{body:.80}");
    }
    assert_eq!(event_type(b"{\"type\":\"a\",\"x\":\"\xff\"}"), Err(NotJson));
    assert_eq!(event_type(b"{\"type\":\"\xc3\"}"), Err(NotJson));
}

#[test]
fn structure_that_is_text_stays_text() {
    let body = r#"{"type":"a","user_metadata":{"$serde_json::private::RawValue":"{}"},"x":{"$serde_json::private::Number":"1"}}"#;
    let verified = verify(&verifier(), &v1(body.as_bytes()), body.as_bytes()).expect("signed");
    let event = verified.event().expect("an event");
    assert_eq!(event.user_metadata.expect("metadata")["$serde_json::private::RawValue"], "{}");
    assert_eq!(event.extra["x"]["$serde_json::private::Number"], "1");
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let scalar = prop::sample::select(vec![
        "null",
        "true",
        "0",
        "-1.5e3",
        "1e400",
        "1e308",
        "18446744073709551616",
        "\"\"",
        "\"a\"",
        "\"batch.failed\"",
        "\"\\u0061\"",
        "\"\\ud800\"",
        "\"\\ud83d\\ude00\"",
        "\"é\"",
        "01",
        "{",
        "]",
    ]);
    let value = scalar.prop_map(str::to_owned).prop_recursive(4, 24, 4, |inner| {
        let name = prop::sample::select(vec!["type", "\\u0074ype", "Type", "data", "user_metadata", "version", "id"]);
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            3 => prop::collection::vec((name, inner), 0..5).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    });
    let object = (any::<bool>(), value).prop_map(|(is_event, value)| match value.strip_prefix('{') {
        Some(rest) if is_event && rest != "}" => format!(r#"{{"type":"x",{rest}"#),
        _ => value,
    });
    (object, any::<prop::sample::Index>(), any::<u8>(), 0..8).prop_map(|(text, at, byte, change)| {
        let mut text = text.into_bytes();
        let at = at.index(text.len());
        match change {
            0 => text[at] = byte,
            1 => text.insert(at, byte),
            2 => drop(text.remove(at)),
            3 => text.truncate(at),
            _ => {}
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn both_find_the_same_type(body in bodies()) {
        if let Ok(event_type) = event_type(&body) {
            let value: serde_json::Value = serde_json::from_slice(&body).expect("an event is JSON");
            prop_assert_eq!(value["type"].as_str(), Some(event_type.as_str()));
        }
    }
}
