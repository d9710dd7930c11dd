//! What scripts print, and what it is compared with.

use std::time::{Duration, UNIX_EPOCH};

use countersign::UnixTime;
use serde_json::{Value, json};

use super::client::Sdk;

/// The versions of the API. A script does the same in both.
pub(crate) const VERSIONS: [&str; 2] = ["v1", "v1beta"];

/// The same object with some members of another value.
pub(crate) fn with(object: &Value, changes: &Value) -> Value {
    let mut result = object.clone();
    for (name, value) in changes.as_object().expect("an object of changes") {
        assert!(result.get(name).is_some(), "{object} has no `{name}`");
        result[name] = value.clone();
    }
    result
}

/// A time as the scripts print it, or as an interaction has it.
pub(crate) fn moment(value: &Value) -> UnixTime {
    let time = humantime::parse_rfc3339(text(value)).unwrap_or_else(|error| panic!("{value}: {error}"));
    UnixTime::from(time)
}

/// A time as an event has it.
pub(crate) fn to_the_second(time: UnixTime) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(time.as_secs())).to_string()
}

/// A time as the scripts print it.
pub(crate) fn to_the_millisecond(time: UnixTime) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(time.as_millis())).to_string()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

/// The name of a resource: what it begins with, and so many lower-case letters and digits.
pub(crate) fn assert_name(value: &Value, prefix: &str, len: usize) {
    let rest = text(value).strip_prefix(prefix).unwrap_or_else(|| panic!("{value} does not begin with {prefix}"));
    let is_good = rest.len() == len && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    assert!(is_good, "{value}");
}

/// What the SDK raised: for which resource, with which status, and what it says.
pub(crate) fn assert_error(sdk: Sdk, error: &Value, resource: &str, status: (u16, &str), said: &str) {
    assert_violation(sdk, error, resource, status, said, None);
}

/// The same, where a field is to blame.
pub(crate) fn assert_violation(
    sdk: Sdk,
    error: &Value,
    resource: &str,
    (code, status): (u16, &str),
    said: &str,
    field: Option<&str>,
) {
    let mut violations: Vec<_> =
        field.map(|field| json!({ "field": field, "description": said })).into_iter().collect();
    let (mut shown_status, mut reason) = (json!(status), json!(code));
    if resource == "interactions" {
        // These have a form of their own, and the SDKs an error for each method that has parsed it.
        (shown_status, reason) = (Value::Null, json!(in_words(status)));
        violations.clear();
        assert!(text(&error["cause"]).ends_with("ClientError"), "{error}");
    }
    let expected = json!({
        "exception": sdk.exception(resource, code),
        "code": code,
        "text": error["text"],
        "said": field.map_or_else(|| said.to_owned(), |field| format!("{field}: {said}")),
        "status": shown_status,
        "reason": reason,
        "cause": error["cause"],
        "violations": violations,
    });
    assert_eq!(error, &expected);
    // Who only prints what was raised is told the reason too.
    assert!(text(&error["text"]).contains(said), "{error}");
}

/// What an interaction calls a status.
fn in_words(status: &str) -> &'static str {
    match status {
        "INVALID_ARGUMENT" => "invalid_request",
        "FAILED_PRECONDITION" => "failed_precondition",
        "NOT_FOUND" => "not_found",
        _ => panic!("{status} was not expected of interactions"),
    }
}
