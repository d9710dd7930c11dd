//! Shutdown: requests in progress finish, no new ones are accepted, and no client can delay it forever.

use std::time::Duration;

use crate::common::{
    Backend, Connection, Gateway, Raw, Running, SOURCE, Wire, delivery, get, route, send, soon, until,
};
use countersign::clock::{Clock, SystemClock};
use http::StatusCode;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// A gateway whose backend holds a delivery, and the connection of its sender.
async fn busy(shutdown_timeout: &str) -> (Gateway, Backend, oneshot::Sender<u16>, Raw) {
    let (backend, tell) = Backend::holding().await;
    let server = format!("shutdown_timeout = \"{shutdown_timeout}\"");
    let gateway = Gateway::start_with(&server, &[SOURCE, &route(&backend, "")].concat(), &[]).await;
    let mut raw = Raw::open(gateway.address).await;
    raw.write(delivery("msg_1", "{}").bytes()).await;
    backend.has_seen(1).await;
    (gateway, backend, tell, raw)
}

/// Waits until no webhook is accepted any more.
async fn refusing(gateway: &Gateway) {
    until("connections are refused", async || TcpStream::connect(gateway.address).await.is_err()).await;
}

/// The response to a readiness check.
async fn readiness(gateway: &Gateway) -> Option<(u16, String)> {
    let reply = get(gateway.admin, "/readyz").await?;
    Some((reply.status.as_u16(), String::from_utf8(reply.body.to_vec()).expect("text")))
}

/// Waits until it has ended with success, and returns how long that took.
async fn ended(gateway: &mut Gateway) -> Duration {
    let started = SystemClock.instant();
    let mut status = None;
    until("it ends", async || {
        status = gateway.ended();
        status.is_some()
    })
    .await;
    assert_eq!(status.expect("it has ended").code(), Some(0), "{}", gateway.output());
    SystemClock.instant().duration_since(started)
}

#[tokio::test]
async fn a_request_in_flight_gets_its_answer_while_no_new_one_is_accepted() {
    for signal in ["TERM", "INT", "QUIT"] {
        let (mut gateway, _backend, tell, mut raw) = busy("20s").await;
        gateway.signal(signal);
        refusing(&gateway).await;
        assert!(gateway.ended().is_none());
        tell.send(200).expect("the backend still works on it");
        let reply = raw.answer().await.expect("an answer");
        assert_eq!((reply.status, reply.header("x-from")), (StatusCode::OK, Some("backend")));
        assert!(raw.answer().await.is_none());
        assert!(ended(&mut gateway).await < Duration::from_secs(5));
        assert!(gateway.output().contains("stopped"));
    }
}

#[tokio::test]
async fn a_request_in_flight_on_http2_gets_its_answer_too() {
    let (backend, tell) = Backend::holding().await;
    let mut gateway = Gateway::before(&backend).await;
    let mut connection = Connection::open(gateway.address, Wire::Http2Length).await.expect("a connection");
    let sending = tokio::spawn(async move { connection.send(&delivery("msg_1", "{}"), Wire::Http2Length).await });
    backend.has_seen(1).await;
    gateway.signal("TERM");
    refusing(&gateway).await;
    tell.send(200).expect("the backend still works on it");
    let reply = soon(sending).await.expect("no panic").expect("an answer");
    assert_eq!(reply.header("x-from"), Some("backend"));
    ended(&mut gateway).await;
}

#[tokio::test]
async fn a_forward_whose_sender_hung_up_is_waited_for() {
    let (mut gateway, _backend, tell, raw) = busy("20s").await;
    drop(raw);
    tokio::time::sleep(Duration::from_millis(200)).await;
    gateway.signal("TERM");
    refusing(&gateway).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(gateway.ended().is_none());
    tell.send(200).expect("the backend still works on it");
    ended(&mut gateway).await;
    assert!(gateway.output().contains("outcome=\"confirmed\""), "{}", gateway.output());
}

#[tokio::test]
async fn a_backend_that_never_answers_holds_it_up_no_longer_than_allowed() {
    let (mut gateway, _backend, _tell, _raw) = busy("1s").await;
    gateway.signal("TERM");
    let took = ended(&mut gateway).await;
    assert!((Duration::from_millis(700)..Duration::from_secs(4)).contains(&took), "{took:?}");
    assert!(gateway.output().contains("before all requests had finished"));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    for signal in ["TERM", "INT"] {
        let (mut gateway, _backend, _tell, _raw) = busy("60s").await;
        gateway.signal("TERM");
        refusing(&gateway).await;
        assert!(gateway.ended().is_none());
        // Repeated, because it listens for the second signal only a moment after the first.
        until("it ends at once", async || {
            gateway.ended().is_some() || {
                gateway.signal(signal);
                false
            }
        })
        .await;
        ended(&mut gateway).await;
        assert!(gateway.output().contains("at once"));
    }
}

#[tokio::test]
async fn idle_connections_do_not_hold_it_up() {
    let backend = Backend::start().await;
    let mut gateway = Gateway::before(&backend).await;
    let mut kept = Vec::new();
    for (n, wire) in [Wire::Http1Length, Wire::Http2Length].into_iter().enumerate() {
        for m in 0..5 {
            let mut connection = Connection::open(gateway.address, wire).await.expect("a connection");
            let reply = soon(connection.send(&delivery(&format!("msg_{n}_{m}"), "{}"), wire)).await;
            assert_eq!(reply.expect("an answer").status, StatusCode::OK);
            kept.push(connection);
        }
    }
    // Some clients have sent nothing, and some a part of a head.
    let mut silent = Vec::new();
    for text in ["", "P", "POST /hook HT", "PRI * HTTP/2.0\r\n\r\nSM"] {
        let mut raw = Raw::open(gateway.address).await;
        raw.write(text).await;
        silent.push(raw);
    }
    assert!(kept.iter().all(Connection::is_open));
    tokio::time::sleep(Duration::from_millis(100)).await;
    gateway.signal("TERM");
    assert!(ended(&mut gateway).await < Duration::from_secs(5), "{}", gateway.output());
}

#[tokio::test]
async fn a_body_that_never_comes_holds_it_up_no_longer_than_a_body_may_take() {
    let backend = Backend::start().await;
    let mut gateway = Gateway::before_with(&backend, "body_timeout = \"500ms\"").await;
    let mut raw = Raw::open(gateway.address).await;
    raw.write(format!("{}content-length: 10\r\n\r\n", delivery("msg_1", "").head())).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    gateway.signal("TERM");
    assert_eq!(raw.answer().await.expect("an answer").status, StatusCode::REQUEST_TIMEOUT);
    assert!(ended(&mut gateway).await < Duration::from_secs(5));
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn the_admin_listener_responds_until_the_end() {
    let (mut gateway, _backend, tell, mut raw) = busy("20s").await;
    gateway.signal("TERM");
    refusing(&gateway).await;
    assert_eq!(readiness(&gateway).await, Some((503, "stopping\n".to_owned())));
    assert_eq!(gateway.figure("claims_held", "test").await, Some(1.0));
    // A scraper that keeps its connection does not hold up the end.
    let mut kept = Raw::open(gateway.admin).await;
    kept.write("GET /healthz HTTP/1.1\r\nhost: admin\r\n\r\n").await;
    assert_eq!(kept.answer().await.expect("an answer").status, StatusCode::OK);
    tell.send(200).expect("the backend still works on it");
    assert_eq!(raw.answer().await.expect("an answer").status, StatusCode::OK);
    assert!(ended(&mut gateway).await < Duration::from_secs(5));
    assert!(kept.answer().await.is_none());
}

#[tokio::test]
async fn connections_are_accepted_for_the_drain_delay_while_it_is_not_ready() {
    let backend = Backend::start().await;
    let config = [SOURCE, &route(&backend, "")].concat();
    let mut gateway = Gateway::start_with("drain_delay = \"2s\"", &config, &[]).await;
    assert_eq!(readiness(&gateway).await, Some((200, "ready\n".to_owned())));
    let started = SystemClock.instant();
    gateway.signal("TERM");
    until("it is not ready", async || readiness(&gateway).await == Some((503, "stopping\n".to_owned()))).await;
    let mut sent = 0;
    while SystemClock.instant().duration_since(started) < Duration::from_millis(1500) {
        let reply = send(gateway.address, &delivery(&format!("msg_{sent}"), "{}"), Wire::Http1Length).await;
        assert_eq!(reply.status, StatusCode::OK);
        sent += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(backend.seen().len(), sent);
    refusing(&gateway).await;
    ended(&mut gateway).await;
    let took = SystemClock.instant().duration_since(started);
    assert!((Duration::from_secs(2)..Duration::from_secs(6)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_second_signal_ends_the_drain_delay() {
    let backend = Backend::start().await;
    let config = [SOURCE, &route(&backend, "")].concat();
    let mut gateway = Gateway::start_with("drain_delay = \"50s\"", &config, &[]).await;
    gateway.signal("TERM");
    until("it has said so", async || gateway.output().contains("about to stop")).await;
    gateway.signal("TERM");
    assert!(ended(&mut gateway).await < Duration::from_secs(5));
}

#[tokio::test]
async fn signals_without_a_meaning_are_ignored() {
    let (gateway, _backend, tell, mut raw) = busy("20s").await;
    gateway.signal("USR1");
    until("it is logged", async || gateway.output().contains("SIGUSR1 has no meaning here")).await;
    tell.send(200).expect("the backend still works on it");
    assert_eq!(raw.answer().await.expect("an answer").status, StatusCode::OK);
    assert_eq!(readiness(&gateway).await, Some((200, "ready\n".to_owned())));
}
