//! Batches of requests, inline or in a file.

use std::time::Duration;

use countersign::UnixTime;
use serde_json::{Value, json};

use super::bucket;
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
    /// In this file, which was not uploaded here.
    File(String),
    /// In a file that was uploaded: the key and the text of each.
    Lines { name: String, requests: Vec<(Value, String)> },
    /// In the request: the metadata and the text of each.
    Inline(Vec<(Option<Value>, String)>),
}

impl Source {
    /// Roughly how many bytes of memory it takes.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::File(name) => name.len(),
            Self::Lines { name, requests } => {
                let requests =
                    requests.iter().map(|(key, words)| memory(key) + words.len() + size_of::<(Value, String)>());
                name.len() + requests.sum::<usize>()
            }
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
                (End::Succeeded, Source::File(_) | Source::Lines { .. }) => {
                    metadata["output"] = json!({ "responsesFile": file_name(&record.name) });
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
            let mut response = json!({ "response": self.response(words) });
            if let Some(metadata) = metadata {
                response["metadata"] = metadata.clone();
            }
            response
        };
        json!({ "inlinedResponses": { "inlinedResponses": requests.iter().map(response).collect::<Vec<_>>() } })
    }

    /// The results as a file: a line of JSON for each request, with its key. A file that was not uploaded here has one line.
    pub(crate) fn lines(&self) -> Vec<u8> {
        let line = |key: Value, words: &str| format!("{}\n", json!({ "key": key, "response": self.response(words) }));
        match &self.source {
            Source::File(name) => line("request-1".into(), &format!("the requests of {name}")).into_bytes(),
            Source::Lines { requests, .. } => {
                let lines = requests.iter().map(|(key, words)| line(key.clone(), words));
                lines.collect::<String>().into_bytes()
            }
            Source::Inline(requests) => {
                let lines = requests.iter().enumerate().map(|(index, (metadata, words))| {
                    let key = metadata.as_ref().and_then(|metadata| metadata.get("key")).cloned();
                    line(key.unwrap_or_else(|| format!("request-{}", index + 1).into()), words)
                });
                lines.collect::<String>().into_bytes()
            }
        }
    }

    /// What the model generated, in the form of `generateContent`.
    fn response(&self, words: &str) -> Value {
        json!({
            "candidates": [{
                "content": { "role": "model", "parts": [{ "text": format!("An emulated answer to: {words}") }] },
                "finishReason": "STOP",
                "index": 0,
            }],
            "modelVersion": self.model,
        })
    }
}

/// The address of the results in an event.
pub(crate) fn output_uri(name: &str) -> String {
    bucket::uri(&object_name(name))
}

/// The name of the results in the bucket.
pub(crate) fn object_name(name: &str) -> String {
    format!("batch-{}.jsonl", last_segment(name))
}

/// The name of the file with the results.
pub(crate) fn file_name(name: &str) -> String {
    format!("files/batch-{}", last_segment(name))
}
