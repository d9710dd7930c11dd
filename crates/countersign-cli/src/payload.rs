//! Realistic events: thin, a status and pointers, as Gemini API webhooks send them.

use countersign::UnixTime;
use countersign::event::EventKind;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::random;
use crate::time;

/// The body of an event of this type.
pub(crate) fn body(
    event_type: &str,
    now: UnixTime,
    user_metadata: Option<Map<String, Value>>,
) -> Result<Vec<u8>, Error> {
    let envelope = Envelope {
        event_type,
        version: "v1",
        timestamp: time::written(now.as_secs()).unwrap_or_default(),
        data: Data { user_metadata, ..data(EventKind::from_name(event_type), &random::short()?) },
    };
    serde_json::to_vec(&envelope).map_err(|error| Error::Write(error.into()))
}

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    version: &'static str,
    timestamp: String,
    data: Data,
}

#[derive(Default, Serialize)]
struct Data {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_file_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_metadata: Option<Map<String, Value>>,
}

fn data(kind: EventKind, name: &str) -> Data {
    let about = |noun: &str| Data { id: format!("{noun}_{name}"), ..Data::default() };
    let failed = |data| Data {
        error_code: Some("INTERNAL"),
        error_message: Some("the model is overloaded, try again later"),
        ..data
    };
    match kind {
        EventKind::BatchSucceeded => {
            Data { output_file_uri: Some(format!("gs://my-bucket/results-{name}.jsonl")), ..about("batch") }
        }
        EventKind::BatchCancelled | EventKind::BatchExpired => about("batch"),
        EventKind::BatchFailed => failed(about("batch")),
        EventKind::InteractionRequiresAction | EventKind::InteractionCompleted | EventKind::InteractionCancelled => {
            about("interaction")
        }
        EventKind::InteractionFailed => failed(about("interaction")),
        EventKind::VideoGenerated => Data {
            output_file_uri: Some(format!("gs://my-bucket/video-{name}.mp4")),
            file_name: Some(format!("files/video-{name}")),
            ..about("video")
        },
        _ => about("event"),
    }
}
