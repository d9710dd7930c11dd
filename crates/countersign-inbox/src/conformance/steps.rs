//! The steps that the cases are made of.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use countersign::UnixTime;
use countersign::clock::ClockReading;
use countersign::replay::ReplayKey;
use http::{HeaderName, HeaderValue};

use super::subject::{GRACE, LEASE, RETAIN, Subject};
use crate::contract::{Enqueued, Inbox};
use crate::delivery::{Delivery, Leased};
use crate::filter::Filter;
use crate::message::{NewMessage, StoredMessage};

pub(super) type Outcome = Result<(), String>;

/// The destination of most cases.
pub(super) const HERE: &str = "here";

pub(super) fn message(source: &str, id: &str, now: ClockReading) -> Result<StoredMessage, String> {
    let key = ReplayKey::parse(source, id).map_err(|error| format!("{source}/{id}: {error}"))?;
    let tag = |value| (HeaderName::from_static("x-tag"), HeaderValue::from_static(value));
    Ok(StoredMessage {
        key,
        event_type: Some("batch.succeeded".to_owned()),
        path: "/hook?a=b".to_owned(),
        headers: [tag("one"), tag("two")].into_iter().collect(),
        body: Bytes::from_static(b"\0\xff{}\r\n"),
        received: UnixTime::from_millis(now.wall.as_millis()),
    })
}

pub(super) fn to_here(id: &str, now: ClockReading) -> Result<NewMessage, String> {
    Ok(NewMessage::new(message("source", id, now)?, HERE, RETAIN))
}

pub(super) async fn enqueue<S: Subject>(subject: &S, inbox: &S::Inbox, id: &str) -> Outcome {
    let now = subject.now();
    let found = inbox.enqueue(to_here(id, now)?, now).await;
    stored(&found, &format!("the enqueue of {id}"))
}

pub(super) fn stored(found: &Result<Enqueued, crate::InboxError>, when: &str) -> Outcome {
    match found {
        Ok(Enqueued::Stored) => Ok(()),
        other => Err(format!("{when} returned {other:?}, expected `Stored`")),
    }
}

pub(super) async fn lease<S: Subject>(subject: &S, inbox: &S::Inbox, max: usize) -> Result<Vec<Leased>, String> {
    leased_from(subject, inbox, HERE, max, LEASE).await
}

pub(super) async fn leased_from<S: Subject>(
    subject: &S,
    inbox: &S::Inbox,
    destination: &str,
    max: usize,
    lease: Duration,
) -> Result<Vec<Leased>, String> {
    inbox.lease(destination, max, lease, subject.now()).await.map_err(|error| failed("a lease", &error))
}

/// Leases the only delivery that is due.
pub(super) async fn lease_one<S: Subject>(subject: &S, inbox: &S::Inbox, when: &str) -> Result<Leased, String> {
    let mut leased = lease(subject, inbox, 10).await?;
    match (leased.pop(), leased.len()) {
        (Some(one), 0) => Ok(one),
        (last, more) => Err(format!("{when} returned {} deliveries, expected one", more + usize::from(last.is_some()))),
    }
}

pub(super) async fn lease_none<S: Subject>(subject: &S, inbox: &S::Inbox, when: &str) -> Outcome {
    let leased = lease(subject, inbox, 10).await?;
    if leased.is_empty() { Ok(()) } else { Err(format!("{when} returned {leased:?}, expected nothing")) }
}

pub(super) async fn listed(inbox: &impl Inbox, filter: Filter) -> Result<Vec<Delivery>, String> {
    inbox.list(filter).await.map_err(|error| failed("a list", &error))
}

/// The only delivery of the inbox.
pub(super) async fn only(inbox: &impl Inbox) -> Result<Delivery, String> {
    let mut listed = listed(inbox, Filter::default()).await?;
    match (listed.pop(), listed.len()) {
        (Some(one), 0) => Ok(one),
        (_, more) => Err(format!("the list has {more} more deliveries than one")),
    }
}

/// Passes the time until shortly after `duration`.
pub(super) async fn pass_beyond<S: Subject>(subject: &S, duration: Duration) {
    subject.pass(duration + GRACE).await;
}

pub(super) fn is<T: Debug + PartialEq>(found: &T, expected: &T, when: &str) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("{when}: found {found:?}, expected {expected:?}")) }
}

/// Compares a result, whose error cannot be compared.
pub(super) fn returns<T: Debug + PartialEq>(found: Result<T, crate::InboxError>, expected: &T, when: &str) -> Outcome {
    is(&found.map_err(|error| failed(when, &error))?, expected, when)
}

/// An error with its causes.
pub(super) fn failed(when: &str, error: &crate::InboxError) -> String {
    let mut causes = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        causes = format!("{causes}: {next}");
        cause = next.source();
    }
    format!("{when} failed: {error}{causes}")
}
