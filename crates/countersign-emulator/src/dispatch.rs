//! The sending task: what is due is signed, sent and settled, so many attempts at a time.

use std::sync::Arc;
use std::time::Duration;

use countersign::UnixTime;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::delivery::{Answer, Attempt};
use crate::report::Observer;
use crate::sender::{Response, Sender};
use crate::shared::Shared;
use crate::world::{Outgoing, Step};

/// As much of an answer that is no success is kept, in characters.
const MAX_SAID: usize = 200;

/// Sends what is due, so many at a time.
pub(crate) async fn send(
    shared: Arc<Shared>,
    sender: Sender,
    concurrency: usize,
    observer: Option<Observer>,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(concurrency));
    let sending = async {
        // A semaphore that nobody closes always gives a place.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let outgoing = next(&shared).await;
            let (shared, sender, observer) = (Arc::clone(&shared), sender.clone(), observer.clone());
            tokio::spawn(async move {
                let number = outgoing.number;
                let attempt = attempt(&shared, &sender, outgoing).await;
                let report = {
                    let (mut world, now) = shared.world();
                    world.settle(number, attempt, now)
                };
                shared.news.notify_one();
                drop(place);
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

/// What is to be sent next, once it is due.
async fn next(shared: &Shared) -> Outgoing {
    loop {
        // Before the look, so that nothing new is missed in between.
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

async fn attempt(shared: &Shared, sender: &Sender, outgoing: Outgoing) -> Attempt {
    let Outgoing { number: _, id, uri, body, signing, fault } = outgoing;
    let (at, signed_at, began) = (shared.clock.now(), shared.clock.machine_now(), shared.clock.instant());
    let (scheme, keys) = (signing.scheme(), signing.keys());
    let (timestamp, answer) = match signing.sign(&id, signed_at, &body, fault) {
        Err(why) => (signed_at.as_secs(), Answer::None(format!("not sent, for it cannot be signed: {why}"))),
        Ok(signed) => {
            let mut headers = HeaderMap::from_iter([
                (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (USER_AGENT, HeaderValue::from_static(concat!("countersign-emulator/", env!("CARGO_PKG_VERSION")))),
            ]);
            headers.extend(signed.headers);
            (signed.timestamp, answer(sender.post(uri, headers, signed.body).await, signed_at))
        }
    };
    let latency = shared.clock.instant().saturating_duration_since(began);
    Attempt { at, timestamp, scheme, keys, fault, answer, latency }
}

fn answer(response: Result<Response, String>, now: UnixTime) -> Answer {
    match response {
        Err(why) => Answer::None(why),
        Ok(response) => Answer::Status {
            status: response.status.as_u16(),
            retry_after: retry_after(&response.headers, now),
            said: response.body.filter(|_| !response.status.is_success()).and_then(|body| said(&body)),
        },
    }
}

/// The reason that a problem document gives (RFC 9457), or else how the answer begins.
fn said(body: &[u8]) -> Option<String> {
    let problem = serde_json::from_slice::<serde_json::Value>(body).ok();
    let member = |name: &str| problem.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let text = match (member("code"), member("detail").or_else(|| member("title"))) {
        (Some(code), Some(detail)) => format!("{code}: {detail}"),
        (code, detail) => code.or(detail).unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()),
    };
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let beginning: String = words.chars().take(MAX_SAID).collect();
    (!beginning.is_empty()).then_some(beginning)
}

/// `Retry-After` as seconds or as a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: UnixTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    let date = UnixTime::from(httpdate::parse_http_date(text).ok()?);
    Some(Duration::from_millis(date.as_millis().saturating_sub(now.as_millis())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_answer_its_reason_is_kept_or_its_beginning() {
        assert_eq!(said(br#"{"code":"x","detail":"y"}"#).as_deref(), Some("x: y"));
        assert_eq!(said(br#"{"title":"y"}"#).as_deref(), Some("y"));
        assert_eq!(said(b"<h1>\n  no </h1>").as_deref(), Some("<h1> no </h1>"));
        assert_eq!(said(b" \n"), None);
        assert_eq!(said(&[b'x'; 5000]).map(|said| said.len()), Some(MAX_SAID));
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date_and_never_wraps() {
        let now = UnixTime::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        for (text, expected) in [
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("99999999999999999999", None),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
