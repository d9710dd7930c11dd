//! `delivery = "inbox"`: messages are stored before the sender gets 202, and delivered afterwards.

use crate::common::{
    Answer, Backend, Gateway, Running, SOURCE, Wire, command, delivery, free_address, route, route_to, until,
};
use http::{Method, StatusCode};

const WIRE: Wire = Wire::Http1Length;
const STORE: &str = "[store]\nengine = \"sqlite\"\npath = \"store.db\"\n";
/// Retries follow soon.
const QUICK: &str = "delivery = \"inbox\"\nredelivery = { first = \"20ms\", max = \"50ms\" }";

async fn gateway(backend: &Backend, more: &str) -> Gateway {
    Gateway::start(&[STORE, SOURCE, &route(backend, more)].concat()).await
}

async fn attempts(gateway: &Gateway, result: &str) -> Option<f64> {
    let labels = format!("{{route=\"/hook\",destination=\"/hook\",result=\"{result}\"}}");
    gateway.metric(&format!("countersign_inbox_attempts_total{labels}")).await
}

#[tokio::test]
async fn a_message_is_accepted_at_once_and_delivered_as_in_direct_mode() {
    let more = "set_headers = { x-stage = \"test\" }\nforward_headers = [\"x-real-ip\"]\n";
    let sent = || {
        let sent = delivery("msg_1", "{\"type\":\"batch.succeeded\"}").to("/hook?a=b%20c");
        sent.add("x-tag", "one").add("x-tag", "two").set("x-real-ip", "::1").set("countersign-attempt", "7")
    };
    let mut heads = Vec::new();
    for (delivery, status) in [("", StatusCode::OK), ("delivery = \"inbox\"", StatusCode::ACCEPTED)] {
        let backend = Backend::start().await;
        let gateway = gateway(&backend, &[more, delivery].concat()).await;
        assert_eq!(gateway.send(&sent(), WIRE).await.status, status);
        let mut seen = backend.has_seen(1).await;
        assert_eq!(&seen.body[..], b"{\"type\":\"batch.succeeded\"}");
        let attempt = seen.headers.remove("countersign-attempt");
        assert_eq!(attempt.is_some_and(|attempt| attempt == "1"), status == StatusCode::ACCEPTED);
        // The addresses of the two gateways and backends differ.
        for name in ["host", "x-forwarded-host", "x-forwarded-port", "webhook-signature", "webhook-timestamp"] {
            seen.headers.remove(name);
        }
        seen.headers.remove("countersign-timestamp");
        heads.push((seen.request_line, seen.headers));
    }
    assert_eq!(heads[0], heads[1]);
}

#[tokio::test]
async fn a_duplicate_is_acknowledged_and_an_unverified_request_is_not_stored() {
    let backend = Backend::start().await;
    let gateway = gateway(&backend, QUICK).await;
    let status = async |sent| gateway.send(&sent, WIRE).await.status;
    assert_eq!(status(delivery("msg_1", "{}")).await, StatusCode::ACCEPTED);
    assert_eq!(status(delivery("msg_1", "{}")).await, StatusCode::OK);
    assert_eq!(status(delivery("msg_2", "{}").with_body("{ }")).await, StatusCode::UNAUTHORIZED);
    until("it is delivered", async || attempts(&gateway, "done").await == Some(1.0)).await;
    assert_eq!(gateway.metric("countersign_store_messages").await, Some(1.0));
    assert_eq!(backend.seen().len(), 1);
}

#[tokio::test]
async fn a_delivery_that_fails_is_attempted_again_until_it_succeeds() {
    let backend = Backend::answering([Answer::Status(500), Answer::Status(410), Answer::Status(302)]).await;
    let gateway = gateway(&backend, QUICK).await;
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::ACCEPTED);
    let last = backend.has_seen(4).await;
    assert_eq!((last.id(), last.header("countersign-attempt")), ("msg_1", Some("4")));
    until("it is done", async || attempts(&gateway, "done").await == Some(1.0)).await;
    assert_eq!(attempts(&gateway, "retry").await, Some(3.0));
}

#[tokio::test]
async fn messages_survive_a_kill_of_the_gateway_and_an_outage_of_the_backend() {
    let address = free_address();
    let more = format!("{QUICK}\nupstream_timeout = \"1s\"\n");
    let mut gateway = Gateway::start(&[STORE, SOURCE, &route_to(&[address], &more)].concat()).await;
    for n in 0..20 {
        let sent = delivery(&format!("msg_{n}"), "{}");
        assert_eq!(gateway.send(&sent, WIRE).await.status, StatusCode::ACCEPTED);
    }
    gateway.kill();
    gateway.restart().await;
    assert_eq!(gateway.send(&delivery("msg_0", "{}"), WIRE).await.status, StatusCode::OK);
    let backend = Backend::at(address, |_| Answer::Status(200)).await;
    until("all are delivered", async || {
        let seen = backend.seen();
        (0..20).all(|n| seen.iter().any(|one| one.id() == format!("msg_{n}")))
    })
    .await;
}

#[tokio::test]
async fn a_delivery_that_runs_out_of_time_is_a_dead_letter() {
    let backend = Backend::scripted(|_| Answer::Status(500)).await;
    let more = "delivery = \"inbox\"\nredelivery = { first = \"20ms\", for = \"60ms\" }";
    let gateway = gateway(&backend, more).await;
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::ACCEPTED);
    until("it is dead", async || attempts(&gateway, "dead").await == Some(1.0)).await;
    until("it is logged", async || gateway.output().contains("dead letter")).await;
    let output = gateway.output();
    assert!(output.contains("msg_1") && output.contains("status 500"), "{output}");
}

#[tokio::test]
async fn a_reload_and_a_shutdown_go_on_with_the_deliveries() {
    let (backend, tell) = Backend::holding().await;
    let mut gateway = gateway(&backend, QUICK).await;
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::ACCEPTED);
    backend.has_seen(1).await;
    let reply = command(gateway.admin, Method::POST, "/-/reload", None).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(gateway.send(&delivery("msg_2", "{}"), WIRE).await.status, StatusCode::ACCEPTED);
    backend.has_seen(2).await;
    gateway.signal("TERM");
    until("it is about to stop", async || gateway.output().contains("stopping")).await;
    tell.send(200).expect("the attempt goes on");
    until("it has ended", async || gateway.ended().is_some_and(|status| status.success())).await;
    assert_eq!(backend.seen().len(), 2);
    gateway.restart().await;
    assert_eq!(gateway.send(&delivery("msg_3", "{}"), WIRE).await.status, StatusCode::ACCEPTED);
    backend.has_seen(3).await;
    let ids: Vec<_> = backend.seen().iter().map(|seen| seen.id().to_owned()).collect();
    assert_eq!(ids, ["msg_1", "msg_2", "msg_3"]);
}

#[tokio::test]
async fn an_attempt_that_does_not_end_before_the_shutdown_is_made_again_at_once() {
    let (backend, _hold) = Backend::holding().await;
    let config = [STORE, SOURCE, &route(&backend, QUICK)].concat();
    let mut gateway = Gateway::start_with("shutdown_timeout = \"1s\"", &config, &[]).await;
    assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::ACCEPTED);
    backend.has_seen(1).await;
    gateway.signal("TERM");
    until("it has ended", async || gateway.ended().is_some()).await;
    gateway.restart().await;
    // The lease would have been valid for longer than the test waits.
    let again = backend.has_seen(2).await;
    assert_eq!((again.id(), again.header("countersign-attempt")), ("msg_1", Some("2")));
}

#[tokio::test]
async fn a_message_that_cannot_be_stored_is_rejected_and_can_be_sent_again() {
    let backend = Backend::start().await;
    let gateway = gateway(&backend, QUICK).await;
    gateway.limit_file_size(1);
    let reply = gateway.send(&delivery("msg_1", "{}"), WIRE).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"));
    gateway.limit_file_size(1 << 40);
    until("it is stored", async || gateway.send(&delivery("msg_1", "{}"), WIRE).await.status == 202).await;
    backend.has_seen(1).await;
}
