//! Batches of requests, inline or in a file.

use std::time::Duration;

use countersign::UnixTime;
use serde_json::{Value, json};

use super::record::{End, FAILURE, Record, State, last_segment};
use super::text::memory;
use crate::time;

/// How long a batch is pending before it is running.
const PENDING: Duration = Duration::from_millis(500);

/// A batch: its model, its name and its requests.
pub(crate) struct Batch {
    pub(crate) model: String,
    pub(crate) display_name: String,
    pub(crate) source: Source,
}

/// Where a batch's requests are.
pub(crate) enum Source {
    File,
    /// In the request: the metadata and the text of each.
    Inline(Vec<(Option<Value>, String)>),
}

impl Source {
    /// Roughly how many bytes of memory it takes.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::File => 0,
            Self::Inline(requests) => requests
                .iter()
                .map(|(metadata, words)| {
                    metadata.as_ref().map_or(0, memory) + words.len() + size_of::<(Option<Value>, String)>()
                })
                .sum(),
        }
    }
}

impl Batch {
    /// The resource, with its results.
    pub(crate) fn resource(&self, record: &Record, now: UnixTime) -> Value {
        let mut resource = self.listed(record, now);
        if let (State::Ended(End::Succeeded), Source::Inline(requests)) = (record.state, &self.source) {
            resource["metadata"]["output"] = self.responses(requests);
        }
        resource
    }

    /// The resource without the responses to inline requests.
    pub(crate) fn listed(&self, record: &Record, now: UnixTime) -> Value {
        let state = match record.state {
            State::Running { .. } if now < record.created.saturating_add(PENDING) => "BATCH_STATE_PENDING",
            State::Running { .. } => "BATCH_STATE_RUNNING",
            State::Ended(End::Succeeded | End::RequiresAction) => "BATCH_STATE_SUCCEEDED",
            State::Ended(End::Failed | End::Incomplete | End::BudgetExceeded) => "BATCH_STATE_FAILED",
            State::Ended(End::Cancelled) => "BATCH_STATE_CANCELLED",
            State::Ended(End::Expired) => "BATCH_STATE_EXPIRED",
        };
        let mut metadata = json!({
            "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
            "name": record.name,
            "model": format!("models/{}", self.model),
            "displayName": self.display_name,
            "state": state,
            "createTime": time::to_the_millisecond(record.created),
            "updateTime": time::to_the_millisecond(record.updated),
        });
        let mut resource = json!({ "name": record.name });
        if let State::Ended(end) = record.state {
            metadata["endTime"] = time::to_the_millisecond(record.updated).into();
            resource["done"] = true.into();
            match (end, &self.source) {
                (End::Succeeded, Source::File) => {
                    metadata["output"] = json!({ "responsesFile": format!("files/batch-{}", record.short_name()) });
                }
                (End::Failed, _) => resource["error"] = json!({ "code": 13, "message": FAILURE }),
                _ => {}
            }
        }
        resource["metadata"] = metadata;
        resource
    }

    fn responses(&self, requests: &[(Option<Value>, String)]) -> Value {
        let response = |(metadata, words): &(Option<Value>, String)| {
            let text = format!("An emulated answer to: {words}");
            let mut response = json!({ "response": {
                "candidates": [{
                    "content": { "role": "model", "parts": [{ "text": text }] },
                    "finishReason": "STOP",
                    "index": 0,
                }],
                "modelVersion": self.model,
            }});
            if let Some(metadata) = metadata {
                response["metadata"] = metadata.clone();
            }
            response
        };
        json!({ "inlinedResponses": { "inlinedResponses": requests.iter().map(response).collect::<Vec<_>>() } })
    }
}

/// The address of the results in an event.
pub(crate) fn output_uri(name: &str) -> String {
    format!("gs://emulated-bucket/batch-{}.jsonl", last_segment(name))
}
