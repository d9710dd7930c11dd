//! An event, parsed from a verified body.

use std::fmt;

use serde_json::{Map, Value};

use super::kind::EventKind;
use crate::event_type::event_type;
use crate::json;

/// An event of a Gemini API webhook.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The `type`, as sent.
    pub event_type: String,
    /// The type, if it is a documented one.
    pub kind: EventKind,
    /// The version of the event format.
    pub version: Option<String>,
    /// When the event happened, as sent (RFC 3339).
    pub timestamp: Option<String>,
    /// The object that the event is about.
    pub data: EventData,
    /// The metadata that the caller attached to the original request. It is found in the envelope or in `data`.
    pub user_metadata: Option<Map<String, Value>>,
    /// All other fields of the event.
    pub extra: Map<String, Value>,
}

/// The object that an event is about. The kind of event decides which fields are present. All are optional, because
/// the documentation and the events that are sent have differed.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct EventData {
    /// The id of the batch, interaction or video.
    pub id: Option<String>,
    /// The location of the results.
    pub output_file_uri: Option<String>,
    /// The name of the video file.
    pub file_name: Option<String>,
    /// The location of the video.
    pub video_uri: Option<String>,
    /// The id of the video file.
    pub file_id: Option<String>,
    /// The error code, for programs. A number is converted to its digits.
    pub error_code: Option<String>,
    /// The error message, for people.
    pub error_message: Option<String>,
    /// All other fields.
    pub extra: Map<String, Value>,
}

impl Event {
    pub(super) fn parse(body: &[u8]) -> Result<Self, EventError> {
        let event_type = event_type(body).ok_or_else(|| EventError::of(body))?.into_owned();
        let mut envelope = json::Object::parse(body).and_then(json::Object::into_serde).ok_or(EventError::NotJson)?;
        envelope.remove("type");
        let mut data = match envelope.remove("data") {
            Some(Value::Object(data)) => data,
            Some(other) => {
                envelope.insert("data".into(), other);
                Map::new()
            }
            None => Map::new(),
        };
        let user_metadata = take_object(&mut envelope, "user_metadata")
            .or_else(|| take_object(&mut data, "user_metadata"))
            .or_else(|| take_object(&mut data, "userMetadata"));
        Ok(Self {
            kind: EventKind::from_name(&event_type),
            event_type,
            version: take_string(&mut envelope, "version"),
            timestamp: take_string(&mut envelope, "timestamp"),
            data: EventData::from_map(data),
            user_metadata,
            extra: envelope,
        })
    }
}

impl EventData {
    fn from_map(mut data: Map<String, Value>) -> Self {
        Self {
            id: take_string(&mut data, "id"),
            output_file_uri: take_string(&mut data, "output_file_uri"),
            file_name: take_string(&mut data, "file_name"),
            video_uri: take_string(&mut data, "video_uri"),
            file_id: take_string(&mut data, "file_id"),
            error_code: take_string(&mut data, "error_code").or_else(|| take_number(&mut data, "error_code")),
            error_message: take_string(&mut data, "error_message"),
            extra: data,
        }
    }
}

/// Removes and returns a string field. A field of another type stays in the map.
fn take_string(map: &mut Map<String, Value>, name: &str) -> Option<String> {
    map.get(name)?.is_string().then(|| map.remove(name))?.and_then(|value| match value {
        Value::String(text) => Some(text),
        _ => None,
    })
}

fn take_number(map: &mut Map<String, Value>, name: &str) -> Option<String> {
    map.get(name)?.is_number().then(|| map.remove(name))?.map(|number| number.to_string())
}

/// Removes and returns an object, or a string that contains one.
fn take_object(map: &mut Map<String, Value>, name: &str) -> Option<Map<String, Value>> {
    let object = match map.get(name)? {
        Value::Object(object) => object.clone(),
        Value::String(text) => json::Object::parse(text.as_bytes())?.into_serde()?,
        _ => return None,
    };
    map.remove(name);
    Some(object)
}

/// Why a verified body is not an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventError {
    /// The body is not JSON.
    NotJson,
    /// The body is JSON, but not an object.
    NotAnObject,
    /// `type` is missing, repeated or not a string.
    NoType,
}

impl EventError {
    /// The error for a body without a type.
    fn of(body: &[u8]) -> Self {
        match json::Value::parse(body).and_then(json::Value::into_serde) {
            None => Self::NotJson,
            Some(Value::Object(_)) => Self::NoType,
            Some(_) => Self::NotAnObject,
        }
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotJson => "the body is not JSON",
            Self::NotAnObject => "the body is JSON, but not an object",
            Self::NoType => "the event needs exactly one `type`, and it must be a string",
        })
    }
}

impl std::error::Error for EventError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Event {
        Event::parse(body.as_bytes()).expect("an event")
    }

    #[test]
    fn a_known_event_is_typed() {
        let event = parse(
            r#"{"type":"batch.succeeded","version":"v1","timestamp":"2026-01-22T12:00:00Z",
                "data":{"id":"batch_123456","output_file_uri":"gs://my-bucket/results.jsonl"}}"#,
        );
        assert_eq!(event.kind, EventKind::BatchSucceeded);
        assert_eq!(event.version.as_deref(), Some("v1"));
        assert_eq!(event.data.id.as_deref(), Some("batch_123456"));
        assert_eq!(event.data.output_file_uri.as_deref(), Some("gs://my-bucket/results.jsonl"));
        assert!(event.extra.is_empty() && event.data.extra.is_empty());
    }

    #[test]
    fn what_is_not_known_is_kept() {
        let event = parse(r#"{"type":"agent.dreamt","mood":7,"data":{"id":9,"sheep":"electric","error_code":404}}"#);
        assert_eq!((event.kind, event.event_type.as_str()), (EventKind::Unknown, "agent.dreamt"));
        assert_eq!(event.extra["mood"], 7);
        assert_eq!(event.data.id, None);
        assert_eq!(event.data.error_code.as_deref(), Some("404"));
        assert_eq!((&event.data.extra["id"], &event.data.extra["sheep"]), (&9.into(), &"electric".into()));
        assert_eq!(parse(r#"{"type":"x","data":[1]}"#).extra["data"][0], 1);
        assert_eq!(parse(r#"{"type":"batch.completed"}"#).kind, EventKind::BatchSucceeded);
    }

    #[test]
    fn user_metadata_is_found_wherever_it_stands() {
        for body in [
            r#"{"type":"x","user_metadata":{"job":"7"}}"#,
            r#"{"type":"x","data":{"user_metadata":{"job":"7"}}}"#,
            r#"{"type":"x","data":{"userMetadata":{"job":"7"}}}"#,
            r#"{"type":"x","data":{"userMetadata":"{\"job\":\"7\"}"}}"#,
        ] {
            assert_eq!(parse(body).user_metadata.expect("metadata")["job"], "7", "{body}");
        }
        let kept = parse(r#"{"type":"x","user_metadata":"plain text"}"#);
        assert_eq!((kept.user_metadata, &kept.extra["user_metadata"]), (None, &"plain text".into()));
    }

    #[test]
    fn a_body_that_is_no_event_says_why() {
        for (body, error) in [
            ("", EventError::NotJson),
            ("[1]", EventError::NotAnObject),
            ("{}", EventError::NoType),
            (r#"{"type":1}"#, EventError::NoType),
        ] {
            assert_eq!(Event::parse(body.as_bytes()), Err(error));
        }
    }
}
