//! A response that is sent before the whole request has arrived reaches the sender. So does a response to a sender that
//! has closed its half of the connection.

#![expect(clippy::float_cmp, reason = "counters and gauges are whole numbers")]

use std::net::SocketAddr;
use std::time::Duration;

use crate::common::{
    Answer, Backend, Connection, Delivery, Gateway, OTHER_SECRET, Raw, Running, SECRET, SOURCE, Wire, delivery, noise,
    raw_answers, route, send, soon, until,
};
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// More bytes than fit into the buffers of two sockets, and fewer than the gateway discards.
const LONG: usize = 3_000_000;

async fn limited() -> (Gateway, Backend) {
    let backend = Backend::start().await;
    let gateway = Gateway::before_with(&backend, "body_limit = \"1MiB\"\nbody_timeout = \"2s\"").await;
    (gateway, backend)
}

/// Writes the whole request before it reads the response, as simple clients do.
async fn write_all_then_read(address: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the gateway listens");
    let writing = async {
        stream.write_all(head.as_bytes()).await?;
        for piece in body.chunks(10_000) {
            stream.write_all(piece).await?;
            tokio::task::yield_now().await;
        }
        std::io::Result::Ok(())
    };
    soon(writing).await.expect("the gateway reads on");
    let mut text = String::new();
    soon(stream.read_to_string(&mut text)).await.expect("a response, and no reset");
    text
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let chunks =
        body.chunks(50_000).map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    chunks.chain([b"0\r\n\r\n".to_vec()]).collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn an_early_rejection_reaches_a_sender_that_is_still_writing() {
    let (gateway, backend) = limited().await;
    let body = noise(LONG);
    let good = delivery("msg_1", "").head();
    let old = Delivery::signed([SECRET], -1000, "msg_1", "").head();
    let with_line = |line: &str| good.replacen("POST /hook HTTP/1.1", line, 1);
    for (case, head, status) in [
        ("too large", good.clone(), 413),
        ("too large, with an upgrade", format!("{good}upgrade: h2c\r\n"), 413),
        (
            "no route, with an upgrade",
            with_line("POST /nowhere HTTP/1.1") + "connection: upgrade\r\nupgrade: websocket\r\n",
            404,
        ),
        ("too old", old, 401),
        ("no id", delivery("msg_1", "").without("webhook-id").head(), 400),
        ("no route", with_line("POST /nowhere HTTP/1.1"), 404),
        ("no POST", with_line("PUT /hook HTTP/1.1"), 405),
        ("no host", good.replacen("host: hooks.example.com\r\n", "", 1), 400),
        ("no HTTP", with_line("POST /hook HTTP/7.1"), 400),
        ("a long head", format!("{good}x: {}\r\n", "y".repeat(100_000)), 431),
    ] {
        for is_chunked in [false, true] {
            let (framing, body) = if is_chunked {
                ("transfer-encoding: chunked".to_owned(), chunked(&body))
            } else {
                (format!("content-length: {LONG}"), body.to_vec())
            };
            let text = write_all_then_read(gateway.address, &format!("{head}{framing}\r\n\r\n"), &body).await;
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{case}, chunked {is_chunked}: {text}");
            assert!(text.to_ascii_lowercase().contains("connection: close\r\n"), "{case}: {text}");
            let length = text.to_ascii_lowercase();
            let (_, length) = length.split_once("content-length: ").expect("a length");
            let (length, _) = length.split_once("\r\n").expect("a line");
            let (_, body) = text.split_once("\r\n\r\n").expect("a body");
            assert_eq!(body.len().to_string(), length, "{case}");
        }
    }
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn a_forged_body_and_one_that_drips_get_their_responses_too() {
    let (gateway, backend) = limited().await;
    let forged = Delivery::signed([OTHER_SECRET], 0, "msg_1", noise(1_000_000));
    let text = write_all_then_read(
        gateway.address,
        &format!("{}content-length: 1000000\r\nconnection: close\r\n\r\n", forged.head()),
        &forged.body,
    )
    .await;
    assert!(text.starts_with("HTTP/1.1 401 "), "{text}");
    let mut raw = Raw::open(gateway.address).await;
    raw.write(format!("{}content-length: 100\r\n\r\n", forged.head())).await;
    for _ in 0..25 {
        raw.write("x").await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let reply = raw.answer().await.expect("a response");
    assert_eq!((reply.status, reply.header("connection")), (StatusCode::REQUEST_TIMEOUT, Some("close")));
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn no_room_in_the_budget_is_said_to_a_sender_that_is_still_writing() {
    let backend = Backend::start().await;
    let routes = [SOURCE, &route(&backend, "body_limit = \"300KiB\"")].concat();
    let gateway = Gateway::start_with("body_budget = \"400KiB\"", &routes, &[]).await;
    let mut slow = Raw::open(gateway.address).await;
    let held = delivery("msg_1", noise(300_000)).bytes();
    slow.write(&held[..250_000]).await;
    let name = "countersign_body_bytes";
    until("it is held", async || gateway.metric(name).await >= Some(200_000.0)).await;
    let next = delivery("msg_2", noise(250_000));
    let text =
        write_all_then_read(gateway.address, &format!("{}content-length: 250000\r\n\r\n", next.head()), &next.body)
            .await;
    assert!(text.starts_with("HTTP/1.1 503 ") && text.contains("retry-after"), "{text}");
}

#[tokio::test]
async fn what_is_discarded_of_a_rejected_request_is_bounded() {
    let (gateway, _backend) = limited().await;
    let head = format!("{}content-length: 1000000000\r\n\r\n", delivery("msg_1", "").head());
    // One client writes forever. Another keeps its connection open and writes nothing.
    let mut endless = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    let mut quiet = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    quiet.write_all(head.as_bytes()).await.expect("open");
    endless.write_all(head.as_bytes()).await.expect("open");
    let piece = vec![0; 1_000_000];
    let mut written = 0;
    while written < 1_000 && soon(endless.write_all(&piece)).await.is_ok() {
        written += 1;
    }
    assert!(written < 100, "{written} MB were read");
    until("both are closed", async || gateway.metric("countersign_connections_open").await == Some(0.0)).await;
    let mut text = String::new();
    quiet.read_to_string(&mut text).await.expect("a response");
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
}

#[tokio::test]
async fn a_sender_that_waits_for_100_continue_gets_the_rejection_instead() {
    let (gateway, _backend) = limited().await;
    let head = delivery("msg_1", "").without("webhook-id").head();
    let mut raw = Raw::open(gateway.address).await;
    raw.write(format!("{head}expect: 100-continue\r\ncontent-length: 100\r\n\r\n")).await;
    let reply = raw.answer().await.expect("a response");
    assert_eq!((reply.status, reply.header("connection")), (StatusCode::BAD_REQUEST, Some("close")));
    assert!(raw.answer().await.is_none());
}

#[tokio::test]
async fn a_connection_is_kept_after_a_rejection_whose_request_has_arrived() {
    let (gateway, _backend) = limited().await;
    let mut raw = Raw::open(gateway.address).await;
    for n in 0..3 {
        raw.write(delivery("msg_1", noise(5000)).without("webhook-id").bytes()).await;
        assert_eq!(raw.answer().await.expect("a response").status, StatusCode::BAD_REQUEST, "{n}");
    }
    raw.write(delivery("msg_1", "{}").bytes()).await;
    assert_eq!(raw.answer().await.expect("a response").status, StatusCode::OK);
}

#[tokio::test]
async fn an_early_rejection_on_http2_leaves_the_other_streams_their_window() {
    let (gateway, _backend) = limited().await;
    let mut connection = Connection::open(gateway.address, Wire::Http2Unannounced).await.expect("a connection");
    for n in 0..5 {
        let large = delivery(&format!("msg_{n}"), noise(LONG)).without("webhook-id");
        // The rest of the body may be reset before the response is read, or after it.
        if let Some(reply) = soon(connection.send(&large, Wire::Http2Unannounced)).await {
            assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        }
        let small = delivery(&format!("msg_small_{n}"), noise(500_000));
        let reply = soon(connection.send(&small, Wire::Http2Length)).await.expect("a response");
        assert_eq!(reply.status, StatusCode::OK, "{n}");
    }
}

#[tokio::test]
async fn a_sender_that_closes_its_half_after_a_whole_request_gets_its_response() {
    let (backend, tell) = Backend::holding().await;
    let gateway = Gateway::before(&backend).await;
    let mut raw = Raw::open(gateway.address).await;
    raw.write(delivery("msg_1", "{}").bytes()).await;
    raw.finish().await;
    backend.has_seen(1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    tell.send(200).expect("the backend waits");
    assert_eq!(raw.answer().await.expect("a response").status, StatusCode::OK);
    assert!(raw.answer().await.is_none());
    // With the whole request in one write, accepted and rejected.
    for (sent, status) in [(delivery("msg_2", "{}"), 200), (delivery("msg_3", "{}").without("webhook-id"), 400)] {
        let mut raw = Raw::open(gateway.address).await;
        raw.write(sent.bytes()).await;
        raw.finish().await;
        assert_eq!(raw.answer().await.expect("a response").status.as_u16(), status);
        assert!(raw.answer().await.is_none());
    }
    until("all are closed", async || gateway.metric("countersign_connections_open").await == Some(0.0)).await;
}

#[tokio::test]
async fn a_sender_that_has_reset_its_connection_is_noticed_while_the_backend_works() {
    let (backend, tell) = Backend::holding().await;
    let gateway = Gateway::before(&backend).await;
    let mut stream = TcpStream::connect(gateway.address).await.expect("the gateway listens");
    stream.write_all(&delivery("msg_1", "{}").bytes()).await.expect("it reads");
    backend.has_seen(1).await;
    assert_eq!(gateway.metric("countersign_connections_open").await, Some(1.0));
    stream.set_zero_linger().expect("a socket");
    drop(stream);
    until("it is noticed", async || gateway.metric("countersign_connections_open").await == Some(0.0)).await;
    assert_eq!(gateway.metric("countersign_claims_held{source=\"test\"}").await, Some(1.0));
    tell.send(200).expect("the backend waits");
    until("it is confirmed", async || gateway.count("confirmed", "").await == 1.0).await;
}

#[tokio::test]
async fn a_sender_that_closes_within_its_request_ends_it_at_once() {
    let backend = Backend::start().await;
    let gateway = Gateway::before_with(&backend, "body_timeout = \"5m\"").await;
    let head = delivery("msg_1", "").head();
    for half in [
        head.clone(),
        format!("{head}content-length: 10\r\n\r\nxyz"),
        format!("{head}transfer-encoding: chunked\r\n\r\n3\r\nxyz\r\n"),
    ] {
        let mut raw = Raw::open(gateway.address).await;
        raw.write(half).await;
        raw.finish().await;
        raw.rest().await;
    }
    until("all are closed", async || gateway.metric("countersign_connections_open").await == Some(0.0)).await;
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn a_forged_request_in_an_unusual_form_does_not_harm_the_next_one_on_its_connection() {
    let (gateway, backend) = limited().await;
    let chunked = |size: &str, end: &str| format!("transfer-encoding: chunked\r\n\r\n{size}\r\n{{}}\r\n0{end}\r\n");
    let (zeros, spaces, letters) = ("0".repeat(70), " ".repeat(70), "a".repeat(90));
    let framings = [
        format!("content-length: {zeros}2\r\n\r\n{{}}"),
        format!("content-length:{spaces}2\r\n\r\n{{}}"),
        format!("content-length: 2{spaces}\t\r\ncontent-length: 02\r\n\r\n{{}}"),
        format!("transfer-encoding:{spaces}{}", chunked("2", "\r\n").trim_start_matches("transfer-encoding:")),
        chunked(&format!("{zeros}2"), "\r\n"),
        chunked("2", &format!("{zeros}\r\n")),
        chunked(&format!("2{spaces};{letters}"), &format!(";{letters}\r\n")),
        chunked("2", "\r\nx: y\n\nPOST / HTTP/1.1\r\n"),
        chunked("2", "\r\n\n\r\n"),
    ];
    for (n, framing) in framings.iter().enumerate() {
        let forged = Delivery::signed([OTHER_SECRET], 0, "msg_forged", "{}").head();
        let next = delivery(&format!("msg_{n}"), "{}").head();
        let mut raw = Raw::open(gateway.address).await;
        raw.write(format!("{forged}{framing}")).await;
        assert_eq!(raw.answer().await.expect("a response").status, StatusCode::UNAUTHORIZED, "{framing:?}");
        raw.write(format!("{next}{}", chunked("2", "\r\n"))).await;
        let reply = raw.answer().await.expect("a response");
        assert_eq!(reply.status, StatusCode::OK, "{framing:?}: {}", reply.code());
    }
    assert_eq!(backend.seen().len(), framings.len());
}

#[tokio::test]
async fn a_head_that_can_be_read_twice_gets_400_and_is_counted() {
    let (gateway, backend) = limited().await;
    let sent = delivery("msg_1", "{}");
    let head = sent.head();
    let host = |host: &str| head.replacen("host: hooks.example.com\r\n", host, 1);
    let length = "content-length: 2\r\n\r\n{}";
    let chunks = "\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    let both = "content-length: 2\r\n";
    let mut hosts = 0.0;
    let mut framings = 0.0;
    for (request, code) in [
        (format!("{}{length}", host("")), "malformed_host"),
        (format!("{}{length}", host("host: \r\n")), "malformed_host"),
        (format!("{}{length}", host("host: a b\r\n")), "malformed_host"),
        (format!("{}{length}", host("host: h:port\r\n")), "malformed_host"),
        (format!("{}{length}", host("host: user@h\r\n")), "malformed_host"),
        (format!("{}{length}", host("host: h\r\nhost: h\r\n")), "malformed_host"),
        (format!("{}{length}", host("host: h\r\nHost: other\r\n")), "malformed_host"),
        (format!("{head}{length}").replacen("/hook", "http://other/hook", 1), "malformed_host"),
        (format!("{head}{length}").replacen("/hook", "ftp://hooks.example.com/hook", 1), "malformed_host"),
        (format!("{}{length}", host("host: 999.999.999.999\r\n")), "malformed_host"),
        (format!("{}{length}", host("host: h:0\r\n")), "malformed_host"),
        (format!("{head}transfer-encoding: chunked, chunked{chunks}"), "malformed_framing"),
        (format!("{head}transfer-encoding: identity, chunked{chunks}"), "malformed_framing"),
        (format!("{head}transfer-encoding: gzip, chunked{chunks}"), "malformed_framing"),
        (format!("{head}transfer-encoding: chunked\r\ntransfer-encoding: chunked{chunks}"), "malformed_framing"),
        (format!("{head}{both}transfer-encoding: chunked{chunks}"), "malformed_framing"),
        (format!("{head}transfer-encoding: chunked\r\n{}{chunks}", both.trim_end()), "malformed_framing"),
        (format!("{head}content-length: 0\r\ntransfer-encoding: chunked{chunks}"), "malformed_framing"),
    ] {
        // Also after a request that is read to its end.
        for before in ["", "GET /hook HTTP/1.1\r\nhost: h\r\n\r\n"] {
            let mut raw = Raw::open(gateway.address).await;
            raw.write(format!("{before}{request}")).await;
            if !before.is_empty() {
                assert_eq!(raw.answer().await.expect("a response").status, StatusCode::METHOD_NOT_ALLOWED);
            }
            let reply = raw.answer().await.expect("a response");
            assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_REQUEST, code), "{request}");
            if code == "malformed_host" { hosts += 1.0 } else { framings += 1.0 }
        }
    }
    for (reason, count) in [("malformed_host", hosts), ("malformed_framing", framings)] {
        let name = format!("countersign_requests_total{{route=\"none\",outcome=\"refused\",reason=\"{reason}\"}}");
        assert_eq!(gateway.metric(&name).await, Some(count));
    }
    // hyper responds to these without a body, and they are counted, too.
    for framing in
        ["transfer-encoding: identity\r\n\r\n", "transfer-encoding: xchunked\r\n\r\n", "content-length: x\r\n\r\n"]
    {
        assert_eq!(raw_answers(gateway.address, format!("{head}{framing}")).await, [400], "{framing}");
    }
    let old = head.replacen("HTTP/1.1", "HTTP/1.0", 1);
    assert_eq!(raw_answers(gateway.address, format!("{old}transfer-encoding: chunked{chunks}")).await, [400]);
    let name = "countersign_requests_total{route=\"none\",outcome=\"refused\",reason=\"malformed_request\"}";
    // They are counted when the connection ends, which may be after the response is read.
    until("all are counted", async || gateway.metric(name).await == Some(4.0)).await;
    // On HTTP/2, the authority and the Host header must agree.
    let mut connection = Connection::open(gateway.address, Wire::Http2Length).await.expect("a connection");
    let reply = soon(connection.send(&sent.clone().set("host", "other"), Wire::Http2Length)).await.expect("a response");
    assert_eq!(reply.code(), "malformed_host");
    assert_eq!(backend.connections(), 0);
    assert_eq!(send(gateway.address, &sent, Wire::Http1Chunked).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_backend_that_responds_while_its_body_is_unread_changes_nothing_for_the_sender() {
    let backend = Backend::answering([Answer::Status(500)]).await;
    let gateway = Gateway::before(&backend).await;
    let mut raw = Raw::open(gateway.address).await;
    for status in [500, 200] {
        raw.write(delivery("msg_1", noise(100_000)).bytes()).await;
        let reply = raw.answer().await.expect("a response");
        assert_eq!((reply.status.as_u16(), reply.header("connection")), (status, None));
    }
}
