//! The sending task: signs and sends each delivery when it is due, and records the result.

use std::sync::Arc;

use bytes::Bytes;
use countersign::UnixTime;
use countersign_client::{Client, Error};
use countersign_inbox::retry_after;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Uri};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::delivery::{Attempt, AttemptOutcome};
use crate::report::Observer;
use crate::shared::Shared;
use crate::world::{Outgoing, Step};

/// How much of a response body is kept if the attempt failed, in characters.
const MAX_EXCERPT: usize = 200;

/// Sends deliveries as they become due, at most `concurrency` at a time.
pub(crate) async fn send(
    shared: Arc<Shared>,
    client: Client,
    concurrency: usize,
    observer: Option<Observer>,
    stop: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(concurrency));
    let sending = async {
        // Acquiring never fails: nobody closes this semaphore.
        while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
            let outgoing = next(&shared).await;
            let (shared, client, observer) = (Arc::clone(&shared), client.clone(), observer.clone());
            tokio::spawn(async move {
                let number = outgoing.number;
                let attempt = attempt(&shared, &client, outgoing).await;
                let report = {
                    let (mut world, now) = shared.world();
                    world.settle(number, attempt, now)
                };
                shared.news.notify_one();
                drop(permit);
                if let (Some(observer), Some(report)) = (observer, report) {
                    observer(&report);
                }
            });
        }
    };
    tokio::select! {
        () = sending => {}
        () = stop.cancelled() => {}
    }
}

/// Waits until a delivery is due.
async fn next(shared: &Shared) -> Outgoing {
    loop {
        // Created before the check, so that no notification is missed in between.
        let news = shared.news.notified();
        let step = {
            let (mut world, now) = shared.world();
            world.next(now)
        };
        match step {
            Step::Send(outgoing) => return *outgoing,
            Step::Wait(until) => {
                let _ = tokio::time::timeout(shared.clock.until(until), news).await;
            }
            Step::Idle => news.await,
        }
    }
}

async fn attempt(shared: &Shared, client: &Client, outgoing: Outgoing) -> Attempt {
    let Outgoing { number: _, id, uri, body, signing, names, fault } = outgoing;
    let (at, signed_at, began) = (shared.clock.now(), shared.clock.machine_now(), shared.clock.instant());
    let (scheme, keys) = (signing.scheme(), signing.keys());
    let (timestamp, outcome) = match signing.sign(names, &id, signed_at, &body, fault) {
        Err(why) => {
            (signed_at.as_secs(), AttemptOutcome::NoResponse(format!("not sent, because signing failed: {why}")))
        }
        Ok(signed) => {
            let mut headers = HeaderMap::from_iter([
                (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (USER_AGENT, HeaderValue::from_static(concat!("countersign-emulator/", env!("CARGO_PKG_VERSION")))),
            ]);
            headers.extend(signed.headers);
            let outcome = post(client, uri, headers, signed.body, signed_at).await;
            (signed.timestamp, outcome.unwrap_or_else(|error| AttemptOutcome::NoResponse(describe(&error))))
        }
    };
    let latency = shared.clock.instant().saturating_duration_since(began);
    Attempt { at, timestamp, scheme, keys, fault, outcome, latency }
}

async fn post(
    client: &Client,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    now: UnixTime,
) -> Result<AttemptOutcome, Error> {
    let mut request = Request::post(uri).body(body).map_err(|_| Error::Url)?;
    *request.headers_mut() = headers;
    let (head, body) = client.send(request).await?.into_parts();
    let body = match body.bytes().await {
        Ok(body) => Some(body),
        Err(error @ Error::Timeout(_)) => return Err(error),
        // A response whose body is too long or breaks off is still a response.
        Err(_) => None,
    };
    Ok(AttemptOutcome::Response {
        status: head.status.as_u16(),
        retry_after: retry_after(&head.headers, now),
        excerpt: body.filter(|_| !head.status.is_success()).and_then(|body| excerpt(&body)),
    })
}

fn describe(error: &Error) -> String {
    match error {
        Error::Timeout(after) => format!("no response within {}", humantime::format_duration(*after)),
        error => error.to_string(),
    }
}

/// The code and detail of a problem document (RFC 9457), or else the beginning of the body.
fn excerpt(body: &[u8]) -> Option<String> {
    let problem = serde_json::from_slice::<serde_json::Value>(body).ok();
    let member = |name: &str| problem.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let text = match (member("code"), member("detail").or_else(|| member("title"))) {
        (Some(code), Some(detail)) => format!("{code}: {detail}"),
        (code, detail) => code.or(detail).unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()),
    };
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let beginning: String = words.chars().take(MAX_EXCERPT).collect();
    (!beginning.is_empty()).then_some(beginning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_excerpt_is_the_problem_or_the_beginning() {
        assert_eq!(excerpt(br#"{"code":"x","detail":"y"}"#).as_deref(), Some("x: y"));
        assert_eq!(excerpt(br#"{"title":"y"}"#).as_deref(), Some("y"));
        assert_eq!(excerpt(b"<h1>\n  no </h1>").as_deref(), Some("<h1> no </h1>"));
        assert_eq!(excerpt(b" \n"), None);
        assert_eq!(excerpt(&[b'x'; 5000]).map(|excerpt| excerpt.len()), Some(MAX_EXCERPT));
    }
}
