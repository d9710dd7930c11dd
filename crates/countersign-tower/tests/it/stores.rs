//! How the layer calls a store, and what it does if the store is slow or fails, or the sender disconnects.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use crate::common::{
    Action, Client, Framing, Handler, NOW, Setup, Stack, delivery, delivery_at, reporting, send, setup, start,
};
use countersign::clock::{ClockReading, ManualClock};
use countersign::replay::conformance::{Delay, LateStore};
use countersign::replay::{Claim, ClaimToken, ReplayKey, Settled, StoreError, StoreErrorKind};
use countersign::replay::{MemoryStore, ReplayStore};
use countersign::{UnixTime, Verifier};
use countersign_tower::{Outcome, Rejection, VerifyLayer, policy::ConfirmAt};
use http::StatusCode;
use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceExt};

const SLOW: Duration = Duration::from_secs(3);
const LEASE: Duration = Duration::from_secs(40);

/// A memory store that delays its responses, fails on demand, and records its calls.
#[derive(Clone)]
struct Strange {
    inner: Arc<MemoryStore>,
    wait: Arc<Mutex<Duration>>,
    /// Calls of `claim` and `confirm` that still succeed before one fails.
    countdown: Arc<Mutex<Option<(usize, StoreError)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

type Later<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

impl Strange {
    fn failing_after(self, calls: usize, error: StoreError) -> Self {
        *self.countdown.lock().unwrap_or_else(PoisonError::into_inner) = Some((calls, error));
        self
    }

    fn waiting(&self, wait: Duration) {
        *self.wait.lock().unwrap_or_else(PoisonError::into_inner) = wait;
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, what: &str, key: &ReplayKey, rest: &str) {
        let note = format!("{what} {}/{}{rest}", key.source(), key.message_id());
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }

    fn later<T: Send + 'static>(
        &self,
        response: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Later<T> {
        let this = self.clone();
        Box::pin(async move {
            let wait = *this.wait.lock().unwrap_or_else(PoisonError::into_inner);
            if !wait.is_zero() {
                sleep(wait).await;
            }
            if let Some((left, error)) = this.countdown.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                if *left == 0 {
                    return Err(error.clone());
                }
                *left -= 1;
            }
            response.await
        })
    }
}

impl ReplayStore for Strange {
    type Claiming = Later<Claim>;
    type Confirming = Later<Settled>;

    fn claim(&self, key: ReplayKey, lease: Duration, now: ClockReading) -> Self::Claiming {
        self.note("claim", &key, &format!(" for {} s at {}", lease.as_secs(), now.wall.as_secs() - NOW));
        let inner = Arc::clone(&self.inner);
        self.later(async move { inner.claim(key, lease, now).await })
    }

    fn confirm(&self, token: ClaimToken, now: ClockReading) -> Self::Confirming {
        self.note("confirm", token.key(), &format!(" at {}", now.wall.as_secs() - NOW));
        let inner = Arc::clone(&self.inner);
        self.later(async move { inner.confirm(token, now).await })
    }

    fn release(&self, token: ClaimToken) {
        self.note("release", token.key(), "");
        self.inner.release(token);
    }
}

fn strange(wait: Duration) -> (VerifyLayer<Verifier, Strange>, Strange, Arc<ManualClock>) {
    let Setup { layer, store, clock } = setup();
    let wait = Arc::new(Mutex::new(wait));
    let store = Strange { inner: store, wait, countdown: Arc::default(), asked: Arc::default() };
    (layer.lease(LEASE).store(store.clone()), store, clock)
}

#[tokio::test]
async fn a_store_gets_the_message_the_lease_and_the_time() {
    let (layer, store, clock) = strange(Duration::ZERO);
    let (handler, tell) = Handler::waiting();
    let server = start(Stack::Hyper, &layer, &handler).await;
    let mut client = Client::connect(server.addr).await;
    let message = delivery("msg_1", "body");
    client.send_head(&message.clone().add("expect", "100-continue"), Framing::Length).await;
    assert_eq!(client.reply().await.expect("a word").status, StatusCode::CONTINUE);
    // The lease starts with the claim, not with the arrival of the first byte.
    clock.advance(Duration::from_secs(5));
    client.send(&message.body).await;
    handler.called(1).await;
    clock.advance(Duration::from_secs(6));
    tell.send(200).expect("it waits");
    assert_eq!(client.reply().await.expect("a response").status, StatusCode::OK);
    assert_eq!(store.asked(), ["claim test/msg_1 for 40 s at 5", "confirm test/msg_1 at 11"]);
}

#[tokio::test]
async fn every_claim_is_settled_once() {
    let actions = [
        (Action::Status(200), "confirm"),
        (Action::Status(204), "confirm"),
        (Action::Status(500), "release"),
        (Action::Fail, "release"),
        (Action::PanicInCall, "release"),
        (Action::PanicInFuture, "release"),
    ];
    for (action, settled) in actions {
        let (layer, store, _) = strange(Duration::ZERO);
        let handler = Handler::with_actions([action]);
        // In a separate task, so that a panic ends there.
        let request = layer.layer(handler).oneshot(delivery("msg_1", "body").request());
        let _ = tokio::spawn(request).await;
        let asked = store.asked();
        assert_eq!(asked.len(), 2, "{asked:?}");
        assert!(asked[0].starts_with("claim") && asked[1].starts_with(settled), "{asked:?}");
        assert_eq!(store.inner.in_flight(), 0);
    }
}

#[tokio::test]
async fn only_verified_and_wanted_deliveries_reach_the_store() {
    let (layer, store, _) = strange(Duration::ZERO);
    let layer =
        layer.events(countersign::filter::EventFilter::new(["batch.*"]).expect("good patterns")).body_limit(100);
    let handler = Handler::default();
    let unwanted = r#"{"type":"video.generated"}"#;
    let large = crate::common::noise(101);
    for delivery in [crate::common::forgery("msg_1", "body"), delivery("msg_1", unwanted), delivery("msg_1", large)] {
        assert_ne!(send(&layer, &handler, &delivery).await.status, StatusCode::OK);
    }
    assert_eq!((store.asked(), handler.calls()), (vec![], 0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_is_awaited_before_the_handler_and_before_the_response() {
    let (layer, store, _) = strange(SLOW);
    let (layer, reports) = reporting(layer);
    let (handler, message) = (Handler::default(), delivery("msg_1", "body"));
    let mut sending = pin!(send(&layer, &handler, &message));
    timeout(SLOW / 2, sending.as_mut()).await.expect_err("the claim takes its time");
    assert_eq!(handler.calls(), 0, "it is not known yet whether it is new");
    timeout(SLOW, sending.as_mut()).await.expect_err("the confirmation takes its time");
    assert_eq!((handler.calls(), store.inner.in_flight()), (1, 1), "the response is not sent before it");
    sending.await;
    assert_eq!(reports.last().outcome(), &Outcome::Confirmed);
    assert_eq!(send(&layer, &handler, &message).await.outcome(), Some("duplicate"));
    assert_eq!(handler.calls(), 1);
}

#[tokio::test]
async fn without_a_claim_a_delivery_is_not_handled() {
    for (error, rejection, code) in [
        (StoreErrorKind::Unavailable, Rejection::StoreUnavailable(StoreErrorKind::Unavailable), "store_unavailable"),
        (StoreErrorKind::TimedOut, Rejection::StoreUnavailable(StoreErrorKind::TimedOut), "store_unavailable"),
        (StoreErrorKind::Full, Rejection::StoreFull, "store_full"),
    ] {
        for stack in Stack::ALL {
            let (layer, store, _) = strange(Duration::ZERO);
            let store = store.failing_after(0, error.into());
            let handler = Handler::default();
            let server = start(stack, &layer, &handler).await;
            let mut client = Client::connect(server.addr).await;
            let reply = client.deliver(&delivery("msg_1", "body"), Framing::Length).await;
            assert_eq!((reply.status.as_u16(), &*reply.code()), (503, code));
            assert!(reply.header("retry-after").is_some());
            assert_eq!(server.reports().pop().expect("a report").1, Some(rejection));
            assert_eq!(handler.calls(), 0);
            // Once the store works again, a retry is handled.
            *store.countdown.lock().expect("no panic") = None;
            let reply = client.deliver(&delivery("msg_1", "body"), Framing::Length).await;
            assert_eq!((reply.status.as_u16(), handler.calls()), (200, 1));
        }
    }
}

#[tokio::test]
async fn a_response_that_cannot_be_recorded_is_still_sent() {
    for stack in Stack::ALL {
        let (layer, store, clock) = strange(Duration::ZERO);
        let store = store.failing_after(1, StoreErrorKind::Unavailable.into());
        let handler = Handler::with_actions([Action::Status(202)]);
        let server = start(stack, &layer, &handler).await;
        let mut client = Client::connect(server.addr).await;
        let reply = client.deliver(&delivery("msg_1", "body"), Framing::Length).await;
        assert_eq!((reply.status.as_u16(), &*reply.body, reply.outcome()), (202, &b"handled"[..], None));
        let (report, rejection) = server.reports().pop().expect("a report");
        assert_eq!((report.outcome(), rejection), (&Outcome::Unrecorded, None));
        // It was handled, so it is not released. No other attempt can claim it until the lease runs out.
        *store.countdown.lock().expect("no panic") = None;
        assert!(store.asked().iter().all(|asked| !asked.starts_with("release")), "{:?}", store.asked());
        assert_eq!(client.deliver(&delivery("msg_1", "body"), Framing::Length).await.code(), "in_flight");
        clock.advance(LEASE);
        assert_eq!(client.deliver(&delivery("msg_1", "body"), Framing::Length).await.outcome(), None);
        assert_eq!(handler.calls(), 2);
    }
}

#[tokio::test]
async fn a_failing_store_never_causes_a_second_handling_within_a_lease() {
    for calls in 0..6 {
        let (layer, store, _) = strange(Duration::ZERO);
        let store = store.failing_after(calls, StoreErrorKind::Unavailable.into());
        let handler = Handler::default();
        for _ in 0..5 {
            let reply = send(&layer, &handler, &delivery("msg_1", "body")).await;
            assert!(matches!(reply.status.as_u16(), 200 | 409 | 503), "{reply:?}");
            assert!(reply.status != StatusCode::OK || reply.extensions.get::<Rejection>().is_none());
        }
        assert_eq!(handler.calls(), usize::from(calls > 0), "failing after {calls}: {:?}", store.asked());
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_disconnects_during_the_claim_does_not_block_its_own_retry() {
    let (layer, store, _) = strange(SLOW);
    let handler = Handler::default();
    let request = layer.layer(handler.clone()).oneshot(delivery("msg_1", "body").request());
    timeout(SLOW / 2, request).await.expect_err("the store is slower");
    assert_eq!((store.asked().len(), store.inner.in_flight()), (1, 0), "the claim is on its way");
    sleep(SLOW).await;
    assert_eq!(store.asked(), ["claim test/msg_1 for 40 s at 0", "release test/msg_1"]);
    assert_eq!((handler.calls(), store.inner.in_flight()), (0, 0));
    assert_eq!(send(&layer, &handler, &delivery("msg_1", "body")).await.status, StatusCode::OK);
    assert_eq!(handler.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_disconnects_during_the_confirmation_does_not_undo_it() {
    for confirm_at in [ConfirmAt::Head, ConfirmAt::BodyEnd] {
        let (layer, store, _) = strange(SLOW);
        let (layer, handler) = (layer.confirm_at(confirm_at), Handler::default());
        let message = delivery("msg_1", "body");
        timeout(SLOW * 3 / 2, send(&layer, &handler, &message)).await.expect_err("the store is slower");
        assert_eq!((handler.calls(), store.inner.in_flight()), (1, 1));
        sleep(SLOW).await;
        // It was handled, so it is not released, and the confirmation is recorded.
        assert_eq!(store.asked(), ["claim test/msg_1 for 40 s at 0", "confirm test/msg_1 at 0"]);
        assert_eq!(store.inner.in_flight(), 0);
        assert_eq!(send(&layer, &handler, &message).await.outcome(), Some("duplicate"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_takes_too_long_is_rejected_and_released_later() {
    let (layer, store, _) = strange(VerifyLayer::DEFAULT_STORE_TIMEOUT * 3);
    let (handler, message) = (Handler::default(), delivery("msg_1", "body"));
    let reply = timeout(VerifyLayer::DEFAULT_STORE_TIMEOUT * 2, send(&layer, &handler, &message)).await;
    let reply = reply.expect("the sender does not wait for as long as the store takes");
    assert_eq!((reply.status.as_u16(), &*reply.code()), (503, "store_unavailable"));
    assert_eq!(reply.extensions.get(), Some(&Rejection::StoreUnavailable(StoreErrorKind::TimedOut)));
    sleep(VerifyLayer::DEFAULT_STORE_TIMEOUT * 3).await;
    assert_eq!(store.asked(), ["claim test/msg_1 for 40 s at 0", "release test/msg_1"]);
    store.waiting(Duration::ZERO);
    assert_eq!(send(&layer, &handler, &message).await.status, StatusCode::OK);
    assert_eq!(handler.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_takes_too_long_does_not_delay_the_response_and_is_recorded() {
    for confirm_at in [ConfirmAt::Head, ConfirmAt::BodyEnd] {
        let (layer, store, _) = strange(Duration::ZERO);
        let layer = layer.confirm_at(confirm_at).store_timeout(SLOW);
        let (handler, tell) = Handler::waiting();
        let message = delivery("msg_1", "body");
        let mut sending = pin!(send(&layer, &handler, &message));
        timeout(SLOW, sending.as_mut()).await.expect_err("the handler waits");
        store.waiting(SLOW * 2);
        tell.send(202).expect("it waits");
        let reply = timeout(SLOW * 3 / 2, sending).await.expect("the response does not wait for the store");
        assert_eq!((reply.status.as_u16(), &*reply.body), (202, &b"handled"[..]));
        sleep(SLOW * 2).await;
        store.waiting(Duration::ZERO);
        assert_eq!(send(&layer, &handler, &message).await.outcome(), Some("duplicate"));
        assert_eq!(handler.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_responds_accumulates_no_calls() {
    let (layer, store, _) = strange(Duration::from_secs(24 * 365 * 60 * 60));
    let handler = Handler::default();
    for id in ["msg_1", "msg_2"] {
        assert_eq!(send(&layer, &handler, &delivery(id, "body")).await.code(), "store_unavailable");
    }
    // Each call has a clone of the store, and so does a task that completes one.
    let before = Arc::strong_count(&store.asked);
    sleep(LEASE * 2).await;
    assert_eq!(Arc::strong_count(&store.asked), before - 2, "they end with their lease");
}

/// The sender may disconnect at any step of the store's work. Its retry is handled at once if the first attempt
/// was not, and is a duplicate if it was.
#[tokio::test]
async fn a_sender_may_disconnect_at_any_moment_of_a_slow_store() {
    for (before, after) in [(0, 0), (0, 1), (1, 0), (1, 2), (3, 1)] {
        let mut ended = 0;
        for polls in 0..20 {
            let Setup { layer, store, .. } = setup();
            let delay = Delay { polls_before: before, polls_after: after, is_lost: false };
            let late = layer.clone().store(LateStore::new(Arc::clone(&store), [delay]));
            let (handler, message) = (Handler::default(), delivery("msg_1", "body"));
            let mut first = Box::pin(late.layer(handler.clone()).oneshot(message.request()));
            let mut cx = Context::from_waker(Waker::noop());
            ended += usize::from((0..polls).any(|_| first.as_mut().poll(&mut cx).is_ready()));
            drop(first);
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            let calls = handler.calls();
            assert_eq!(store.in_flight(), 0, "{delay:?}, {polls} polls: the claim is settled");
            let retry = send(&layer, &handler, &message).await;
            let outcome = (calls == 1).then_some("duplicate");
            assert_eq!((retry.status, retry.outcome()), (StatusCode::OK, outcome), "{delay:?}, {polls} polls");
            assert_eq!(handler.calls(), 1, "{delay:?}, {polls} polls");
        }
        assert!((1..20).contains(&ended), "{ended} of 20 came to their end");
    }
}

#[tokio::test]
async fn a_claim_whose_response_is_lost_is_free_when_its_lease_runs_out() {
    let Setup { layer, store, clock } = setup();
    let lost = Delay { is_lost: true, ..Delay::default() };
    let late = layer.clone().lease(LEASE).store(LateStore::new(Arc::clone(&store), [lost]));
    let (handler, message) = (Handler::default(), delivery("msg_1", "body"));
    assert_eq!(send(&late, &handler, &message).await.code(), "store_unavailable");
    assert_eq!(send(&layer, &handler, &message).await.code(), "in_flight");
    clock.advance(LEASE);
    assert_eq!(send(&layer, &handler, &message).await.status, StatusCode::OK);
    assert_eq!(handler.calls(), 1);
}

#[test]
fn without_a_runtime_a_slow_store_is_awaited_and_a_dropped_claim_ends_with_its_lease() {
    let Setup { layer, store, clock } = setup();
    let delay = Delay { polls_before: 1, polls_after: 1, is_lost: false };
    let late = layer.clone().lease(LEASE).store(LateStore::new(Arc::clone(&store), [delay]));
    let (handler, message) = (Handler::default(), delivery("msg_1", "body"));
    let mut cx = Context::from_waker(Waker::noop());
    let mut dropped = Box::pin(send(&late, &handler, &message));
    assert!(dropped.as_mut().poll(&mut cx).is_pending());
    drop(dropped);
    assert_eq!(store.in_flight(), 1);
    clock.advance(LEASE);
    let mut sending = pin!(send(&late, &handler, &message));
    assert!((0..10).any(|_| sending.as_mut().poll(&mut cx).is_ready()));
    assert_eq!((handler.calls(), store.in_flight()), (1, 0));
}

/// Forward and back again, like a machine whose time service was wrong for two seconds.
#[tokio::test]
async fn a_wall_clock_that_jumps_allows_no_replay() {
    let (setup, handler) = (setup(), Handler::default());
    let message = |n: u32| delivery(&format!("msg_{n}"), "body");
    for n in 0..40 {
        assert_eq!(send(&setup.layer, &handler, &message(n)).await.status, StatusCode::OK);
    }
    setup.clock.set(UnixTime::from_secs(NOW + 26 * 3600));
    for n in 100..140 {
        let signed_then = delivery_at(NOW + 26 * 3600, &format!("msg_{n}"), "body");
        assert_eq!(send(&setup.layer, &handler, &signed_then).await.status, StatusCode::OK);
    }
    setup.clock.advance(Duration::from_secs(2));
    setup.clock.set(UnixTime::from_secs(NOW + 2));
    for n in 0..40 {
        assert_eq!(send(&setup.layer, &handler, &message(n)).await.outcome(), Some("duplicate"), "msg_{n}");
    }
    assert_eq!(handler.calls(), 80);
}

#[test]
fn the_memory_store_needs_no_runtime() {
    let (setup, handler, message) = (setup(), Handler::default(), delivery("msg_1", "body"));
    let mut future = pin!(send(&setup.layer, &handler, &message));
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!(handler.calls(), 1);
}
