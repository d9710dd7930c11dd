//! Retries: a failed delivery may be retried, a successful one is not forwarded again, and a retry of a delivery in
//! progress gets 409.

use std::time::Duration;

use crate::common::{
    Answer, Backend, Delivery, Gateway, InProcess, Raw, Reply, Running, SECRET, SOURCE, Wire, delivery, free_address,
    route, send, until,
};
use http::StatusCode;
use tokio::sync::oneshot;

const WIRE: Wire = Wire::Http1Length;

/// Delivers `msg_1`, signed at the present time, as a sender's retry is.
async fn attempt(gateway: &impl Running) -> Reply {
    gateway.send(&delivery("msg_1", "{}"), WIRE).await
}

fn assert_refused(reply: &Reply, status: StatusCode, code: &str) {
    assert_eq!((reply.status, reply.code().as_str()), (status, code));
}

/// Checks that the next attempt is forwarded, and the one after it is a duplicate.
async fn assert_still_welcome(gateway: &impl Running, backend: &Backend) {
    let before = backend.seen().len();
    let reply = attempt(gateway).await;
    assert_eq!((reply.status, reply.header("x-from")), (StatusCode::OK, Some("backend")));
    assert_eq!(backend.seen().len(), before + 1);
    let reply = attempt(gateway).await;
    assert_eq!((reply.status, reply.outcome()), (StatusCode::OK, Some("duplicate")));
    assert_eq!((reply.header("x-from"), reply.body.len()), (None, 0));
    assert_eq!(backend.seen().len(), before + 1);
}

#[tokio::test]
async fn a_failure_of_the_backend_is_passed_on_and_its_retry_is_forwarded() {
    for status in [500, 503, 404, 429, 401, 400, 502] {
        let backend = Backend::answering([Answer::Status(status)]).await;
        let gateway = InProcess::before(&backend);
        let reply = attempt(&gateway).await;
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (status, format!("answer: {status}").as_bytes()));
        assert_eq!(reply.header("content-type"), Some("text/x-backend"));
        assert_eq!((reply.header("x-from"), reply.header("retry-after")), (Some("backend"), Some("7")));
        assert_eq!(reply.outcome(), None);
        assert_still_welcome(&gateway, &backend).await;
        assert_eq!(gateway.count("released", "upstream_failed").await.to_string(), "1");
    }
}

#[tokio::test]
async fn no_sender_is_told_410_or_3xx_and_its_retry_is_forwarded() {
    for status in [410, 301, 302, 304, 307, 308] {
        let backend = Backend::answering([Answer::Status(status)]).await;
        let gateway = InProcess::before(&backend);
        let reply = attempt(&gateway).await;
        assert_refused(&reply, StatusCode::BAD_GATEWAY, "upstream_status");
        assert_eq!((reply.header("location"), reply.header("x-from")), (None, None));
        assert_still_welcome(&gateway, &backend).await;
    }
}

#[tokio::test]
async fn after_any_success_nothing_is_forwarded_again() {
    for status in [200, 201, 202, 204, 299] {
        // A 204 has no body.
        let text = format!("HTTP/1.1 {status} Good\r\nx-from: backend\r\n");
        let text = text + if status == 204 { "\r\n" } else { "content-length: 2\r\n\r\nok" };
        let backend = Backend::answering([Answer::Raw(text)]).await;
        let gateway = InProcess::before(&backend);
        let reply = attempt(&gateway).await;
        assert_eq!((reply.status.as_u16(), reply.header("x-from")), (status, Some("backend")));
        for wire in Wire::ALL {
            let reply = gateway.send(&delivery("msg_1", "{}"), wire).await;
            assert_eq!((reply.status, reply.outcome()), (StatusCode::OK, Some("duplicate")));
        }
        assert_eq!(backend.seen().len(), 1);
        assert_eq!(gateway.count("confirmed", "").await.to_string(), "1");
        assert_eq!(gateway.count("duplicate", "").await.to_string(), "4");
    }
}

#[tokio::test]
async fn a_backend_that_refuses_the_connection_is_502_until_it_is_there() {
    let address = free_address();
    let text = format!("[[routes]]\npath = \"/hook\"\nsource = \"test\"\nupstream = [\"http://{address}\"]\n");
    let gateway = InProcess::start(&[SOURCE, &text].concat());
    assert_refused(&attempt(&gateway).await, StatusCode::BAD_GATEWAY, "upstream_unreachable");
    let backend = Backend::at(address, |_| Answer::Status(200)).await;
    assert_still_welcome(&gateway, &backend).await;
}

#[tokio::test]
async fn a_backend_that_breaks_off_or_talks_nonsense_is_502_and_the_retry_is_forwarded() {
    let nonsense = "HTP/9 yes\r\n\r\n".to_owned();
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(900_000));
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n".to_owned();
    for answer in [Answer::Close, Answer::Raw(nonsense), Answer::Raw(endless), Answer::Raw(upgrade)] {
        let backend = Backend::answering([answer]).await;
        let gateway = InProcess::before(&backend);
        let reply = attempt(&gateway).await;
        assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{reply:?}");
        assert_still_welcome(&gateway, &backend).await;
    }
}

#[tokio::test]
async fn a_backend_that_is_too_slow_is_504_and_the_retry_is_forwarded() {
    let (backend, _never) = Backend::holding().await;
    let gateway = InProcess::before_with(&backend, "upstream_timeout = \"200ms\"");
    assert_refused(&attempt(&gateway).await, StatusCode::GATEWAY_TIMEOUT, "upstream_timeout");
    assert_still_welcome(&gateway, &backend).await;
    assert_eq!(gateway.count("released", "upstream_timeout").await.to_string(), "1");
}

#[tokio::test]
async fn a_retry_while_the_backend_works_is_told_to_come_back() {
    let (backend, tell) = Backend::holding().await;
    let gateway = InProcess::before(&backend);
    let first = tokio::spawn(gateway.send(&delivery("msg_1", "{}"), WIRE));
    backend.has_seen(1).await;
    for wire in Wire::ALL {
        let reply = gateway.send(&delivery("msg_1", "{}"), wire).await;
        assert_refused(&reply, StatusCode::CONFLICT, "in_flight");
        assert!(reply.header("retry-after").is_some());
    }
    assert_eq!(backend.seen().len(), 1);
    tell.send(200).expect("the backend waits");
    assert_eq!(first.await.expect("no panic").header("x-from"), Some("backend"));
    assert_eq!(attempt(&gateway).await.outcome(), Some("duplicate"));
}

/// A gateway whose backend holds a delivery, after its sender has disconnected.
async fn abandoned() -> (Gateway, Backend, oneshot::Sender<u16>) {
    let (backend, tell) = Backend::holding().await;
    let gateway = Gateway::before(&backend).await;
    let mut raw = Raw::open(gateway.address).await;
    raw.write(delivery("msg_1", "{}").bytes()).await;
    backend.has_seen(1).await;
    drop(raw);
    // Gives the gateway time to notice that the sender has disconnected.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_refused(&attempt(&gateway).await, StatusCode::CONFLICT, "in_flight");
    (gateway, backend, tell)
}

#[tokio::test]
async fn a_sender_that_hangs_up_does_not_undo_the_success_of_its_delivery() {
    let (gateway, backend, tell) = abandoned().await;
    tell.send(204).expect("the backend still works on it");
    until("it is settled", async || gateway.count("confirmed", "").await > 0.0).await;
    assert_eq!(attempt(&gateway).await.outcome(), Some("duplicate"));
    assert_eq!(backend.seen().len(), 1);
}

#[tokio::test]
async fn a_sender_that_hangs_up_is_welcome_again_after_the_failure_of_its_delivery() {
    let (gateway, backend, tell) = abandoned().await;
    tell.send(500).expect("the backend still works on it");
    until("it is settled", async || gateway.count("released", "upstream_failed").await > 0.0).await;
    assert_still_welcome(&gateway, &backend).await;
}

#[tokio::test]
async fn a_reset_stream_does_not_undo_the_success_of_its_delivery() {
    let (backend, tell) = Backend::holding().await;
    let gateway = Gateway::before(&backend).await;
    let address = gateway.address;
    let sending = tokio::spawn(async move { send(address, &delivery("msg_1", "{}"), Wire::Http2Length).await });
    backend.has_seen(1).await;
    sending.abort();
    assert_refused(&attempt(&gateway).await, StatusCode::CONFLICT, "in_flight");
    tell.send(200).expect("the backend still works on it");
    until("it is settled", async || gateway.count("confirmed", "").await > 0.0).await;
    assert_eq!(attempt(&gateway).await.outcome(), Some("duplicate"));
}

#[tokio::test]
async fn the_body_of_an_answer_comes_through_however_the_backend_frames_it() {
    let chunked = "HTTP/1.1 503 Later\r\ntransfer-encoding: chunked\r\n\r\n5\r\nlater\r\n1\r\n!\r\n0\r\n\r\n";
    let continued = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Later\r\ncontent-length: 6\r\n\r\nlater!";
    for text in [chunked, continued] {
        for wire in [Wire::Http1Length, Wire::Http2Length] {
            let backend = Backend::answering([Answer::Raw(text.into())]).await;
            let gateway = InProcess::before(&backend);
            let reply = gateway.send(&delivery("msg_1", "{}"), wire).await;
            assert_eq!((reply.status.as_u16(), &reply.body[..]), (503, b"later!".as_slice()));
        }
    }
}

#[tokio::test]
async fn an_answer_whose_end_decides_is_counted_at_its_end() {
    // The status of a gRPC-Web response is in its body, which is not read, so it confirms nothing.
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/grpc-web\r\ncontent-length: 2\r\n\r\nok";
    let backend = Backend::scripted(move |_| Answer::Raw(answer.into())).await;
    let gateway = InProcess::before(&backend);
    let reply = gateway.send(&delivery("msg_1", "body"), Wire::Http1Length).await;
    assert_eq!(reply.status, StatusCode::OK);
    until("it is counted", async || gateway.count("released", "upstream_failed").await >= 1.0).await;
    until("it is logged", async || gateway.output().contains("msg_1")).await;
    let output = gateway.output();
    let line = output.lines().find(|line| line.contains("msg_1")).expect("one line");
    for part in [r#"outcome="released""#, r#"reason="upstream_failed""#, "status=200", "peer=127.0.0.1"] {
        assert!(line.contains(part), "{line}");
    }
    assert_eq!(output.matches("msg_1").count(), 1, "{output}");
}

#[tokio::test]
async fn a_message_id_is_remembered_until_its_retention_ends() {
    let backend = Backend::start().await;
    let source = format!("{SOURCE}replay = {{ retain = \"15m\" }}\n");
    let gateway = InProcess::start(&[source.as_str(), &route(&backend, "")].concat());
    let attempt = async |minutes: i64| {
        let sent = Delivery::signed([SECRET], 60 * minutes, "msg_1", "{}");
        gateway.send(&sent, WIRE).await.outcome().map(str::to_owned)
    };
    assert_eq!(attempt(0).await, None);
    gateway.clock.advance(Duration::from_mins(14));
    assert_eq!(attempt(14).await.as_deref(), Some("duplicate"));
    gateway.clock.advance(Duration::from_mins(1));
    assert_eq!(attempt(15).await, None);
    assert_eq!(backend.seen().len(), 2);
}

#[tokio::test]
async fn a_claim_whose_lease_has_ended_goes_to_the_next_attempt() {
    let (backend, tell) = Backend::holding().await;
    let gateway = InProcess::before(&backend);
    let first = tokio::spawn(gateway.send(&delivery("msg_1", "{}"), WIRE));
    backend.has_seen(1).await;
    gateway.clock.advance(Duration::from_secs(59));
    assert_refused(&attempt(&gateway).await, StatusCode::CONFLICT, "in_flight");
    gateway.clock.advance(Duration::from_secs(1));
    assert_eq!(attempt(&gateway).await.outcome(), None);
    assert_eq!(backend.seen().len(), 2);
    tell.send(200).expect("the backend waits");
    assert_eq!(first.await.expect("no panic").status, StatusCode::OK);
    assert_eq!(attempt(&gateway).await.outcome(), Some("duplicate"));
}
