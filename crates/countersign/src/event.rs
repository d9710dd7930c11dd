//! Gemini's events, parsed from what was verified and from nothing else.
//!
//! Payloads are thin: what happened, and where the result is. Types that are not known yet and
//! fields that nobody documented are kept, not errors; a body that is no event at all is
//! [`EventError`], and still a genuine webhook.
//!
//! ```
//! use bytes::Bytes;
//! use countersign::event::EventKind;
//! use countersign::{MessageId, Secret, Signer, UnixTime, Verifier};
//!
//! # let secret = Secret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")?;
//! # let verifier = Verifier::builder("gemini").secret(secret.clone()).build()?;
//! # let (id, now) = (MessageId::parse("msg_1")?, UnixTime::from_secs(1_795_176_000));
//! let body = br#"{"type":"batch.failed","data":{"id":"batch_1","error_code":8}}"#;
//! # let headers = Signer::new([secret])?.sign(&id, now, body);
//! let verified = verifier.begin(&headers, now)?.finish(Bytes::from_static(body))?;
//! let event = verified.event()?;
//! assert_eq!(event.kind, EventKind::BatchFailed);
//! assert_eq!(event.data.error_code.as_deref(), Some("8"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

use crate::json;
use crate::verdict::Verified;

impl Verified {
    /// Parses the verified body as an event.
    pub fn event(&self) -> Result<Event, EventError> {
        Event::parse(self.body())
    }

    /// The event's `type`, without building the rest. It is there exactly where [`event`](Self::event) finds an
    /// event: the body is a JSON object with exactly one `type`, which is a string.
    pub fn event_type(&self) -> Option<Cow<'_, str>> {
        event_type(self.body())
    }
}

/// Reads the whole body: a text that breaks off later is no event either.
fn event_type(body: &[u8]) -> Option<Cow<'_, str>> {
    let (mut found, mut is_repeated) = (None, false);
    json::read_object(body, |name, reader| {
        if name != "type" {
            return reader.skip_representable();
        }
        match reader.value()? {
            json::Value::String(text) => is_repeated |= found.replace(text).is_some(),
            _ => return None,
        }
        Some(())
    })?;
    found.filter(|_| !is_repeated)
}

/// One event, as Gemini API webhooks describe it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The `type`, as sent.
    pub event_type: String,
    /// The type, where it is one that is known.
    pub kind: EventKind,
    /// The version of the envelope.
    pub version: Option<String>,
    /// When it happened, as sent (RFC 3339).
    pub timestamp: Option<String>,
    /// What it happened to.
    pub data: EventData,
    /// What the request that led to this event asked to have returned with it, wherever it stood.
    pub user_metadata: Option<Map<String, Value>>,
    /// All other fields of the envelope.
    pub extra: Map<String, Value>,
}

/// What an event is about. Which fields are there depends on its kind, and all are optional:
/// what is documented and what is sent have differed.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct EventData {
    /// The id of the batch, interaction or video.
    pub id: Option<String>,
    /// Where the results are.
    pub output_file_uri: Option<String>,
    /// The name of the file with the video.
    pub file_name: Option<String>,
    /// Where the video is.
    pub video_uri: Option<String>,
    /// The id of the file with the video.
    pub file_id: Option<String>,
    /// Why it failed, for programs. A number is given as its digits.
    pub error_code: Option<String>,
    /// Why it failed, for people.
    pub error_message: Option<String>,
    /// All other fields.
    pub extra: Map<String, Value>,
}

impl Event {
    fn parse(body: &[u8]) -> Result<Self, EventError> {
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

/// Takes a field that has the type that it should have; any other stays where it is.
fn take_string(map: &mut Map<String, Value>, name: &str) -> Option<String> {
    map.get(name)?.is_string().then(|| map.remove(name))?.and_then(|value| match value {
        Value::String(text) => Some(text),
        _ => None,
    })
}

fn take_number(map: &mut Map<String, Value>, name: &str) -> Option<String> {
    map.get(name)?.is_number().then(|| map.remove(name))?.map(|number| number.to_string())
}

/// Takes an object, or a string that holds one.
fn take_object(map: &mut Map<String, Value>, name: &str) -> Option<Map<String, Value>> {
    let object = match map.get(name)? {
        Value::Object(object) => object.clone(),
        Value::String(text) => json::Object::parse(text.as_bytes())?.into_serde()?,
        _ => return None,
    };
    map.remove(name);
    Some(object)
}

/// The kinds of event that are known. Others will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// `batch.succeeded`, or `batch.completed` as some texts have it.
    BatchSucceeded,
    /// `batch.cancelled`
    BatchCancelled,
    /// `batch.expired`
    BatchExpired,
    /// `batch.failed`
    BatchFailed,
    /// `interaction.requires_action`
    InteractionRequiresAction,
    /// `interaction.completed`
    InteractionCompleted,
    /// `interaction.cancelled`
    InteractionCancelled,
    /// `interaction.failed`
    InteractionFailed,
    /// `video.generated`
    VideoGenerated,
    /// Any other; [`Event::event_type`] has its name.
    Unknown,
}

impl EventKind {
    /// The kinds that are known.
    pub const KNOWN: &'static [Self] = &[
        Self::BatchSucceeded,
        Self::BatchCancelled,
        Self::BatchExpired,
        Self::BatchFailed,
        Self::InteractionRequiresAction,
        Self::InteractionCompleted,
        Self::InteractionCancelled,
        Self::InteractionFailed,
        Self::VideoGenerated,
    ];

    /// The `type` of this kind; `None` for [`Unknown`](Self::Unknown).
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::BatchSucceeded => "batch.succeeded",
            Self::BatchCancelled => "batch.cancelled",
            Self::BatchExpired => "batch.expired",
            Self::BatchFailed => "batch.failed",
            Self::InteractionRequiresAction => "interaction.requires_action",
            Self::InteractionCompleted => "interaction.completed",
            Self::InteractionCancelled => "interaction.cancelled",
            Self::InteractionFailed => "interaction.failed",
            Self::VideoGenerated => "video.generated",
            Self::Unknown => return None,
        })
    }

    /// The kind of this `type`.
    pub fn from_name(name: &str) -> Self {
        let known = Self::KNOWN.iter().copied().find(|kind| kind.name() == Some(name));
        match name {
            "batch.completed" => Self::BatchSucceeded,
            _ => known.unwrap_or(Self::Unknown),
        }
    }
}

/// Why a verified body is not an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventError {
    /// The body is not JSON.
    NotJson,
    /// The body is JSON, but not an object.
    NotAnObject,
    /// There is no `type`, there are several, or it is not a string.
    NoType,
}

impl EventError {
    /// Why this body, which has no type, is not an event.
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
            Self::NoType => "the event does not have exactly one `type` that is a string",
        })
    }
}

impl std::error::Error for EventError {}

/// Chooses events by type: exact names, or `batch.*` for all that begin with `batch.`, or `*`.
///
/// ```
/// use countersign::EventFilter;
///
/// let filter = EventFilter::new(["batch.*", "video.generated"])?;
/// assert!(filter.admits(Some("batch.succeeded")));
/// assert!(!filter.admits(Some("interaction.completed")));
/// assert!(!filter.admits(None)); // no name fits an event without a type
/// # Ok::<(), countersign::event::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    All,
    Prefix(String),
    Exact(String),
}

impl EventFilter {
    /// Reads the patterns. Without any, nothing is admitted.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self, PatternError> {
        let patterns = patterns.into_iter().map(|text| Pattern::parse(text.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { patterns })
    }

    /// Whether one of the patterns fits.
    ///
    /// `None` stands for an event whose type cannot be read, and only `*` fits it. `false` then means that the
    /// filter cannot judge the event, not that nobody wants it: handle it or reject it, but do not drop it as
    /// if it had been judged.
    pub fn admits(&self, event_type: Option<&str>) -> bool {
        self.patterns.iter().any(|pattern| match (pattern, event_type) {
            (Pattern::All, _) => true,
            (_, None) => false,
            (Pattern::Prefix(prefix), Some(name)) => name.starts_with(prefix.as_str()),
            (Pattern::Exact(exact), Some(name)) => name == exact,
        })
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, PatternError> {
        match text.split_once('*') {
            None if text.is_empty() => Err(PatternError(text.into())),
            None => Ok(Self::Exact(text.into())),
            Some(("", "")) => Ok(Self::All),
            Some((prefix, "")) if prefix.ends_with('.') => Ok(Self::Prefix(prefix.into())),
            Some(_) => Err(PatternError(text.into())),
        }
    }
}

/// A pattern that is neither a name, nor `name.*`, nor `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternError(String);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not an event type, `prefix.*` or `*`", self.0)
    }
}

impl std::error::Error for PatternError {}

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

    #[test]
    fn every_known_kind_has_a_name_that_leads_back_to_it() {
        for kind in EventKind::KNOWN {
            assert_eq!(EventKind::from_name(kind.name().expect("known")), *kind);
        }
    }

    #[test]
    fn a_pattern_is_a_name_a_prefix_or_all() {
        let admits = |pattern: &str, name| EventFilter::new([pattern]).expect("a pattern").admits(name);
        assert!(admits("*", None));
        assert!(admits("batch.*", Some("batch.failed")));
        assert!(!admits("batch.*", Some("batchx.failed")));
        assert!(!admits("batch", Some("batch.failed")));
        for wrong in ["", "*.failed", "batch*", "ba*.x", "batch.**"] {
            assert!(EventFilter::new([wrong]).is_err(), "{wrong}");
        }
    }
}
