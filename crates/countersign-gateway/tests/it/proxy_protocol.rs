//! A proxy announces the address of the client with the PROXY protocol.

#![expect(clippy::float_cmp, reason = "counters are whole numbers")]

use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::{
    Backend, Delivery, Front, Gateway, Running, SOURCE, Wire, delivery, free_address, noise, route, send, soon, until,
};

async fn gateway(server: &str) -> (Gateway, Backend) {
    let backend = Backend::start().await;
    let sources_and_routes = [SOURCE, &route(&backend, "")].concat();
    (Gateway::listening("proxy_protocol = true", server, &sources_and_routes).await, backend)
}

fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("a header").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n".as_slice(), &[command, family], &length, rest].concat()
}

/// The delivery as bytes of HTTP/1.1, after which the gateway closes the connection.
fn wire(delivery: &Delivery) -> Vec<u8> {
    delivery.clone().set("connection", "close").bytes()
}

/// Writes these pieces, and returns everything that the gateway sends until it closes the connection.
async fn exchange(gateway: &Gateway, pieces: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    stream.set_nodelay(true).expect("a TCP stream");
    for piece in pieces {
        stream.write_all(piece).await.expect("the gateway reads");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut all = Vec::new();
    let _ = soon(stream.read_to_end(&mut all)).await;
    String::from_utf8_lossy(&all).into_owned()
}

async fn malformed(gateway: &Gateway) -> f64 {
    let labels = "{route=\"none\",outcome=\"refused\",reason=\"malformed_proxy_header\"}";
    gateway.metric(&format!("countersign_requests_total{labels}")).await.unwrap_or(0.0)
}

#[tokio::test]
async fn the_announced_address_reaches_the_backend_and_the_log() {
    let (gateway, backend) = gateway("").await;
    let v4 = [192, 0, 2, 7, 192, 0, 2, 2, 0, 80, 1, 187];
    let headers: [(Vec<u8>, &str); 5] = [
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n".to_vec(), "192.0.2.1"),
        (b"PROXY TCP6 2001:db8::1 ::1 40000 443\r\n".to_vec(), "2001:db8::1"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (v2(0x21, 0x11, &[v4.as_slice(), &[4; 300]].concat()), "192.0.2.7"),
        (v2(0x20, 0x11, &v4), "127.0.0.1"),
    ];
    for (n, (header, address)) in headers.iter().enumerate() {
        for (is_split, way) in [(false, "together"), (true, "split")] {
            let sent = delivery(&format!("msg_{n}_{way}"), noise(100));
            let all = [header.as_slice(), &wire(&sent)].concat();
            let pieces = if is_split { all.chunks(7).collect() } else { vec![all.as_slice()] };
            let reply = exchange(&gateway, &pieces).await;
            assert!(reply.starts_with("HTTP/1.1 200 "), "{n} {way}: {reply}");
            let seen = backend.seen().pop().expect("a request");
            assert_eq!((seen.id(), seen.header("x-forwarded-for")), (sent.id(), Some(*address)));
        }
    }
    let output = gateway.output();
    for address in ["192.0.2.1", "2001:db8::1", "192.0.2.7"] {
        assert!(output.contains(address), "{output}");
    }
}

#[tokio::test]
async fn a_connection_without_a_valid_header_is_closed_without_a_response() {
    let (gateway, backend) = gateway("").await;
    let plain = wire(&delivery("msg_plain", noise(10)));
    let wrong = [b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n".as_slice(), &plain].concat();
    let datagram = [v2(0x21, 0x12, &[0; 12]), plain.clone()].concat();
    for bytes in [&plain, &wrong, &datagram] {
        assert_eq!(exchange(&gateway, &[bytes.as_slice()]).await, "");
    }
    // A connection is counted a moment after it was closed.
    until("all are counted", async || malformed(&gateway).await == 3.0).await;
    assert!(backend.seen().is_empty());
}

#[tokio::test]
async fn a_header_must_arrive_in_time() {
    let (gateway, _backend) = gateway("head_timeout = \"300ms\"").await;
    assert_eq!(exchange(&gateway, &[b"PROXY TCP4 192.0"]).await, "");
    assert_eq!(exchange(&gateway, &[]).await, "");
    // Time that the header took is not granted again to the head of the request.
    let mut stream = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    stream.write_all(b"PROXY UNKNOWN\r\n").await.expect("the gateway reads");
    let mut all = Vec::new();
    let _ = soon(stream.read_to_end(&mut all)).await;
    let late = "countersign_requests_total{route=\"none\",outcome=\"refused\",reason=\"head_timeout\"}";
    let idle = "countersign_connections_closed_total{reason=\"idle_timeout\"}";
    until("one is late", async || gateway.metric(late).await == Some(1.0)).await;
    until("two are idle", async || gateway.metric(idle).await == Some(2.0)).await;
    assert_eq!(malformed(&gateway).await, 0.0);
}

#[tokio::test]
async fn haproxy_announces_its_clients_in_both_versions() {
    for directive in ["send-proxy", "send-proxy-v2", "send-proxy-v2 check"] {
        let (gateway, backend) = gateway("").await;
        let folder = tempfile::tempdir().expect("a folder");
        let address = free_address();
        let text = format!(
            "global\n maxconn 64\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n\
             frontend front\n bind {address}\n default_backend gateway\n\
             backend gateway\n source 127.0.0.2\n server one {} {directive}\n",
            gateway.address
        );
        let config = folder.path().join("haproxy.cfg");
        std::fs::write(&config, text).expect("a file");
        let config = config.display().to_string();
        let Some(front) = Front::start("haproxy", &["-f", &config, "-db"], address).await else { return };
        for wire in Wire::ALL {
            let sent = delivery(&format!("msg_{wire:?}"), noise(1000));
            assert_eq!(send(front.address, &sent, wire).await.status, StatusCode::OK, "{directive}");
            until("the backend sees it", async || backend.seen().iter().any(|seen| seen.id() == sent.id())).await;
            let seen = backend.seen().pop().expect("a request");
            // Without the header it would be the address that the proxy connects from.
            assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"), "{directive}");
        }
        assert_eq!(malformed(&gateway).await, 0.0, "{directive}");
    }
}
