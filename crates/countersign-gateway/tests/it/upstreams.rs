//! Several backends of one route take turns, and replace each other when one is down.

use std::time::Duration;

use crate::common::{Answer, Backend, Gateway, SOURCE, Wire, delivery, free_address, route, send, until};
use http::StatusCode;

const WIRE: Wire = Wire::Http1Length;

/// A gateway before this backend and others.
async fn before(backend: &Backend, others: &[std::net::SocketAddr]) -> Gateway {
    let others: Vec<_> = others.iter().map(|other| format!("\"http://{other}\", ")).collect();
    let text = route(backend, "").replace("upstream = [", &format!("upstream = [{}", others.concat()));
    Gateway::start(&[SOURCE, &text].concat()).await
}

#[tokio::test]
async fn backends_take_turns() {
    let (one, other) = (Backend::start().await, Backend::start().await);
    let gateway = before(&one, &[other.address()]).await;
    for n in 0..20 {
        let reply = send(gateway.address, &delivery(&format!("msg_{n}"), "{}"), WIRE).await;
        assert_eq!(reply.status, StatusCode::OK);
    }
    let share = (one.seen().len(), other.seen().len());
    assert!(share.0 + share.1 == 20 && share.0.abs_diff(share.1) <= 2, "{share:?}");
}

#[tokio::test]
async fn one_backend_that_is_down_leaves_its_deliveries_to_the_other() {
    let backend = Backend::start().await;
    let gateway = before(&backend, &[free_address()]).await;
    for n in 0..10 {
        let reply = send(gateway.address, &delivery(&format!("msg_{n}"), "{}"), WIRE).await;
        assert_eq!(reply.status, StatusCode::OK);
    }
    assert_eq!(backend.seen().len(), 10);
}

#[tokio::test]
async fn backends_that_go_down_one_after_the_other_leave_their_deliveries_to_the_last() {
    let (last, mut first, mut second) = (Backend::start().await, Backend::start().await, Backend::start().await);
    let gateway = before(&last, &[first.address(), second.address()]).await;
    let address = gateway.address;
    for stopped in [&mut first, &mut second] {
        stopped.stop().await;
        // At once and concurrently, before the next health check.
        let sending = (0..100).map(|n| {
            let id = format!("msg_{n}_{}", stopped.address().port());
            tokio::spawn(async move { send(address, &delivery(&id, "{}"), WIRE).await.status })
        });
        for sent in sending.collect::<Vec<_>>() {
            assert_eq!(sent.await.expect("no panic"), StatusCode::OK, "{}", gateway.output());
        }
    }
}

#[tokio::test]
async fn a_backend_that_has_the_delivery_is_not_passed_over_for_another() {
    // A backend that broke off may have handled the delivery, so only the sender may retry.
    let answers = || [Answer::Close, Answer::Close];
    let (one, other) = (Backend::answering(answers()).await, Backend::answering(answers()).await);
    let gateway = before(&one, &[other.address()]).await;
    let reply = send(gateway.address, &delivery("msg_1", "{}"), WIRE).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_GATEWAY, "upstream_unreachable"));
    assert_eq!(one.seen().len() + other.seen().len(), 1);
}

#[tokio::test]
async fn a_backend_that_comes_back_takes_its_turn_again() {
    let address = free_address();
    let backend = Backend::start().await;
    let gateway = before(&backend, &[address]).await;
    assert_eq!(send(gateway.address, &delivery("msg_0", "{}"), WIRE).await.status, StatusCode::OK);
    let back = Backend::at(address, |_| Answer::Status(200)).await;
    let mut n = 0;
    until("it is asked again", async || {
        n += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let reply = send(gateway.address, &delivery(&format!("msg_{n}"), "{}"), WIRE).await;
        assert_eq!(reply.status, StatusCode::OK);
        !back.seen().is_empty()
    })
    .await;
}
