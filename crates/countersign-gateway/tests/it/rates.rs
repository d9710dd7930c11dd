//! The rate of a route, and the limits for each client.

#![expect(clippy::float_cmp, reason = "counters are whole numbers")]

use std::time::Duration;

use http::StatusCode;

use crate::common::{
    Backend, Delivery, Gateway, InProcess, OTHER_SECRET, Raw, Reply, Running, SOURCE, Wire, delivery, route, until,
};

const WIRE: Wire = Wire::Http1Length;

fn over_rate(reply: &Reply, code: &str, retry_after: &str) {
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, code));
    assert_eq!(reply.header("retry-after"), Some(retry_after));
}

/// A delivery that is rejected with 401.
fn forged(id: &str) -> Delivery {
    Delivery::signed([OTHER_SECRET], 0, id, "{}")
}

fn from(delivery: Delivery, client: &str) -> Delivery {
    delivery.set("x-forwarded-for", client)
}

#[tokio::test]
async fn a_route_accepts_a_burst_at_once_and_then_its_rate() {
    let backend = Backend::start().await;
    let gateway = InProcess::before_with(&backend, "rate = \"30/m\"\nburst = 3");
    for wire in Wire::ALL {
        for n in 0..3 {
            let sent = delivery(&format!("msg_{wire:?}_{n}"), "{}");
            assert_eq!(gateway.send(&sent, wire).await.status, StatusCode::OK);
        }
        over_rate(&gateway.send(&delivery("msg_late", "{}"), wire).await, "over_rate", "2");
        gateway.clock.advance(Duration::from_secs(6));
    }
    let count = u32::try_from(Wire::ALL.len()).expect("a number");
    assert_eq!(gateway.count("refused", "over_rate").await, f64::from(count));
    assert!(gateway.output().contains("reason=\"over_rate\" status=429"), "{}", gateway.output());
    assert_eq!(gateway.count("confirmed", "").await, f64::from(3 * count));
}

#[tokio::test]
async fn a_request_over_the_rate_is_rejected_before_its_body_arrives() {
    let backend = Backend::start().await;
    for accelerate in [true, false] {
        let server = format!("accelerate = {accelerate}");
        let routes = [SOURCE, &route(&backend, "rate = \"1/h\"")].concat();
        let gateway = Gateway::start_with(&server, &routes, &[]).await;
        assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
        let mut raw = Raw::open(gateway.address).await;
        raw.write(format!("{}content-length: 1000\r\n\r\n", delivery("msg_2", "").head())).await;
        let reply = raw.answer().await.expect("a response");
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "over_rate"));
        assert!(reply.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|s| s > 3000)));
    }
}

const LIMITED: &str = "trusted_proxies = [\"127.0.0.1\"]\nclient_limits = { rejected = \"6/m\", burst = 2 }";

#[tokio::test]
async fn a_client_whose_requests_are_rejected_has_to_wait_and_no_other_client() {
    let backend = Backend::start().await;
    let gateway = InProcess::start_with(LIMITED, &[SOURCE, &route(&backend, "")].concat());
    for n in 0..5 {
        // Nothing is limited that is accepted.
        let sent = from(delivery(&format!("msg_{n}"), "{}"), "192.0.2.1");
        assert_eq!(gateway.send(&sent, WIRE).await.status, StatusCode::OK);
    }
    let elsewhere = from(delivery("msg_elsewhere", "{}"), "192.0.2.1").to("/elsewhere");
    assert_eq!(gateway.send(&elsewhere, WIRE).await.status, StatusCode::NOT_FOUND);
    assert_eq!(gateway.send(&from(forged("msg_f"), "192.0.2.1"), WIRE).await.status, StatusCode::UNAUTHORIZED);
    for sent in [forged("msg_f"), delivery("msg_good", "{}")] {
        over_rate(&gateway.send(&from(sent, "192.0.2.1"), WIRE).await, "client_limit", "10");
    }
    assert_eq!(gateway.send(&from(delivery("msg_other", "{}"), "192.0.2.2"), WIRE).await.status, StatusCode::OK);
    assert_eq!(gateway.count("refused", "client_limit").await, 2.0);
    gateway.clock.advance(Duration::from_secs(10));
    assert_eq!(gateway.send(&from(delivery("msg_good", "{}"), "192.0.2.1"), WIRE).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_network_of_ipv6_is_one_client_and_a_proxy_without_clients_is_none() {
    let backend = Backend::start().await;
    let gateway = InProcess::start_with(LIMITED, &[SOURCE, &route(&backend, "")].concat());
    for client in ["2001:db8::1", "2001:db8::2"] {
        assert_eq!(gateway.send(&from(forged("msg_f"), client), WIRE).await.status, StatusCode::UNAUTHORIZED);
    }
    over_rate(&gateway.send(&from(forged("msg_f"), "2001:db8::3"), WIRE).await, "client_limit", "10");
    assert_eq!(gateway.send(&from(forged("msg_f"), "2001:db8:0:1::1"), WIRE).await.status, StatusCode::UNAUTHORIZED);
    for _ in 0..5 {
        assert_eq!(gateway.send(&forged("msg_f"), WIRE).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn further_connections_of_a_client_are_closed_at_once() {
    let backend = Backend::start().await;
    let server = "client_limits = { connections = 2 }";
    let gateway = Gateway::start_with(server, &[SOURCE, &route(&backend, "")].concat(), &[]).await;
    let turned_away = "countersign_connections_turned_away_total{reason=\"client_connections\"}";
    let one = Raw::open(gateway.address).await;
    let mut two = Raw::open(gateway.address).await;
    let opened = "countersign_connections_open";
    until("both are open", async || gateway.metric(opened).await == Some(2.0)).await;
    assert!(Raw::open(gateway.address).await.answer().await.is_none());
    until("it is counted", async || gateway.metric(turned_away).await == Some(1.0)).await;
    two.write(delivery("msg_1", "{}").bytes()).await;
    assert_eq!(two.answer().await.expect("a response").status, StatusCode::OK);
    drop(one);
    until("there is room", async || gateway.metric(opened).await == Some(1.0)).await;
    assert_eq!(gateway.send(&delivery("msg_2", "{}"), WIRE).await.status, StatusCode::OK);
}

#[tokio::test]
async fn announced_clients_have_connections_of_their_own_and_trusted_proxies_any_number() {
    let backend = Backend::start().await;
    let routes = [SOURCE, &route(&backend, "")].concat();
    let limits = "client_limits = { connections = 1 }";
    let gateway = Gateway::listening("proxy_protocol = true", limits, &routes).await;
    let open = async |client: &str| {
        let mut raw = Raw::open(gateway.address).await;
        raw.write(format!("PROXY TCP4 {client} 192.0.2.2 40000 443\r\n")).await;
        raw.write(delivery("msg_1", "{}").bytes()).await;
        let reply = raw.answer().await;
        (reply.map(|reply| reply.status), raw)
    };
    let (first, _kept) = open("192.0.2.1").await;
    let (second, _also) = open("192.0.2.3").await;
    assert_eq!((first, second), (Some(StatusCode::OK), Some(StatusCode::OK)));
    assert_eq!(open("192.0.2.1").await.0, None);
    let server = format!("trusted_proxies = [\"127.0.0.1\"]\n{limits}");
    let gateway = Gateway::start_with(&server, &routes, &[]).await;
    let mut kept = Vec::new();
    for n in 0..4 {
        let mut raw = Raw::open(gateway.address).await;
        raw.write(delivery(&format!("msg_{n}"), "{}").bytes()).await;
        assert_eq!(raw.answer().await.expect("a response").status, StatusCode::OK);
        kept.push(raw);
    }
}

#[tokio::test]
async fn heads_that_cannot_be_served_count_for_the_limit_of_their_client() {
    let backend = Backend::start().await;
    let limits = "client_limits = { rejected = \"1/h\", burst = 1 }";
    let malformed = b"POST /hook HTTP/1.1\r\nhost: h\r\nno colon\r\n\r\n".to_vec();
    let long =
        [b"POST /hook HTTP/1.1\r\nhost: h\r\nx-long: ".to_vec(), vec![b'a'; 70_000], b"\r\n\r\n".to_vec()].concat();
    for (accelerate, head, status, reason) in [
        (true, &malformed, 400, "malformed_request"),
        (false, &malformed, 400, "malformed_request"),
        (true, &long, 431, "head_too_large"),
    ] {
        let server = format!("accelerate = {accelerate}\n{limits}");
        let gateway = Gateway::start_with(&server, &[SOURCE, &route(&backend, "")].concat(), &[]).await;
        let mut raw = Raw::open(gateway.address).await;
        raw.write(head).await;
        assert_eq!(raw.answer().await.expect("a response").status.as_u16(), status);
        // What hyper rejects is counted at the end of the connection.
        drop(raw);
        let counted = format!("countersign_requests_total{{route=\"none\",outcome=\"refused\",reason=\"{reason}\"}}");
        until("it is counted", async || gateway.metric(&counted).await == Some(1.0)).await;
        let reply = gateway.send(&delivery("msg_1", "{}"), WIRE).await;
        assert_eq!((reply.status, &*reply.code()), (StatusCode::TOO_MANY_REQUESTS, "client_limit"), "{accelerate}");
    }
}
