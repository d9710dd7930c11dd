//! Members of JSON documents whose names are written in snake case or in camel case.

use countersign::UnixTime;
use serde_json::{Map, Value};

/// The first of these members that exists.
pub(crate) fn member<'v>(value: &'v Value, names: &[&str]) -> Option<&'v Value> {
    names.iter().find_map(|name| value.get(name))
}

/// The first of these members, if it is a text that is not empty.
pub(crate) fn text<'v>(value: &'v Value, names: &[&str]) -> Option<&'v str> {
    member(value, names)?.as_str().filter(|text| !text.is_empty())
}

/// The first of these members, if it is a time (RFC 3339).
pub(crate) fn time(value: &Value, names: &[&str]) -> Option<UnixTime> {
    humantime::parse_rfc3339_weak(text(value, names)?).ok().map(UnixTime::from)
}

/// The first of these members, if it is an object.
pub(crate) fn object<'v>(value: &'v Value, names: &[&str]) -> Option<&'v Map<String, Value>> {
    member(value, names)?.as_object()
}
