//! Bodies arrive byte for byte as they were signed, and bodies that are too large are rejected.

use crate::common::{
    Backend, Connection, Delivery, Gateway, Raw, Running, SOURCE, Wire, delivery, noise, route, send, soon, until,
};
use http::StatusCode;

/// Sizes around the ends of buffers and windows, and around the limit.
const SIZES: [usize; 7] = [0, 1, 65_535, 65_536, 65_537, 200_000, LIMIT];
const LIMIT: usize = 300_000;

async fn limited(backend: &Backend) -> Gateway {
    Gateway::before_with(backend, &format!("body_limit = \"{LIMIT}B\"")).await
}

fn assert_same(backend: &Backend, sent: &Delivery, wire: Wire) {
    let seen = backend.seen();
    let seen = seen.last().expect("it was forwarded");
    assert!(seen.body == sent.body, "{wire:?}: {} bytes became {}", sent.body.len(), seen.body.len());
    assert_eq!(seen.header("content-length"), Some(sent.body.len().to_string().as_str()), "{wire:?}");
    assert_eq!(seen.request_line, "POST /hook HTTP/1.1");
}

#[tokio::test]
async fn a_body_of_any_size_arrives_byte_for_byte_however_it_is_framed() {
    let backend = Backend::start().await;
    let gateway = limited(&backend).await;
    for wire in Wire::ALL {
        for size in SIZES {
            let sent = delivery(&format!("msg_{size}_{wire:?}"), noise(size));
            assert_eq!(send(gateway.address, &sent, wire).await.status, StatusCode::OK, "{size} {wire:?}");
            assert_same(&backend, &sent, wire);
        }
    }
    assert_eq!(backend.seen().len(), SIZES.len() * Wire::ALL.len());
}

#[tokio::test]
async fn deliveries_follow_each_other_on_one_connection() {
    let backend = Backend::start().await;
    let gateway = limited(&backend).await;
    for wire in Wire::ALL {
        let mut connection = Connection::open(gateway.address, wire).await.expect("a connection");
        for size in [70_000, 0, 100] {
            let sent = delivery(&format!("msg_{size}_{wire:?}"), noise(size));
            let reply = soon(connection.send(&sent, wire)).await.expect("an answer");
            assert_eq!(reply.status, StatusCode::OK);
            assert_same(&backend, &sent, wire);
        }
        assert!(connection.is_open());
    }
}

#[tokio::test]
async fn one_byte_over_the_limit_is_413_and_the_backend_hears_nothing() {
    let backend = Backend::start().await;
    let gateway = limited(&backend).await;
    for wire in Wire::ALL {
        let reply = gateway.send(&delivery("msg_1", noise(LIMIT + 1)), wire).await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"));
    }
    assert_eq!(backend.connections(), 0);
    assert!(gateway.count("refused", "body_too_large").await >= 4.0);
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_before_it_comes() {
    let backend = Backend::start().await;
    let gateway = limited(&backend).await;
    let mut raw = Raw::open(gateway.address).await;
    raw.write(format!("{}content-length: {}\r\n\r\n", delivery("msg_1", "").head(), LIMIT + 1)).await;
    let reply = raw.answer().await.expect("an answer without a byte of the body");
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn all_bodies_share_a_budget_and_what_is_over_it_is_told_to_come_back() {
    let backend = Backend::start().await;
    let routes = [SOURCE, &route(&backend, "body_limit = \"300KB\"")].concat();
    let gateway = Gateway::start_with("body_budget = \"400KB\"", &routes, &[]).await;
    let (slow, next) = (delivery("msg_slow", noise(250_000)), delivery("msg_next", noise(200_000)));
    let mut raw = Raw::open(gateway.address).await;
    let bytes = slow.bytes();
    raw.write(&bytes[..bytes.len() - 1]).await;
    let held = f64::from(u32::try_from(slow.body.len() - 1).expect("small"));
    until("the slow one is held", async || gateway.metric("countersign_body_bytes").await >= Some(held)).await;
    let reply = send(gateway.address, &next, Wire::Http1Length).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "over_budget"));
    assert!(reply.header("retry-after").is_some());
    raw.write(&bytes[bytes.len() - 1..]).await;
    assert_eq!(raw.answer().await.expect("an answer").status, StatusCode::OK);
    assert_eq!(send(gateway.address, &next, Wire::Http1Length).await.status, StatusCode::OK);
    // The head of a request may be counted until just after its response is written.
    until("nothing is held", async || gateway.metric("countersign_body_bytes").await == Some(0.0)).await;
}

#[tokio::test]
async fn chunks_of_one_byte_extensions_and_trailers_leave_nothing_behind() {
    let backend = Backend::start().await;
    let gateway = limited(&backend).await;
    let sent = delivery("msg_1", noise(600));
    let mut raw = Raw::open(gateway.address).await;
    raw.write(format!("{}transfer-encoding: chunked\r\ntrailer: x-late\r\n\r\n", sent.head())).await;
    for byte in &sent.body {
        raw.write([b"1;name=\"value\"\r\n".as_slice(), &[*byte], b"\r\n"].concat()).await;
    }
    raw.write("0\r\nx-late: 1\r\ncountersign-verdict: forged\r\n\r\n").await;
    assert_eq!(raw.answer().await.expect("an answer").status, StatusCode::OK);
    assert_same(&backend, &sent, Wire::Http1Chunked);
    let seen = backend.has_seen(1).await;
    assert_eq!(seen.header("countersign-verdict"), Some("verified"));
    for name in ["x-late", "trailer", "te", "transfer-encoding"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
}
