//! Requests and responses as JSON.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_inbox::{Headers, Leased};
use serde::Deserialize;
use serde_json::{Value, json};

use super::receipt;

/// The most deliveries of one response, the longest wait for them, and the longest lease.
const MAX: usize = 100;
const MAX_WAIT: u64 = 60;
const MAX_LEASE: u64 = 3600;
/// The longest error that a backend reports, in bytes.
const MAX_ERROR: usize = 1024;

/// What a backend asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LeaseRequest {
    /// The maximum number of deliveries.
    pub(super) max: usize,
    /// How many seconds to wait for the first one.
    pub(super) wait: u64,
    /// How many seconds the backend has for them.
    pub(super) lease: u64,
}

impl Default for LeaseRequest {
    fn default() -> Self {
        Self { max: 10, wait: 0, lease: 60 }
    }
}

impl LeaseRequest {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if !(1..=MAX).contains(&self.max) {
            return Err("`max` is a number from 1 to 100\n");
        }
        if self.wait > MAX_WAIT {
            return Err("`wait` is a number of seconds from 0 to 60\n");
        }
        if !(1..=MAX_LEASE).contains(&self.lease) {
            return Err("`lease` is a number of seconds from 1 to 3600\n");
        }
        Ok(())
    }
}

/// What became of deliveries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AckRequest {
    pub(super) results: Vec<AckResult>,
}

/// What became of a delivery.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AckResult {
    pub(super) receipt: String,
    pub(super) result: Ending,
    /// For `retry`: how many seconds later at least. Default: as the schedule says.
    pub(super) after: Option<u64>,
    /// For `retry` and `dead`: why.
    #[serde(default)]
    pub(super) error: String,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ending {
    Done,
    Retry,
    Dead,
}

impl AckRequest {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if !(1..=MAX).contains(&self.results.len()) {
            return Err("`results` has 1 to 100 entries\n");
        }
        if self.results.iter().any(|one| one.error.len() > MAX_ERROR) {
            return Err("an `error` has at most 1024 bytes\n");
        }
        Ok(())
    }
}

/// A delivery with its message, as it would be sent to a backend.
pub(super) fn delivery(leased: &Leased) -> Value {
    let Leased { receipt, attempt, message, .. } = leased;
    let since = Duration::from_millis(message.received.as_millis());
    json!({
        "receipt": receipt::text(receipt),
        "attempt": attempt,
        "source": message.key.source(),
        "message_id": message.key.message_id().as_str(),
        "event_type": message.event_type,
        "received": humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string(),
        "path": message.path,
        "headers": headers(&message.headers, *attempt),
        "body_base64": STANDARD.encode(&message.body),
    })
}

/// Pairs of name and value, since names can repeat.
fn headers(headers: &Headers, attempt: u32) -> Vec<(String, String)> {
    let stored = headers.iter().map(|(name, value)| (name.to_owned(), String::from_utf8_lossy(value).into_owned()));
    stored.chain([("countersign-attempt".to_owned(), attempt.to_string())]).collect()
}
