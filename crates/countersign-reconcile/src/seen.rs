//! What an inbox has received about jobs.

use std::collections::HashMap;
use std::time::Duration;

use countersign::UnixTime;
use countersign_inbox::{DeliveryId, Filter, Inbox, InboxError, Pending};
use serde_json::Value;

use crate::job::{JobName, last};

/// The event after which an interaction goes on.
const REQUIRES_ACTION: &str = "interaction.requires_action";
/// How many messages are read at once. The queue of a store has room for more, which the receiver needs too.
const AT_ONCE: usize = 50;
/// How many deliveries are listed at once.
const PAGE: usize = 500;
/// The maximum time of an operation of the inbox.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Messages that were received shortly before the last look may have been stored after it.
const OVERLAP: Duration = Duration::from_secs(60);
/// The most jobs that are remembered.
const MAX_JOBS: usize = 1_000_000;
/// The most interactions that wait for their callers.
const MAX_WAITING: usize = 200;

/// An event that an inbox has received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenEvent {
    /// Its type.
    pub event_type: String,
    /// The id of its job, as it was sent.
    pub id: String,
    /// When it was received.
    pub received: UnixTime,
}

/// The jobs about which an inbox has received events.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    jobs: HashMap<String, Sight>,
    /// Until when the inbox was read.
    read: Option<UnixTime>,
}

#[derive(Clone, Copy, Debug)]
struct Sight {
    has_ended: bool,
    required_action: bool,
    received: UnixTime,
}

/// What an inbox has received cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeenError {
    /// The inbox is unavailable.
    #[error("the inbox cannot be read: {0}")]
    Inbox(#[from] InboxError),
    /// The inbox has received events about too many jobs.
    #[error("the inbox has received events about more than {MAX_JOBS} jobs: use a later time")]
    TooMany,
}

impl Seen {
    /// Records an event. Events about other things than jobs are ignored.
    pub fn record(&mut self, event: &SeenEvent) {
        let Some(key) = key(&event.event_type, &event.id) else { return };
        let is_end = event.event_type != REQUIRES_ACTION;
        let new = Sight { has_ended: false, required_action: false, received: event.received };
        let sight = self.jobs.entry(key).or_insert(new);
        sight.has_ended |= is_end;
        sight.required_action |= !is_end;
        sight.received = sight.received.max(event.received);
    }

    /// Reads the events that an inbox has received from this source since `from`, or since they were last read. Forgets
    /// those that are older.
    pub async fn update(
        &mut self,
        inbox: &dyn Inbox,
        source: &str,
        from: UnixTime,
        now: UnixTime,
    ) -> Result<(), SeenError> {
        self.jobs.retain(|_, sight| sight.received >= from);
        let start = self.read.map_or(from, |read| read.saturating_sub(OVERLAP).max(from));
        let mut older_than = None;
        loop {
            let source = Some(source.to_owned());
            let filter = Filter { source, received_from: Some(start), older_than, limit: PAGE, ..Filter::default() };
            let (events, next) = page(inbox, filter).await?;
            for event in &events {
                self.record(event);
            }
            if self.jobs.len() > MAX_JOBS {
                return Err(SeenError::TooMany);
            }
            older_than = next;
            if next.is_none() {
                self.read = Some(now);
                return Ok(());
            }
        }
    }

    /// Whether an event about the end of this job was received, or, for an interaction that requires action, about that.
    pub(crate) fn has(&self, name: &JobName, requires_action: bool) -> bool {
        let sight = self.jobs.get(&format!("{}/{}", name.family(), name.id()));
        sight.is_some_and(|sight| sight.has_ended || requires_action && sight.required_action)
    }

    /// Interactions that required action and have not ended, as far as the inbox knows. The API lists no interactions.
    pub(crate) fn waiting(&self) -> Vec<JobName> {
        let waiting = self.jobs.iter().filter(|(_, sight)| sight.required_action && !sight.has_ended);
        let mut waiting: Vec<_> =
            waiting.filter_map(|(key, sight)| Some((sight.received, last(key).parse().ok()?))).collect();
        waiting.sort_by_key(|(received, _)| std::cmp::Reverse(*received));
        waiting.into_iter().take(MAX_WAITING).map(|(_, name)| name).collect()
    }
}

/// The family and the last part of the id: deliveries write ids with or without the part before it.
fn key(event_type: &str, id: &str) -> Option<String> {
    let family = event_type.split_once('.')?.0;
    matches!(family, "batch" | "interaction" | "video").then(|| format!("{family}/{}", last(id)))
}

/// The events about jobs among the deliveries that a filter selects, and where the next page begins, if there may be one.
pub async fn page(inbox: &dyn Inbox, filter: Filter) -> Result<(Vec<SeenEvent>, Option<DeliveryId>), InboxError> {
    let limit = filter.limit;
    let deliveries = completed(inbox.list(filter)).await?;
    let next = deliveries.last().filter(|_| deliveries.len() >= limit).map(|last| last.id);
    let mut wanted = Vec::new();
    for delivery in &deliveries {
        let Some(event_type) = delivery.event_type.as_deref().filter(|kind| key(kind, "").is_some()) else { continue };
        // A message with several destinations is listed once for each.
        if wanted.last().is_none_or(|(_, _, key)| *key != &delivery.key) {
            wanted.push((delivery.id, event_type, &delivery.key));
        }
    }
    let mut events = Vec::new();
    for wanted in wanted.chunks(AT_ONCE) {
        let messages: Vec<_> = wanted.iter().map(|(id, event_type, _)| (inbox.message(*id), *event_type)).collect();
        for (message, event_type) in messages {
            let Some(message) = completed(message).await? else { continue };
            let body: Value = serde_json::from_slice(&message.body).unwrap_or_default();
            let id = body.get("data").and_then(|data| data.get("id")).and_then(Value::as_str);
            events.extend(id.map(|id| SeenEvent {
                event_type: event_type.to_owned(),
                id: id.to_owned(),
                received: message.received,
            }));
        }
    }
    Ok((events, next))
}

async fn completed<T>(pending: Pending<T>) -> Result<T, InboxError> {
    tokio::time::timeout(TIMEOUT, pending).await.unwrap_or(Err(InboxError::TimedOut))
}
