//! Videos: operations whose result is a file.

use serde_json::{Value, json};

use super::bucket;
use super::record::{End, FAILURE, Record, State, last_segment};

/// The prompt is not stored: no video is generated.
pub(crate) struct Video {
    /// The base URL of the API, for the address of the file.
    pub(crate) base_url: String,
}

impl Video {
    pub(crate) fn resource(&self, record: &Record) -> Value {
        let mut operation = json!({
            "name": record.name,
            "metadata": { "@type": "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningMetadata" },
        });
        let State::Ended(end) = record.state else { return operation };
        operation["done"] = true.into();
        match end {
            End::Succeeded => {
                let uri = format!("{}/v1beta/{}:download?alt=media", self.base_url, file_name(&record.name));
                operation["response"] = json!({
                    "@type": "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse",
                    "generateVideoResponse": { "generatedSamples": [{ "video": { "uri": uri } }] },
                });
            }
            End::Cancelled => operation["error"] = json!({ "code": 1, "message": "the operation was cancelled" }),
            _ => operation["error"] = json!({ "code": 13, "message": FAILURE }),
        }
        operation
    }
}

/// The name of the video's file. The SDKs look for lower-case letters and digits only.
pub(crate) fn file_name(operation: &str) -> String {
    format!("files/{}", last_segment(operation))
}

/// The address of the video in an event.
pub(crate) fn output_uri(operation: &str) -> String {
    bucket::uri(&object_name(operation))
}

/// The name of the video in the bucket.
pub(crate) fn object_name(operation: &str) -> String {
    format!("video-{}.mp4", last_segment(operation))
}
