//! What a running emulator prints with `--json`: each object on one line.

use std::time::Duration;

use countersign_emulator::{AttemptOutcome, AttemptReport, Config, Emulator, Ending, Schedule};
use countersign_senders::Sender;
use http::Uri;
use serde_json::{Value, json};

/// The chance that places a delay within its range, for a schedule to print.
const MIDDLE: f64 = 0.5;

/// The emulator, when it has started.
pub(crate) fn start(emulator: &Emulator, sender: &Sender) -> String {
    let webhook =
        |(uri, secret): (&Uri, &str)| json!({ "uri": uri.to_string(), "api_key": Config::API_KEY, "secret": secret });
    line(&json!({
        "sender": sender.name,
        "base_url": emulator.base_url(),
        "jwks_url": emulator.jwks_url(),
        "inspector_url": emulator.inspector_url(),
        "seed": emulator.seed(),
        "webhooks": emulator.webhooks().map(webhook).collect::<Vec<_>>(),
    }))
}

/// An attempt that has ended.
pub(crate) fn attempt(report: &AttemptReport) -> String {
    let (status, error) = match &report.attempt.outcome {
        AttemptOutcome::Response { status, .. } => (Some(*status), None),
        AttemptOutcome::NoResponse(why) => (None, Some(why.as_str())),
        _ => (None, None),
    };
    line(&json!({
        "message_id": report.id,
        "event_type": report.event_type,
        "uri": report.uri,
        "attempt": report.number,
        "scheme": report.attempt.scheme,
        "status": status,
        "error": error,
        "latency_ms": u64::try_from(report.attempt.latency.as_millis()).unwrap_or(u64::MAX),
        "fault": report.attempt.fault.map(|fault| fault.to_string()),
        "ending": report.ending.map(Ending::as_str),
        "next_seconds": report.next.as_ref().map(Duration::as_secs),
    }))
}

/// When attempts are made, in seconds after the first one.
pub(crate) fn schedule(schedule: &Schedule) -> Value {
    let attempts: Vec<_> = schedule.plan(MIDDLE).iter().map(Duration::as_secs).collect();
    json!({ "attempts": attempts })
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}
