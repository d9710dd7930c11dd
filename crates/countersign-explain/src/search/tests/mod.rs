//! Every mistake, applied to authentic deliveries and found; and nothing found where nothing is.

mod mistakes;
mod other_mistakes;
mod table;
mod writing;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign::sign::Signer;
use countersign::{MessageId, Secret, UnixTime};
use proptest::prelude::*;

use super::step::Transform;
use super::{Budget, Found, search, tables};
use crate::capture::Capture;
use crate::case::Case;
use crate::finding::{Certainty, Finding};
use crate::secret_text::SecretText;
use crate::setup::Setup;
use mistakes::{BODY_MISTAKES, Mistake};
use other_mistakes::{ALONE, HEAD_MISTAKES, SECRET_MISTAKES, SENDER_MISTAKES};

const KEY: &[u8] = b"\x01\xf3a test key of 32 bytes, ok?\xfe\x80";
const NOW: u64 = 1_790_661_946;
const ID: &str = "msg_2";
/// Deliveries with what the mistakes need: accents, quotes, slashes, markup, numbers, and several members.
const BODIES: [&str; 4] = [
    concat!(
        r#"{"type":"batch.succeeded","timestamp":"2026-09-29T06:05:40Z","data":{"url":"https://a.example/x?a=1&b=2","#,
        r#""note":"it's “très” <b>\"café\"</b> a\\b +1%","price":10.5,"count":3,"tags":["a",{}]}}"#
    ),
    r#"{"b":"Grüße / 日本","a":[1,2.25,true,null],"c":{"d":"x\ny"}}"#,
    // Values that other languages write otherwise.
    concat!(
        r#"{"at":"2026-09-29T06:05:40.000Z","amount":10.50,"id":12345678901234567,"rate":0.00012,"count":3,"#,
        r#""empty":"","error":null,"yes":true,"note":"batch job 😀","list":{}}"#
    ),
    // As Jackson indents.
    "{\n  \"a\" : \"x\",\n  \"b\" : [ 10, 2 ]\n}",
];

#[test]
fn every_mistake_with_the_body_is_found() {
    let found =
        BODIES.iter().flat_map(|body| BODY_MISTAKES.iter().filter_map(move |mistake| problem(body, &[mistake])));
    assert_none(found);
}

#[test]
fn every_mistake_is_applied_to_some_body() {
    let unused =
        BODY_MISTAKES.iter().filter(|mistake| BODIES.iter().all(|body| (mistake.apply)(body.as_bytes()).is_none()));
    assert_none(unused.map(|mistake| mistake.name.to_owned()));
}

/// The tables of the search decide what has to be covered: a new transformation needs a mistake.
#[test]
fn every_transformation_of_the_tables_undoes_some_mistake() {
    let deliveries: Vec<_> = BODIES
        .iter()
        .flat_map(|signed| {
            let captured = BODY_MISTAKES.iter().filter_map(|mistake| (mistake.apply)(signed.as_bytes()));
            captured.filter(|captured| captured != signed.as_bytes()).map(|captured| (signed.as_bytes(), captured))
        })
        .collect();
    let undoes = |transform: Transform| {
        deliveries.iter().any(|(signed, captured)| transform(captured).any(|variant| variant.body == *signed))
    };
    let unused = tables::all().into_iter().flat_map(|(table, transforms)| {
        let unused: Vec<_> = (0..transforms.len()).filter(|at| !undoes(transforms[*at])).collect();
        unused.into_iter().map(move |at| format!("number {at} of {table} undoes no mistake of the tests"))
    });
    assert_none(unused);
}

#[test]
fn every_way_to_sign_something_else_is_found() {
    let mut problems = Vec::new();
    for (name, code, signed) in SENDER_MISTAKES {
        let signed = signed(BODIES[1].as_bytes());
        let found = codes(&case(&secret(KEY), &signed_head(KEY, &signed), BODIES[1].as_bytes()));
        if !found.contains(code) {
            problems.push(format!("{name}: found {found:?}"));
        }
    }
    assert_none(problems);
}

#[test]
fn every_pair_of_mistakes_with_the_body_is_found() {
    // What loses characters or values is found alone: its repairs are guesses.
    let firsts = || BODY_MISTAKES.iter().filter(|mistake| mistake.combines);
    let pairs = firsts().flat_map(|first| firsts().map(move |second| (first, second)));
    // Written again after it was wrapped, the wrapping stands.
    let pairs =
        pairs.filter(|(first, second)| first.name != second.name && !(second.is_respelling && first.is_respelling));
    assert_none(pairs.filter_map(|(first, second)| problem(BODIES[0], &[first, second])));
}

#[test]
fn every_mistake_with_the_secret_is_found_with_every_one_with_the_body() {
    let mut problems = Vec::new();
    for (name, code, configured) in SECRET_MISTAKES {
        let (configured, key) = configured(KEY);
        let is_alone = ALONE.contains(name);
        let bodies = BODY_MISTAKES.iter().filter(|mistake| mistake.combines && !is_alone).map(Some);
        for mistake in std::iter::once(None).chain(bodies) {
            let signed = BODIES[0].as_bytes();
            let Some(captured) = mistake.map_or(Some(signed.to_vec()), |mistake| (mistake.apply)(signed)) else {
                continue;
            };
            let case = case(&configured, &signed_head(&key, signed), &captured);
            let found = codes(&case);
            if !found.contains(code) || mistake.is_some_and(|mistake| !found.contains(&mistake.code)) {
                problems.push(format!("{name}, {}: found {found:?}", mistake.map_or("alone", |mistake| mistake.name)));
            }
        }
    }
    assert_none(problems);
}

#[test]
fn every_mistake_with_the_head_is_found_with_every_one_with_the_body() {
    let mut problems = Vec::new();
    for (name, code, spoil) in HEAD_MISTAKES {
        let bodies = BODY_MISTAKES.iter().filter(|mistake| mistake.combines).map(Some);
        for mistake in std::iter::once(None).chain(bodies) {
            let signed = BODIES[0].as_bytes();
            let Some(captured) = mistake.map_or(Some(signed.to_vec()), |mistake| (mistake.apply)(signed)) else {
                continue;
            };
            let mut head = signed_head(KEY, signed);
            spoil(&mut head);
            let found = codes(&case(&secret(KEY), &head, &captured));
            if !found.contains(code) || mistake.is_some_and(|mistake| !found.contains(&mistake.code)) {
                problems.push(format!("{name}, {}: found {found:?}", mistake.map_or("alone", |mistake| mistake.name)));
            }
        }
    }
    assert_none(problems);
}

#[test]
fn every_mistake_with_the_secret_is_found_with_every_one_with_the_head() {
    let mut problems = Vec::new();
    let signed = BODIES[0].as_bytes();
    for (secret_name, secret_code, configured) in SECRET_MISTAKES.iter().filter(|(name, ..)| !ALONE.contains(name)) {
        for (head_name, head_code, spoil) in HEAD_MISTAKES {
            let (configured, key) = configured(KEY);
            let mut head = signed_head(&key, signed);
            spoil(&mut head);
            let found = codes(&case(&configured, &head, signed));
            if !found.contains(secret_code) || !found.contains(head_code) {
                problems.push(format!("{secret_name}, {head_name}: found {found:?}"));
            }
        }
    }
    assert_none(problems);
}

#[test]
fn random_secrets_and_bodies_prove_nothing() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for number in 0..10_000 {
        let key: Vec<u8> = (0..4).flat_map(|_| next().to_le_bytes()).collect();
        let words: Vec<_> = (0..next() % 6).map(|_| format!(r#""{:x}":"{}é""#, next(), next() % 1000)).collect();
        let body = format!("{{{}}}", words.join(","));
        let head = signed_head(&key, format!("{}", next()).as_bytes());
        // Few look everywhere: a whole search of each would take minutes.
        let budget = Budget::of(if number % 2500 == 0 { 1_000_000 } else { 300 });
        let found = search(&case(&secret(KEY), &head, body.as_bytes()), &budget);
        assert!(matches!(found, Found::Nothing), "{body}: {}", describe(&found));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_mistake_with_any_body_is_found(body in object(), number in 0..BODY_MISTAKES.len()) {
        let mistake = &BODY_MISTAKES[number];
        if mistake.combines {
            prop_assert_eq!(problem(&body, &[mistake]), None);
        }
    }
}

/// JSON objects as senders write them.
fn object() -> impl Strategy<Value = String> {
    let text = r"[a-zA-Z0-9 éüñ日😀/<>&'+=_.-]{0,12}";
    let scalar = prop_oneof![
        text.prop_map(|text| serde_json::Value::from(text).to_string()),
        any::<i32>().prop_map(|number| number.to_string()),
        (0..100_000_u32).prop_map(|cents| format!("{}.{:02}", cents / 100, cents % 100)),
        Just("true".to_owned()),
    ];
    let member = ("[a-z_]{3,8}", scalar).prop_map(|(name, value)| format!("\"{name}\":{value}"));
    let inner =
        proptest::collection::vec(member.clone(), 1..4).prop_map(|members| format!("{{{}}}", members.join(",")));
    (proptest::collection::vec(member, 0..4), inner).prop_map(|(members, inner)| {
        let data = format!("\"data\":{inner}");
        let members =
            std::iter::once("\"type\":\"a.b\"").chain(members.iter().map(String::as_str)).chain([data.as_str()]);
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    })
}

/// Why these mistakes, one after another, are not found; `None` if they are, or change nothing.
fn problem(signed: &str, mistakes: &[&Mistake]) -> Option<String> {
    let captured = mistakes.iter().try_fold(signed.as_bytes().to_vec(), |body, mistake| (mistake.apply)(&body))?;
    if captured == signed.as_bytes() {
        return None;
    }
    let budget = Budget::default();
    let case = case(&secret(KEY), &signed_head(KEY, signed.as_bytes()), &captured);
    let found = search(&case, &budget);
    let is_found = |mistake: &&Mistake| match &found {
        Found::Proved(findings) => findings.iter().any(|finding| is_certain(finding, mistake.code)),
        _ => false,
    };
    // Two mistakes may be one: a newline inside white space, a string in a string.
    let count = mistakes.iter().filter(|mistake| is_found(mistake)).count();
    let is_well = count > 0 && !budget.is_cut();
    let names: Vec<_> = mistakes.iter().map(|mistake| mistake.name).collect();
    (!is_well).then(|| {
        format!(
            "{}: {}; {} trials, {} %; {}",
            names.join(", then "),
            describe(&found),
            budget.trials(),
            budget.percent(),
            String::from_utf8_lossy(&captured)
        )
    })
}

fn is_certain(finding: &Finding, code: &str) -> bool {
    finding.certainty == Certainty::Certain && finding.code == code
}

fn codes(case: &Case) -> Vec<&'static str> {
    match search(case, &Budget::default()) {
        Found::Proved(findings) => findings.iter().map(|finding| finding.code).collect(),
        Found::Authentic | Found::Nothing => Vec::new(),
    }
}

fn describe(found: &Found) -> String {
    match found {
        Found::Authentic => "authentic".into(),
        Found::Nothing => "nothing".into(),
        Found::Proved(findings) => format!("{findings:?}"),
    }
}

fn assert_none(problems: impl IntoIterator<Item = String>) {
    let problems: Vec<_> = problems.into_iter().collect();
    assert!(problems.is_empty(), "{} are not found:\n{}", problems.len(), problems.join("\n"));
}

fn secret(key: &[u8]) -> String {
    format!("whsec_{}", STANDARD.encode(key))
}

/// The three headers of a delivery.
fn signed_head(key: &[u8], body: &[u8]) -> Vec<(String, String)> {
    let secret = Secret::from_bytes(key).expect("long enough");
    let id = MessageId::parse(ID).expect("an id");
    let headers = Signer::new([secret]).expect("a signer").sign(&id, UnixTime::from_secs(NOW), body);
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    names.map(|name| (name.to_owned(), headers[name].to_str().expect("ASCII").to_owned())).to_vec()
}

fn case(secret: &str, head: &[(String, String)], body: &[u8]) -> Case {
    let pair = |(name, value): &(String, String)| (name.parse().expect("a name"), value.parse().expect("a value"));
    let capture = Capture::new(head.iter().map(pair).collect(), body.to_vec());
    let setup = Setup { secrets: vec![SecretText::new("a.secret", secret)], ..Setup::default() };
    Case::new(capture, &setup, UnixTime::from_secs(NOW)).expect("a verifier")
}
