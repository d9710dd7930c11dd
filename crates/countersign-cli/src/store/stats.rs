//! The counts of a file.

use std::time::Duration;

use countersign::UnixTime;
use countersign_inbox::State;
use countersign_sqlite::inspect::{DeliveryCount, FileStats, IdCount};
use serde_json::{Value, json};

use crate::output::{columns, shown};
use crate::time;

/// The counts as JSON.
pub(crate) fn document(stats: &FileStats) -> Value {
    let rfc3339 = |at: UnixTime| time::format(at.as_secs());
    let ids = |one: &IdCount| json!({ "source": one.source, "done": one.done, "in_flight": one.in_flight, "expired": one.expired });
    let delivery = |one: &DeliveryCount| {
        json!({
            "source": one.source, "destination": one.destination, "state": name(one.state), "count": one.count,
            "oldest": rfc3339(one.oldest), "attempts": one.attempts,
        })
    };
    json!({
        "schema_version": stats.schema_version,
        "size": stats.size,
        "log_size": stats.log_size,
        "free": stats.free,
        "messages": stats.messages,
        "body_bytes": stats.body_bytes,
        "oldest_message": stats.oldest_message.and_then(rfc3339),
        "ids": stats.ids.iter().map(ids).collect::<Vec<_>>(),
        "deliveries": stats.deliveries.iter().map(delivery).collect::<Vec<_>>(),
    })
}

/// The counts as text.
pub(crate) fn text(stats: &FileStats, now: UnixTime) -> String {
    let FileStats { schema_version, messages, .. } = stats;
    let mut text = format!(
        "file: {} (free {}), log {}, schema version {schema_version}\nmessages: {messages}, bodies {}",
        size(stats.size),
        size(stats.free),
        size(stats.log_size),
        size(stats.body_bytes),
    );
    text.extend(stats.oldest_message.map(|at| format!(", the oldest received {} ago", age(at, now))));
    text.push('\n');
    if !stats.ids.is_empty() {
        let mut rows = vec![["SOURCE", "IDS DONE", "IN FLIGHT", "EXPIRED"].map(str::to_owned)];
        rows.extend(
            stats.ids.iter().map(|one| {
                [shown(&one.source), one.done.to_string(), one.in_flight.to_string(), one.expired.to_string()]
            }),
        );
        text.push_str(&columns(&rows));
    }
    if !stats.deliveries.is_empty() {
        let head = ["SOURCE", "DESTINATION", "STATE", "DELIVERIES", "OLDEST", "MOST ATTEMPTS"];
        let mut rows = vec![head.map(str::to_owned)];
        rows.extend(stats.deliveries.iter().map(|one| {
            let (source, destination) = (shown(&one.source), shown(&one.destination));
            let (count, attempts) = (one.count.to_string(), one.attempts.to_string());
            [source, destination, name(one.state).to_owned(), count, age(one.oldest, now), attempts]
        }));
        text.push_str(&columns(&rows));
    }
    text
}

/// A number of bytes, for people.
#[expect(clippy::cast_precision_loss, reason = "it is rounded anyway")]
pub(crate) fn size(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} B"),
    }
}

/// How long ago this was, with the two largest units.
fn age(at: UnixTime, now: UnixTime) -> String {
    let age = humantime::format_duration(Duration::from_secs(now.as_secs().saturating_sub(at.as_secs()))).to_string();
    age.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn name(state: State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Leased => "leased",
        State::Done => "done",
        State::Dead => "dead",
    }
}
