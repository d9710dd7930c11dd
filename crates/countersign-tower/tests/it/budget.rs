//! The bodies of all requests stay within their budget together.

use crate::common::{
    Action, Client, Delivery, Framing, Handler, Stack, delivery, forgery, noise, send, serve_hyper, setup, start,
};
use bytes::Bytes;
use countersign_tower::{BodyBudget, Rejection, VerifyLayer};
use http::StatusCode;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tower::{Layer, service_fn};

const MIB: usize = 1024 * 1024;

/// Waits until this many bytes of the budget are in use.
async fn holds(budget: &BodyBudget, bytes: usize) {
    crate::common::soon(async {
        while budget.in_use() != bytes {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

// A thousand senders of 1 MiB, and room for 16. Two threads, so that the requests run in parallel.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_bodies_at_once_stay_within_the_budget() {
    for framing in [Framing::Length, Framing::Chunked(MIB / 8)] {
        a_thousand_bodies_at_once(framing).await;
    }
}

async fn a_thousand_bodies_at_once(framing: Framing) {
    const SENDERS: usize = 1000;
    const ROOM: usize = 16;
    let budget = BodyBudget::new(ROOM * MIB);
    let setup = setup();
    let layer = setup.layer.body_budget(budget.clone());
    // The handler keeps each body until the test tells it to release them.
    let (let_go, _) = watch::channel(false);
    let (given, _) = watch::channel(0_usize);
    let service = service_fn({
        let (let_go, given) = (let_go.clone(), given.clone());
        move |request: http::Request<countersign_tower::DeliveryBody>| {
            let (mut told, given) = (let_go.subscribe(), given.clone());
            async move {
                let body = request.into_body().into_bytes().expect("a whole body");
                assert_eq!(body.len(), MIB);
                given.send_modify(|given| *given += 1);
                told.wait_for(|told| *told).await.expect("the test holds the sender");
                Ok::<_, crate::common::Failure>(http::Response::new(http_body_util::Full::<Bytes>::from("handled")))
            }
        }
    });
    let (addr, _server) = serve_hyper(layer.layer(service)).await;
    let body = noise(MIB);
    let mut senders = JoinSet::new();
    let (answered, mut answers) = watch::channel(0_usize);
    for n in 0..SENDERS {
        let (delivery, answered) = (delivery(&format!("msg_{n}"), body.clone()), answered.clone());
        senders.spawn(async move {
            let reply = Client::connect(addr).await.deliver(&delivery, framing).await;
            answered.send_modify(|answered| *answered += 1);
            reply
        });
    }
    // No body is released before all other requests have their responses.
    crate::common::soon(answers.wait_for(|answered| SENDERS - *answered <= ROOM)).await.expect("the senders hold it");
    let_go.send_replace(true);

    let (mut handled, mut rejected) = (0, 0);
    while let Some(reply) = senders.join_next().await {
        let reply = reply.expect("no panic");
        if reply.status == StatusCode::OK {
            handled += 1;
        } else {
            assert_eq!((reply.status.as_u16(), &*reply.code()), (503, "over_budget"));
            assert_eq!(reply.header("retry-after"), Some("5"));
            rejected += 1;
        }
    }
    assert_eq!((handled, handled + rejected), (*given.borrow(), SENDERS));
    assert!((1..=ROOM).contains(&handled), "{handled} were held at one time, and there is room for {ROOM}");
    assert!((MIB..=ROOM * MIB).contains(&budget.peak()), "{}", budget.peak());
    holds(&budget, 0).await;
    assert_eq!(setup.store.in_flight(), 0, "and whoever was rejected left no claim");
}

#[tokio::test]
async fn a_body_is_counted_until_its_handler_is_done() {
    let (setup, budget) = (setup(), BodyBudget::new(1000));
    let layer = setup.layer.body_budget(budget.clone());
    let (tell, told) = oneshot::channel();
    let handler = Handler::with_actions([Action::Wait(told)]);
    let server = start(Stack::Hyper, &layer, &handler).await;
    let mut first = Client::connect(server.addr).await;
    let message = delivery("msg_1", noise(600));
    // Bytes count when they arrive, not when they are announced.
    first.send_head(&message, Framing::Length).await;
    first.send(&message.body[..200]).await;
    holds(&budget, 200).await;
    first.send(&message.body[200..]).await;
    handler.called(1).await;
    assert_eq!(budget.in_use(), 600);

    let other = |framing| async move {
        let mut client = Client::connect(server.addr).await;
        client.deliver(&delivery("msg_2", noise(401)), framing).await
    };
    // There is no room for it, whether its length is announced or not.
    for framing in [Framing::Length, Framing::Chunked(100)] {
        let reply = other(framing).await;
        assert_eq!((reply.status, &*reply.code()), (StatusCode::SERVICE_UNAVAILABLE, "over_budget"), "{framing:?}");
        holds(&budget, 600).await;
    }
    assert_eq!(handler.calls(), 1);
    tell.send(200).expect("it waits");
    assert_eq!(first.reply().await.expect("a response").status, StatusCode::OK);
    holds(&budget, 0).await;
    assert_eq!(other(Framing::Chunked(100)).await.status, StatusCode::OK);
    assert_eq!((budget.peak() <= 1000, budget.peak() >= 600), (true, true));
}

#[tokio::test]
async fn every_ending_of_a_request_returns_its_bytes() {
    let (setup, budget) = (setup(), BodyBudget::new(1000));
    let layer = setup.layer.body_budget(budget.clone());
    let (_tell, told) = oneshot::channel();
    let answers = [Action::Status(500), Action::Fail, Action::PanicInCall, Action::PanicInFuture, Action::Wait(told)];
    let handler = Handler::with_actions(answers);
    let server = start(Stack::Hyper, &layer, &handler).await;
    for n in 0..4 {
        let mut client = Client::connect(server.addr).await;
        client.send_head(&delivery(&format!("msg_{n}"), noise(900)), Framing::Length).await;
        client.send(noise(900)).await;
        client.reply().await;
        holds(&budget, 0).await;
    }
    let rejected = Client::connect(server.addr).await.deliver(&forgery("msg_9", noise(900)), Framing::Length).await;
    assert_eq!(rejected.status, StatusCode::UNAUTHORIZED);
    holds(&budget, 0).await;
    // One sender disconnects while its body is read, and one while it is handled.
    for sent in [400, 900] {
        let mut client = Client::connect(server.addr).await;
        client.send_head(&delivery("msg_a", noise(900)), Framing::Length).await;
        client.send(&noise(900)[..sent]).await;
        holds(&budget, sent).await;
        drop(client);
        holds(&budget, 0).await;
    }
    assert_eq!(handler.calls(), 5);
}

#[tokio::test]
async fn a_body_that_exceeds_the_whole_budget_is_too_large() {
    let (setup, handler) = (setup(), Handler::default());
    let layer = setup.layer.body_budget(BodyBudget::new(1000));
    let reply = send(&layer, &handler, &delivery("msg_1", noise(1001))).await;
    assert_eq!((reply.status, &*reply.code()), (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"));
    assert_eq!(reply.extensions.get(), Some(&Rejection::BodyTooLarge { limit: 1000 }));
    assert_eq!(send(&layer, &handler, &delivery("msg_1", noise(1000))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn clones_and_layers_with_one_budget_share_it() {
    let (one, other) = (setup(), setup());
    let budget = BodyBudget::new(1000);
    let (one, other) = (one.layer.body_budget(budget.clone()), other.layer.body_budget(budget.clone()));
    let (holder, tell) = Handler::waiting();
    let server = start(Stack::Axum, &one, &holder).await;
    let mut client = Client::connect(server.addr).await;
    let message: Delivery = delivery("msg_1", noise(900));
    client.send_head(&message, Framing::Length).await;
    client.send(&message.body).await;
    holder.called(1).await;
    let handler = Handler::default();
    for layer in [&one, &one.clone(), &other] {
        let reply = send(layer, &handler, &delivery("msg_2", noise(101))).await;
        assert_eq!(&*reply.code(), "over_budget");
    }
    tell.send(200).expect("it waits");
    assert_eq!(client.reply().await.expect("a response").status, StatusCode::OK);
    holds(&budget, 0).await;
    assert_eq!(send(&other, &handler, &delivery("msg_2", noise(101))).await.status, StatusCode::OK);
}

#[test]
fn a_layer_has_a_default_budget() {
    assert_eq!(VerifyLayer::DEFAULT_BODY_BUDGET, 256 * MIB);
}
