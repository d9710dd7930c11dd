//! `InboxService` in a server with sockets: stored, acknowledged, and handled afterwards.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use countersign::clock::{Clock as _, SystemClock};
use countersign::{Secret, Verifier};
use countersign_inbox::service::InboxService;
use countersign_inbox::worker::{Attempt, AttemptOutcome};
use countersign_inbox::{Filter, Inbox as _, Keep, Schedule, State};
use countersign_sqlite::{Options, SqliteStore};
use countersign_test::delivery::Delivery;
use countersign_test::wait::until;
use countersign_test::wire::Raw;
use countersign_tower::VerifyLayer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::common::Place;

const SECRET: &str = "whsec_ZWRLvP0xlU2qvMeLqzFlN4QGHbsOADai";

type Handled = Arc<Mutex<Vec<(String, u32)>>>;

/// A server whose handler fails this many times, and then records the ids that it handles.
struct Server {
    address: SocketAddr,
    store: SqliteStore,
    handled: Handled,
    stop: watch::Sender<bool>,
    worker: JoinHandle<()>,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(file: &Path, options: Options, failures: u32) -> Self {
        let store = SqliteStore::open(file, options).expect("a store");
        let (handled, left) = (Handled::default(), AtomicU32::new(failures));
        let seen = Arc::clone(&handled);
        let handle = move |Attempt { message, number, .. }: Attempt| {
            let fails = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            assert_eq!((message.headers.get("cookie"), message.headers.get("x-tag")), (None, Some(&b"one"[..])));
            if !fails {
                seen.lock().expect("a lock").push((message.key.message_id().as_str().to_owned(), number));
            }
            async move { if fails { AttemptOutcome::failed("not now") } else { AttemptOutcome::Done } }
        };
        let inbox = InboxService::new(Arc::new(store.clone()), "work");
        let quick = Schedule { first: Duration::from_millis(10), ..Schedule::default() };
        let worker = inbox.worker(handle).schedule(quick).concurrency(2).build();
        let verifier = Verifier::builder("test").secret(Secret::parse(SECRET).expect("a secret")).build();
        let app =
            Router::new().route_service("/hook", inbox.verified_by(VerifyLayer::new(verifier.expect("a verifier"))));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        let (stop, mut stopped) = watch::channel(false);
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        let stopping = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
        let worker = tokio::spawn(worker.run(stopping, Duration::from_secs(5)));
        Self { address, store, handled, stop, worker, serving }
    }

    async fn status(&self, delivery: &Delivery) -> u16 {
        let mut raw = Raw::open(self.address).await;
        raw.write(delivery.bytes()).await;
        raw.answer().await.expect("an answer").status.as_u16()
    }

    fn handled(&self) -> Vec<(String, u32)> {
        self.handled.lock().expect("a lock").clone()
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        self.worker.await.expect("the worker ends");
        self.serving.abort();
    }
}

fn delivery(id: &str) -> Delivery {
    Delivery::signed([SECRET], 0, id, "{\"type\":\"x.y\"}").add("x-tag", "one").add("cookie", "secret")
}

#[tokio::test]
async fn a_message_is_acknowledged_once_it_is_stored_and_handled_until_that_succeeds() {
    let place = Place::new();
    let server = Server::start(&place.file(), Options::default(), 2).await;
    assert_eq!(server.status(&delivery("msg_1")).await, 202);
    until("it is handled", async || server.handled() == [("msg_1".to_owned(), 3)]).await;
    assert_eq!(server.status(&delivery("msg_1")).await, 200);
    assert_eq!(server.status(&delivery("msg_2").with_body("{}")).await, 401);
    let listed = server.store.list(Filter::default()).await.expect("a list");
    assert_eq!((listed.len(), listed[0].event_type.as_deref()), (1, Some("x.y")));
    until("it is done", async || server.store.list(Filter::default()).await.expect("a list")[0].state == State::Done)
        .await;
    server.stop().await;
}

#[tokio::test]
async fn a_restart_forgets_neither_what_waits_nor_what_was_handled() {
    let place = Place::new();
    let server = Server::start(&place.file(), Options::default(), u32::MAX).await;
    assert_eq!(server.status(&delivery("msg_1")).await, 202);
    server.stop().await;
    let server = Server::start(&place.file(), Options::default(), 0).await;
    until("it is handled", async || server.handled().len() == 1).await;
    // The replay store of the layer is empty, and the inbox is not.
    assert_eq!(server.status(&delivery("msg_1")).await, 200);
    assert_eq!(server.handled().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn a_full_inbox_asks_the_sender_to_come_back() {
    let place = Place::new();
    let server = Server::start(&place.file(), Options::default().max_messages(1), 0).await;
    assert_eq!(server.status(&delivery("msg_1")).await, 202);
    assert_eq!(server.status(&delivery("msg_2")).await, 503);
    until("it is handled", async || server.handled().len() == 1).await;
    let keep = Keep { done: Duration::ZERO, ..Keep::default() };
    until("there is room", async || server.store.expire(keep, 10, SystemClock.read()).await.expect("it works") == 1)
        .await;
    // The failed attempt was not a claim.
    assert_eq!(server.status(&delivery("msg_2")).await, 202);
    server.stop().await;
}
