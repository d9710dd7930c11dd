//! The `user_metadata` of a message.

use serde_json::{Map, Value};

/// The metadata that the caller attached to the original request of an event. Where it stands is not documented: in the
/// envelope or in `data`, as an object or as a string that contains one.
pub(super) fn user_metadata(body: &[u8]) -> Option<Map<String, Value>> {
    let Ok(Value::Object(envelope)) = serde_json::from_slice(body) else { return None };
    let data = envelope.get("data");
    let places = [
        envelope.get("user_metadata"),
        data.and_then(|data| data.get("user_metadata")),
        data.and_then(|data| data.get("userMetadata")),
    ];
    places.into_iter().flatten().find_map(|value| match value {
        Value::Object(metadata) => Some(metadata.clone()),
        Value::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    })
}

/// A value as text: strings as they are, other values as JSON.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_wherever_it_stands() {
        for body in [
            r#"{"type":"x","user_metadata":{"job":"7"}}"#,
            r#"{"type":"x","data":{"user_metadata":{"job":"7"}}}"#,
            r#"{"type":"x","data":{"userMetadata":{"job":"7"}}}"#,
            r#"{"type":"x","data":{"userMetadata":"{\"job\":\"7\"}"}}"#,
            r#"{"user_metadata":"text","data":{"user_metadata":{"job":"7"}}}"#,
        ] {
            let metadata = user_metadata(body.as_bytes()).expect("metadata");
            assert_eq!(text(&metadata["job"]), "7", "{body}");
        }
        for body in ["", "[]", "{}", r#"{"data":7}"#, r#"{"user_metadata":"x"}"#] {
            assert_eq!(user_metadata(body.as_bytes()), None, "{body}");
        }
        assert_eq!([text(&7.into()), text(&true.into())], ["7", "true"]);
    }
}
