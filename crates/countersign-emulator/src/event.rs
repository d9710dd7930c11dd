//! Events in the form of Gemini API webhooks: a status and pointers, never the results.

use countersign::UnixTime;
use countersign::gemini::EventKind;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::time;

/// An event to publish.
#[derive(Clone, Debug)]
pub struct Event {
    /// The type, for example `batch.succeeded`.
    pub event_type: String,
    /// When it happened.
    pub happened: UnixTime,
    /// The id of the job, and where its results are.
    pub data: Map<String, Value>,
    /// The metadata of the request, returned as `data.user_metadata`.
    pub user_metadata: Option<Map<String, Value>>,
}

impl Event {
    /// An example of this type, with the fields that are documented for it. An unknown type gets only an `id`.
    /// The ids and file names contain `name`.
    ///
    /// ```
    /// use countersign_emulator::Event;
    /// use countersign::UnixTime;
    ///
    /// let event = Event::example("batch.succeeded", "7", UnixTime::from_secs(1_769_083_200));
    /// assert_eq!(
    ///     String::from_utf8(event.to_body()).unwrap(),
    ///     r#"{"type":"batch.succeeded","version":"v1","timestamp":"2026-01-22T12:00:00Z","#.to_owned()
    ///         + r#""data":{"id":"batch_7","output_file_uri":"gs://my-bucket/results-7.jsonl"}}"#,
    /// );
    /// ```
    pub fn example(event_type: &str, name: &str, happened: UnixTime) -> Self {
        let data = match EventKind::from_name(event_type) {
            EventKind::BatchSucceeded => {
                json!({ "id": format!("batch_{name}"), "output_file_uri": format!("gs://my-bucket/results-{name}.jsonl") })
            }
            EventKind::BatchCancelled | EventKind::BatchExpired => json!({ "id": format!("batch_{name}") }),
            EventKind::BatchFailed => failed(&format!("batch_{name}")),
            EventKind::InteractionRequiresAction
            | EventKind::InteractionCompleted
            | EventKind::InteractionCancelled => json!({ "id": format!("interaction_{name}") }),
            EventKind::InteractionFailed => failed(&format!("interaction_{name}")),
            EventKind::VideoGenerated => json!({
                "id": format!("video_{name}"),
                "output_file_uri": format!("gs://my-bucket/video-{name}.mp4"),
                "file_name": format!("files/video-{name}"),
            }),
            _ => json!({ "id": format!("event_{name}") }),
        };
        Self::new(event_type, happened, data)
    }

    /// An event with this data; a value that is not an object counts as an empty one.
    pub(crate) fn new(event_type: &str, happened: UnixTime, data: Value) -> Self {
        let data = if let Value::Object(data) = data { data } else { Map::new() };
        Self { event_type: event_type.into(), happened, data, user_metadata: None }
    }

    /// Sets the metadata to return.
    #[must_use]
    pub fn with_user_metadata(mut self, metadata: Option<Map<String, Value>>) -> Self {
        self.user_metadata = metadata;
        self
    }

    /// Adds the prefix of its resource to the id of a batch.
    #[must_use]
    pub(crate) fn with_prefixed_id(mut self) -> Self {
        if let Some(Value::String(id)) = self.data.get_mut("id")
            && id.starts_with("batch_")
        {
            id.insert_str(0, "batches/");
        }
        self
    }

    /// The body of the event's deliveries.
    pub fn to_body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Envelope<'a> {
            #[serde(rename = "type")]
            event_type: &'a str,
            version: &'static str,
            timestamp: String,
            data: Data<'a>,
        }
        #[derive(Serialize)]
        struct Data<'a> {
            #[serde(flatten)]
            data: &'a Map<String, Value>,
            #[serde(skip_serializing_if = "Option::is_none")]
            user_metadata: Option<&'a Map<String, Value>>,
        }
        let envelope = Envelope {
            event_type: &self.event_type,
            version: "v1",
            timestamp: time::to_the_second(self.happened),
            data: Data { data: &self.data, user_metadata: self.user_metadata.as_ref() },
        };
        #[expect(clippy::expect_used, reason = "strings and JSON values always serialize")]
        serde_json::to_vec(&envelope).expect("an event is JSON")
    }
}

fn failed(id: &str) -> Value {
    json!({ "id": id, "error_code": "INTERNAL", "error_message": "the model is overloaded, try again later" })
}
