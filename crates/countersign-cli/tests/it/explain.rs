//! Every way in which a request is known to fail, and what `explain` says of it first.

use crate::common::{BODY, Captured, ID, NOW, OTHER_SECRET, SECRET, run};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use countersign::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The bytes of `SECRET`.
const KEY: &[u8] = b"6vvi5937j9v6mqpf83odvqs5cpzq9r2s";

/// How it was spoilt, and the code of the first finding.
type Case = (&'static str, &'static str, fn() -> Captured);

const CASES: &[Case] = &[
    // Secrets
    ("v1, pasted with the secret", "secret_has_version_prefix", || authentic().secret(format!("v1,{SECRET}"))),
    ("quotes kept by an env file", "secret_has_quotes", || authentic().secret(format!("\"{SECRET}\""))),
    ("quotes around v1,", "secret_has_version_prefix", || authentic().secret(format!("'v1,{SECRET}'"))),
    ("two newlines in a file", "secret_has_white_space", || authentic().secret(format!("{SECRET}\n\n"))),
    ("a space before it", "secret_has_white_space", || authentic().secret(format!(" {SECRET}"))),
    ("the whole line of an env file", "secret_has_other_text", || authentic().secret(format!("WEBHOOK={SECRET}"))),
    ("the text is the key", "secret_undecoded", || signed_with_key(SECRET.as_bytes())),
    ("the text after whsec_ is the key", "secret_undecoded", || signed_with_key(&SECRET.as_bytes()[6..])),
    ("the decoded secret configured", "secret_undecoded", || authentic().secret(KEY)),
    ("encoded twice", "secret_encoded_twice", || authentic().secret(STANDARD.encode(SECRET))),
    ("in hex", "secret_in_hex", || authentic().secret(hex(KEY))),
    ("expired", "secret_expired", || authentic().args(["--secret-expires", "a.secret=2026-09-01T00:00:00Z"])),
    ("another one", "other_secret", || {
        Captured::signed(OTHER_SECRET, NOW, BODY).args(["--try-secret", SECRET, "--try-secret", OTHER_SECRET])
    }),
    ("another one, unknown", "wrong_secret", || Captured::signed(OTHER_SECRET, NOW, BODY)),
    ("a public key", "public_key_as_secret", || {
        authentic().secret("whpk_LgshSTq2B/MysnAgb9hcXRrVK/YdenixALrPznybVrk=")
    }),
    ("a private key", "private_key_as_secret", || {
        authentic().secret("whsk_LgshSTq2B/MysnAgb9hcXRrVK/YdenixALrPznybVrk=")
    }),
    ("the shortened form", "secret_shortened", || authentic().secret("whsec_...MnM=")),
    ("not base64", "secret_unreadable", || authentic().secret("correct-horse-battery-staple!")),
    // Signatures
    ("base64url", "signature_base64url", || {
        bodies().find(|spoilt| spoilt.value("webhook-signature").contains(['-', '_'])).expect("one with both alphabets")
    }),
    ("without padding", "signature_unpadded", || signature(|text| text.trim_end_matches('=').into())),
    ("hex", "signature_hex", || signature(|text| format!("v1,{}", hex(&raw(text))))),
    ("hex with an algorithm", "signature_hex", || signature(|text| format!("sha256={}", hex(&raw(text))))),
    ("hex in base64", "signature_hex_in_base64", || {
        signature(|text| format!("v1,{}", STANDARD.encode(hex(&raw(text)))))
    }),
    ("without a version", "signature_without_version", || signature(|text| text[3..].into())),
    ("quoted", "signature_punctuated", || signature(|text| format!("\"{text}\""))),
    ("joined by a comma", "signature_punctuated", || {
        signature(|text| format!("{text}, v1,{}", STANDARD.encode([7; 32])))
    }),
    ("v1=", "signature_punctuated", || signature(|text| text.replacen(',', "=", 1))),
    ("percent-encoded", "signature_escaped", || {
        signature(|text| text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"))
    }),
    // Bodies
    ("a newline lost", "body_trailing_newline_lost", || sent(&format!("{BODY}\n"), BODY)),
    ("CRLF lost", "body_trailing_newline_lost", || sent(&format!("{BODY}\r\n"), BODY)),
    ("a newline added", "body_trailing_newline_added", || sent(BODY, &format!("{BODY}\n"))),
    ("CRLF added", "body_trailing_newline_added", || sent(BODY, &format!("{BODY}\r\n"))),
    ("spaces around", "body_trailing_newline_added", || sent(BODY, &format!(" {BODY} "))),
    ("CRLF became LF", "body_line_ends", || sent("not JSON\r\nat all\r\n", "not JSON\nat all\n")),
    ("LF became CRLF", "body_line_ends", || sent("not JSON\nat all\n", "not JSON\r\nat all\r\n")),
    ("a BOM added", "body_byte_order_mark", || sent(BODY, &format!("\u{feff}{BODY}"))),
    ("a BOM lost", "body_byte_order_mark", || sent(&format!("\u{feff}{BODY}"), BODY)),
    ("json.dumps", "body_reserialised", || sent(BODY, &spaced(BODY).replace('é', "\\u00e9"))),
    ("JSON.stringify", "body_reserialised", || sent(&spaced(BODY), BODY)),
    ("from two spaces", "body_reserialised", || sent("{\n  \"a\": [\n    1\n  ]\n}", "{\"a\":[1]}")),
    ("from four spaces", "body_reserialised", || sent("{\n    \"a\": 1\n}\n", "{\"a\":1}")),
    ("from ASCII", "body_reserialised", || sent(&BODY.replace('é', "\\u00e9"), BODY)),
    ("from PHP", "body_reserialised", || sent(&BODY.replace('é', "\\u00e9").replace('/', "\\/"), BODY)),
    ("from Go", "body_reserialised", || sent("{\"a\":\"\\u003cb\\u003e\"}", "{\"a\": \"<b>\"}")),
    ("from sorted names", "body_reserialised", || sent("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}")),
    ("to sorted names", "body_reserialised", || {
        let value: serde_json::Value = serde_json::from_str(BODY).expect("JSON");
        sent(BODY, &value.to_string())
    }),
    ("in a JSON string", "body_wrapped", || sent(BODY, &serde_json::Value::from(BODY).to_string())),
    ("with its quotes escaped", "body_wrapped", || sent(BODY, &BODY.replace('"', "\\\""))),
    ("in base64", "body_wrapped", || sent(BODY, &STANDARD.encode(BODY))),
    ("as a form", "body_wrapped", || sent("{\"a\": \"%\"}", "%7B%22a%22%3A+%22%25%22%7D")),
    ("as Latin-1", "body_recoded", || sent(BODY, &BODY.bytes().map(char::from).collect::<String>())),
    ("in chunks", "body_chunked", || sent("abcdefghijklmnop", "A\r\nabcdefghij\r\n6;x=y\r\nklmnop\r\n0\r\n\r\n")),
    ("empty", "body_empty", || sent(BODY, "")),
    ("cut off", "body_length_differs", || sent(BODY, &BODY[..50]).add_header("content-length", "160")),
    ("cut off, without a length", "body_truncated", || sent(BODY, &BODY[..50])),
    ("emptied by a parser", "body_empty", || sent(BODY, "{}")),
    ("compressed", "body_compressed", || authentic().body(b"\x1f\x8b\x08\0\0")),
    ("decompressed on the way", "body_decompressed", || sent(BODY, "{}").add_header("content-encoding", "br")),
    ("decoded with loss", "body_characters_lost", || sent(BODY, &BODY.replace('é', "\u{fffd}"))),
    ("upper-case digits of an escape", "body_reserialised", || sent(r#"{"a":"\u001B"}"#, r#"{"a":"\u001b"}"#)),
    ("Jackson's escapes", "body_reserialised", || sent(r#"{"a":"caf\u00E9"}"#, r#"{"a":"café"}"#)),
    ("System.Text.Json", "body_reserialised", || sent(r#"{"a":"it\u0027s \u0022\u002B"}"#, r#"{"a": "it's \"+"}"#)),
    ("PHP's slashes alone", "body_reserialised", || sent(r#"{"a":"x\/\u0026é"}"#, r#"{"a":"x/&é"}"#)),
    ("a fraction of zeros", "body_reserialised", || sent(r#"{"a":0.0,"b":136.0,"c":3}"#, r#"{"a":0,"b":136,"c":3}"#)),
    ("a second decimal", "body_reserialised", || {
        sent(r#"{"a":[{"p":10.50},{"p":7.00}]}"#, r#"{"a":[{"p":10.5},{"p":7}]}"#)
    }),
    ("spaces, and a second decimal", "body_reserialised", || sent(r#"{"a": 10.50}"#, r#"{"a":10.5}"#)),
    ("spaces, and odd numbers kept", "body_reserialised", || {
        sent(
            r#"{"a":10.50,"b":12345678901234567890123,"c":1E3}"#,
            r#"{"a": 10.50, "b": 12345678901234567890123, "c": 1E3}"#,
        )
    }),
    ("an integer rounded", "body_reserialised", || {
        sent(r#"{"a":1234567890123456789}"#, r#"{"a":1234567890123456800}"#)
    }),
    ("jsonb", "body_reserialised", || {
        sent(r#"{"type":"a","data":{"xx":1,"y":2}}"#, r#"{"data": {"y": 2, "xx": 1}, "type": "a"}"#)
    }),
    ("dates", "body_reserialised", || sent(r#"{"a":"2026-01-02T03:04:05.000Z"}"#, r#"{"a":"2026-01-02T03:04:05Z"}"#)),
    ("Laravel's null", "body_reserialised", || sent(r#"{"a":"","b":1}"#, r#"{"a":null,"b":1}"#)),
    ("Python's dict", "body_stringified", || sent(r#"{"a":1,"b":[true,null]}"#, "{'a': 1, 'b': [True, None]}")),
    ("Ruby's hash", "body_stringified", || sent(r#"{"a":1}"#, r#"{"a"=>1}"#)),
    ("[object Object]", "body_stringified", || sent(BODY, "[object Object]")),
    ("[object Object], signed", "sender_signed_text", || sent("[object Object]", BODY)),
    ("a form, signed", "body_wrapped", || sent("payload=%7B%22a%22%3A%22x+y%22%7D", r#"{"a":"x y"}"#)),
    ("gzip", "body_compressed", || {
        let gzip = "H4sIAAAAAAACA6tWSlSyMqwFAK+sG1YHAAAA";
        sent(r#"{"a":1}"#, "").body(STANDARD.decode(gzip).expect("base64"))
    }),
    ("Windows-1252", "body_recoded", || sent("{\"a\":\"it’s\"}", "{\"a\":\"itâ€™s\"}")),
    ("a lost accent", "body_characters_lost", || sent("{\"a\":\"café\"}", "{\"a\":\"caf?\"}")),
    ("SHA-1", "signed_with_other_hash", || {
        signature(|_| {
            let mut mac = Hmac::<sha1::Sha1>::new_from_slice(KEY).expect("any length");
            mac.update(format!("{ID}.{NOW}.{BODY}").as_bytes());
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        })
    }),
    ("a signature cut off", "signature_shortened", || signature(|text| format!("{}...", &text[..30]))),
    ("a signature in small letters", "signature_case_lost", || signature(str::to_lowercase)),
    ("a missing character", "secret_mistyped", || authentic().secret(&SECRET[..SECRET.len() - 2])),
    ("a wrong character", "secret_mistyped", || authentic().secret(SECRET.replacen("NnZ2", "NmZ2", 1))),
    ("no secret at all", "sender_without_secret", || {
        signature(|_| format!("v1,{}", STANDARD.encode(mac(b"undefined", &[ID, ".", &NOW.to_string(), ".", BODY]))))
    }),
    ("a mark in the secret's file", "secret_has_byte_order_mark", || authentic().secret(format!("\u{feff}{SECRET}"))),
    // Headers
    ("a product's own names", "headers_renamed", || {
        authentic().rename(|name| name.replace("webhook-", "x-acme-webhook-"))
    }),
    ("svix's names", "headers_renamed", || authentic().rename(|name| name.replace("webhook-", "svix-"))),
    ("CGI's names", "headers_renamed", || {
        authentic().rename(|name| format!("HTTP_{}", name.replace('-', "_").to_uppercase()))
    }),
    ("twice", "headers_duplicated", || authentic().add_header("webhook-id", "msg_2")),
    ("joined", "headers_duplicated", || authentic().header("webhook-id", |id| format!("{id}, {id}"))),
    ("white space", "header_decorated", || authentic().header("webhook-id", |id| format!(" {id} "))),
    ("quotes", "header_decorated", || authentic().header("webhook-id", |id| format!("\"{id}\""))),
    ("a fraction", "header_decorated", || authentic().header("webhook-timestamp", |text| format!("{text}.0"))),
    ("swapped", "id_and_timestamp_swapped", || {
        authentic().header("webhook-id", |_| NOW.to_string()).header("webhook-timestamp", |_| ID.into())
    }),
    ("another's id", "id_from_another_delivery", || {
        authentic().header("webhook-id", |_| "msg_2".into()).args(["--try-id", "msg_3", "--try-id", ID])
    }),
    ("an id that is elsewhere", "id_from_another_delivery", || {
        authentic().header("webhook-id", |_| "msg_2".into()).add_header("x-request-id", ID)
    }),
    ("another's timestamp", "timestamp_from_another_delivery", || {
        let attempt = (NOW - 86_400).to_string();
        Captured::signed(SECRET, NOW - 86_400, BODY)
            .header("webhook-timestamp", |_| NOW.to_string())
            .args(["--try-timestamp", &attempt])
    }),
    ("the timestamp of the date", "timestamp_from_another_delivery", || {
        Captured::signed(SECRET, 784_111_777, BODY)
            .header("webhook-timestamp", |_| NOW.to_string())
            .add_header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
    }),
    ("a timestamp set anew", "timestamp_from_another_delivery", || {
        Captured::signed(SECRET, NOW - 17, BODY).header("webhook-timestamp", |_| NOW.to_string())
    }),
    ("milliseconds, seconds signed", "timestamp_in_another_unit", || {
        authentic().header("webhook-timestamp", |text| format!("{text}123"))
    }),
    ("RFC 3339, seconds signed", "timestamp_in_another_unit", || {
        authentic().header("webhook-timestamp", |_| "2026-09-29T06:05:46Z".into())
    }),
    ("milliseconds, signed", "timestamp_in_another_unit", || Captured::signed(SECRET, NOW * 1000 + 5, BODY)),
    ("without an id", "header_missing", || authentic().without_header("webhook-id")),
    // Time
    ("a clock behind", "clock_behind", || Captured::signed(SECRET, NOW + 7200, BODY)),
    ("late", "delivery_too_old", || Captured::signed(SECRET, NOW - 301, BODY)),
    ("captured earlier", "now_not_given", || {
        Captured::signed(SECRET, NOW - 900_000_000, BODY).without_args().secret(SECRET)
    }),
    // Schemes
    ("v1a", "v1a_delivery", || signature(|_| format!("v1a,{}", STANDARD.encode([7; 64])))),
    ("a token", "token_delivery", || {
        signature(|_| format!("{}.e30.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"r1"}"#), "c2ln"))
    }),
    ("a version to come", "unknown_scheme", || signature(|_| format!("v2,{}", STANDARD.encode([7; 48])))),
    ("GitHub", "other_sender", || {
        let headers = authentic().rename(|name| name.replace("webhook-", "x-github-"));
        headers.header("x-github-signature", |_| "sha1=00".into()).add_header("x-hub-signature-256", "sha256=00")
    }),
    ("the body alone", "signed_body_alone", || signature(|_| format!("v1,{}", STANDARD.encode(mac(KEY, &[BODY]))))),
    ("the body alone, GitHub's way", "signed_body_alone", || {
        let signature = format!("sha256={}", hex(&mac(SECRET.as_bytes(), &[BODY])));
        let headers = authentic().without_header("webhook-signature").without_header("webhook-timestamp");
        headers.without_header("webhook-id").add_header("x-hub-signature-256", &signature)
    }),
    ("Stripe's way", "signed_other_parts", || {
        signature(|_| format!("t={NOW},v1={}", hex(&mac(KEY, &[&NOW.to_string(), ".", BODY]))))
    }),
    ("a dot in the id", "signed_malformed", || {
        signature(|_| format!("v1,{}", STANDARD.encode(mac(KEY, &["msg.1.", &NOW.to_string(), ".", BODY]))))
            .header("webhook-id", |_| "msg.1".into())
    }),
];

#[test]
fn each_mistake_is_recognised_first() {
    let mut wrong = Vec::new();
    for (what, code, spoilt) in CASES {
        let spoilt = spoilt().args(["--json"]);
        let ran = spoilt.run("explain");
        assert_eq!(ran.code, 1, "{what}: {ran:?}");
        let found = ran.json();
        if found["gave_up"] != false {
            wrong.push(format!("{what}: the budget was not enough"));
        }
        if found["findings"][0]["code"] != *code {
            wrong.push(format!("{what}: expected {code}, found {}", found["findings"]));
        }
        for shown in [SECRET, OTHER_SECRET, &SECRET[6..]] {
            assert!(!ran.stdout.contains(shown) && !ran.stderr.contains(shown), "{what}: a secret is shown: {ran:?}");
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[test]
fn two_mistakes_at_once_are_both_named() {
    let spoilt = sent(BODY, &spaced(BODY)).secret(format!("\"{SECRET}\"")).args(["--json"]);
    let found = spoilt.run("explain").json();
    let codes = [&found["findings"][0]["code"], &found["findings"][1]["code"]];
    assert_eq!(codes, ["body_reserialised", "secret_has_quotes"]);

    let signature = hex(&raw(&authentic().value("webhook-signature")));
    let spoilt = authentic().header("webhook-signature", |_| signature).header("webhook-id", |id| format!("<{id}>"));
    let found = spoilt.args(["--json"]).run("explain").json();
    let codes = [&found["findings"][0]["code"], &found["findings"][1]["code"]];
    assert_eq!(codes, ["header_decorated", "signature_hex"]);
}

#[test]
fn nothing_is_certain_when_nothing_was_proved() {
    let ran = sent(BODY, "{\"type\":\"batch.failed\"}").args(["--json"]).run("explain");
    let found = ran.json();
    let findings = found["findings"].as_array().expect("a list");
    assert!(findings.iter().all(|finding| finding["certainty"] == "possible"), "{findings:?}");
    assert_eq!(found["gave_up"], false, "{found}");
    assert!(found["budget_percent"].as_u64().is_some_and(|percent| percent < 100), "{found}");
}

#[test]
fn a_request_that_verifies_is_not_explained_away() {
    let ran = authentic().run("explain");
    assert_eq!((ran.code, ran.stdout.starts_with("verified\n")), (0, true), "{ran:?}");
}

#[test]
fn the_text_says_what_was_looked_at_and_what_to_do() {
    let ran = sent(BODY, &spaced(BODY)).run("explain");
    for part in [
        "rejected: signature_mismatch\n",
        &format!("message id  {ID}\n"),
        &format!("timestamp   {NOW} (2026-09-29T06:05:46Z, as it arrived)\n"),
        "signatures  1: v1 with 44 characters\n",
        "bytes, JSON\n",
        "secrets     `a.secret`\n",
        " 1. certain: the body was parsed as JSON and serialized again [body_reserialised]\n",
        "once the body is written as JSON without spaces.\n    -> Verify the bytes as received",
    ] {
        assert!(ran.stdout.contains(part), "{part:?} is not in\n{}", ran.stdout);
    }
}

#[test]
fn a_large_body_is_given_up_on_in_time() {
    let large = "x\n".repeat(4 << 20);
    let ran = sent(BODY, &large).args(["--json"]).run("explain");
    assert_eq!((ran.code, &ran.json()["gave_up"]), (1, &true.into()));
}

#[test]
fn what_a_terminal_would_obey_is_not_printed() {
    let ran = authentic().header("webhook-id", |_| "a\u{9b}31m b".into()).run("explain");
    assert!(!ran.stdout.contains('\u{9b}'), "{ran:?}");
}

#[test]
fn too_many_candidates_are_a_usage_error() {
    let headers = authentic().write("h", "");
    let mut args = vec!["explain", "--headers", &headers, "--body", "-", "--secret", SECRET];
    args.extend(std::iter::repeat_n(["--try-id", "a"], 65).flatten());
    assert_eq!(run(args).code, 2);
}

fn authentic() -> Captured {
    Captured::authentic()
}

fn sent(sent: &str, captured: &str) -> Captured {
    Captured::signed(SECRET, NOW, sent).body(captured)
}

fn signature(spoil: impl FnOnce(&str) -> String) -> Captured {
    authentic().header("webhook-signature", spoil)
}

fn signed_with_key(key: &[u8]) -> Captured {
    Captured::signed_by(Secret::from_bytes(key).expect("long enough"), NOW, BODY)
}

/// Deliveries of many bodies with their signatures in base64url.
fn bodies() -> impl Iterator<Item = Captured> {
    (0..64).map(|number| {
        let delivery = Captured::signed(SECRET, NOW, format!("{{\"number\":{number}}}"));
        delivery.header("webhook-signature", |text| format!("v1,{}", URL_SAFE.encode(raw(text))))
    })
}

fn spaced(text: &str) -> String {
    text.replace("\":", "\": ").replace(",\"", ", \"")
}

fn raw(signature: &str) -> Vec<u8> {
    STANDARD.decode(signature.strip_prefix("v1,").expect("v1")).expect("base64")
}

fn mac(key: &[u8], parts: &[&str]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    for part in parts {
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}
