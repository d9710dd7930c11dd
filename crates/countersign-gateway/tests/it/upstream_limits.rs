//! Timeouts and limits for backends, and how an exchange ends that reaches one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{
    Backend, Gateway, InProcess, Peer, Raw, Reply, Running, SOURCE, Upstream, Wire, delivery, free_address, noise,
    read, route_to, until,
};
use http::StatusCode;
use tokio::net::TcpSocket;

const WIRE: Wire = Wire::Http1Length;

/// A gateway as a process before these upstreams, on one thread: all its requests share one pool of connections.
async fn before(upstreams: &[SocketAddr], more: &str) -> Gateway {
    let text = [SOURCE, &route_to(upstreams, more)].concat();
    Gateway::start_with("threads = 1\n", &text, &["--log", "text"]).await
}

async fn deliver(gateway: &impl Running, id: &str) -> Reply {
    gateway.send(&delivery(id, "{}"), WIRE).await
}

#[tokio::test]
async fn deliveries_that_would_need_too_many_files_are_told_to_come_back() {
    use rustix::process::{Resource, getrlimit};
    // Senders may use all files for connections but one, which leaves one for upstreams.
    let files = getrlimit(Resource::Nofile).maximum.expect("a limit on open files");
    let senders = usize::try_from(files).expect("a number") - (128 + 64 + 16) - 1;
    let (backend, tell) = Backend::holding().await;
    let server = format!("threads = 1\nmax_connections = {senders}");
    let text = [SOURCE, &route_to(&[backend.address()], "connect_timeout = \"100ms\"")].concat();
    let gateway = Gateway::start_with(&server, &text, &["--log", "text"]).await;
    let mut held = Raw::open(gateway.address).await;
    held.write(delivery("msg_1", "{}").bytes()).await;
    backend.has_seen(1).await;
    let reply = deliver(&gateway, "msg_2").await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, "upstream_busy"));
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert_eq!(gateway.count("released", "upstream_busy").await.to_string(), "1");
    tell.send(200).expect("the backend waits");
    assert_eq!(held.answer().await.expect("a response").status, StatusCode::OK);
    assert_eq!(deliver(&gateway, "msg_2").await.status, StatusCode::OK);
}

#[tokio::test]
async fn deliveries_beyond_the_capacity_of_a_route_are_told_to_come_back() {
    let (backend, tell) = Backend::holding().await;
    let gateway = before(&[backend.address()], "max_in_flight = 1").await;
    let in_flight = "countersign_in_flight{route=\"/hook\"}";
    let mut held = Raw::open(gateway.address).await;
    held.write(delivery("msg_1", "{}").bytes()).await;
    backend.has_seen(1).await;
    assert_eq!(gateway.metric(in_flight).await, Some(1.0));
    let reply = deliver(&gateway, "msg_2").await;
    assert_eq!((reply.status.as_u16(), reply.code().as_str()), (503, "over_capacity"));
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert_eq!(gateway.count("released", "over_capacity").await.to_string(), "1");
    assert_eq!(backend.seen().len(), 1);
    tell.send(200).expect("the backend waits");
    assert_eq!(held.answer().await.expect("a response").status, StatusCode::OK);
    until("the slot is free", async || gateway.metric(in_flight).await == Some(0.0)).await;
    // The claim was released, so the retry is handled.
    for id in ["msg_2", "msg_3"] {
        assert_eq!(deliver(&gateway, id).await.status, StatusCode::OK);
        until("the slot is free", async || gateway.metric(in_flight).await == Some(0.0)).await;
    }
}

#[tokio::test]
async fn a_request_that_timed_out_is_not_at_the_backend_any_more() {
    let (upstream, _tell) = Backend::holding().await;
    let gateway = before(&[upstream.address()], "max_in_flight = 1\nupstream_timeout = \"300ms\"").await;
    assert_eq!(deliver(&gateway, "msg_1").await.status, StatusCode::GATEWAY_TIMEOUT);
    let in_flight = "countersign_in_flight{route=\"/hook\"}";
    until("the slot is free", async || gateway.metric(in_flight).await == Some(0.0)).await;
    assert_eq!(deliver(&gateway, "msg_2").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_upstream_that_accepts_nothing_is_passed_over_after_the_connect_timeout() {
    // Its accept queue is full, so that new connections get no reply.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let listener = socket.listen(1).expect("a listener");
    let full = listener.local_addr().expect("a bound listener");
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(full)).await
    {
        queued.push(stream);
        assert!(queued.len() < 100, "the queue is never full");
    }
    let backend = Backend::start().await;
    let gateway = InProcess::before_upstreams(
        &[full, backend.address()],
        "connect_timeout = \"100ms\"\nupstream_timeout = \"20s\"",
    );
    for n in 0..6 {
        assert_eq!(deliver(&gateway, &format!("msg_{n}")).await.status, StatusCode::OK, "{}", gateway.output());
    }
    let alone = InProcess::before_upstreams(&[full], "connect_timeout = \"100ms\"\nupstream_timeout = \"20s\"");
    let reply = deliver(&alone, "msg_alone").await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_GATEWAY, "upstream_unreachable"));
    let lines = alone.warnings();
    assert!(
        lines.len() == 1 && lines[0].contains("connect_timeout") && lines[0].contains(&full.to_string()),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_head_that_comes_too_slowly_ends_after_the_upstream_timeout() {
    for (bytes, pause) in
        [("", 0), ("HTTP/1.1 200 OK\r\nx: ", 0), ("x", 50), ("HTTP/1.1 103 E\r\nlink: </a>\r\n\r\n", 50)]
    {
        let upstream = Upstream::start(move |_, mut peer: Peer| async move {
            peer.request().await;
            if pause > 0 {
                peer.write(if bytes == "x" { "HTTP/1.1 200 OK\r\nx: " } else { "" }).await;
                peer.write_forever(bytes, Duration::from_millis(pause)).await;
            } else {
                peer.write(bytes).await;
                peer.hold().await;
            }
        })
        .await;
        let gateway = InProcess::before_upstreams(&[upstream.address], "upstream_timeout = \"500ms\"");
        let sending = tokio::spawn(gateway.send(&delivery("msg_1", "{}"), WIRE));
        upstream.has_read(1).await;
        // From now on, the order in which bytes arrive does not change the result.
        tokio::time::pause();
        let reply = sending.await.expect("no panic");
        tokio::time::resume();
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (StatusCode::GATEWAY_TIMEOUT, "upstream_timeout"),
            "{bytes:?}"
        );
        upstream.has_lost(1).await;
        let lines = gateway.warnings();
        assert!(lines.len() == 1 && lines[0].contains(&upstream.address.to_string()), "{lines:?}");
    }
}

#[tokio::test]
async fn an_endless_head_ends_at_its_limit() {
    for bytes in ["x: y\r\n", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", "y"] {
        let upstream = Upstream::start(move |_, mut peer: Peer| async move {
            peer.request().await;
            peer.write(if bytes.starts_with("HTTP") { "" } else { "HTTP/1.1 200 OK\r\nx: " }).await;
            peer.write_forever(bytes.repeat(100), Duration::ZERO).await;
        })
        .await;
        let gateway = InProcess::before_upstreams(&[upstream.address], "");
        let reply = deliver(&gateway, "msg_1").await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_GATEWAY, "upstream_malformed"), "{bytes:?}");
        upstream.has_lost(1).await;
    }
}

/// An upstream that sends this head and a part of the body, and nothing more.
async fn stalling(head: &'static str) -> Upstream {
    Upstream::start(move |_, mut peer: Peer| async move {
        peer.request().await;
        peer.write(head).await;
        peer.hold().await;
    })
    .await
}

const STALLED: [&str; 3] = [
    "HTTP/1.1 200 X\r\ncontent-length: 10\r\n\r\nhel",
    "HTTP/1.1 500 X\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n",
    "HTTP/1.1 200 X\r\n\r\nhel",
];

#[tokio::test]
async fn a_body_that_stalls_breaks_the_response_off() {
    for head in STALLED {
        let upstream = stalling(head).await;
        let gateway = InProcess::before_upstreams(&[upstream.address], "upstream_timeout = \"500ms\"");
        for (n, wire) in [Wire::Http1Length, Wire::Http2Length].into_iter().enumerate() {
            let sent = delivery(&format!("msg_{n}"), "{}");
            let response = gateway.call(wire.received(&sent)).await;
            // Nothing is sent or received from now on.
            tokio::time::pause();
            let reply = read(response).await;
            tokio::time::resume();
            assert!(reply.is_none(), "{head:?}, {wire:?}: {reply:?}");
            upstream.has_lost(n + 1).await;
        }
        let lines = gateway.warnings();
        assert!(lines.len() == 2 && lines.iter().all(|line| line.contains("upstream_timeout")), "{lines:?}");
    }
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up_when_its_sender_has_gone() {
    for head in STALLED {
        let upstream = stalling(head).await;
        let gateway = before(&[upstream.address], "upstream_timeout = \"1s\"").await;
        for n in 0..5 {
            let mut raw = Raw::open(gateway.address).await;
            raw.write(delivery(&format!("msg_{n}"), "{}").bytes()).await;
            upstream.has_read(n + 1).await;
        }
        upstream.has_lost(5).await;
    }
}

#[tokio::test]
async fn a_body_in_pieces_may_take_longer_than_the_stall_timeout() {
    let upstream = Upstream::start(|_, mut peer: Peer| async move {
        peer.request().await;
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await;
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            peer.write("x").await;
        }
        peer.hold().await;
    })
    .await;
    let gateway = InProcess::before_upstreams(&[upstream.address], "upstream_timeout = \"1s\"");
    let sending = tokio::spawn(gateway.send(&delivery("msg_1", "{}"), WIRE));
    upstream.has_read(1).await;
    // A piece that arrives one pause too late, or two, is still within the timeout.
    tokio::time::pause();
    let reply = sending.await.expect("no panic");
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b"xxxxxxxxxx"[..]));
}

#[tokio::test]
async fn a_backend_that_responds_before_it_has_the_body_is_heard() {
    for close in [false, true] {
        let upstream = Upstream::start(move |_, mut peer: Peer| async move {
            peer.head().await;
            peer.write("HTTP/1.1 413 Too Large\r\ncontent-length: 9\r\n\r\ntoo large").await;
            // Closing a connection with unread bytes resets it.
            if !close {
                tokio::time::sleep(Duration::from_mins(1)).await;
            }
        })
        .await;
        let gateway =
            InProcess::before_upstreams(&[upstream.address], "body_limit = \"20MiB\"\nupstream_idle_timeout = \"1m\"");
        for n in 0..2 {
            let sent = delivery(&format!("msg_{n}"), noise(10_000_000));
            let reply = gateway.send(&sent, WIRE).await;
            assert_eq!((reply.status.as_u16(), &reply.body[..]), (413, &b"too large"[..]), "{close}: {reply:?}");
        }
        assert_eq!(upstream.connections(), 2);
    }
}

#[tokio::test]
async fn a_response_is_read_no_faster_than_its_sender_takes_it() {
    const PIECE: usize = 64 * 1024;
    let written = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&written);
    let upstream = Upstream::start(move |_, mut peer: Peer| {
        let written = Arc::clone(&counting);
        async move {
            peer.request().await;
            peer.write("HTTP/1.1 200 OK\r\n\r\n").await;
            while peer.write(vec![7; PIECE]).await.is_some() {
                written.fetch_add(PIECE, Ordering::SeqCst);
            }
        }
    })
    .await;
    let gateway = before(&[upstream.address], "").await;
    let mut raw = Raw::open(gateway.address).await;
    raw.write(delivery("msg_1", "{}").bytes()).await;
    // Until the buffers of both connections are full.
    let mut last = 0;
    until("nothing more is written", async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        std::mem::replace(&mut last, written.load(Ordering::SeqCst)) == written.load(Ordering::SeqCst) && last > 0
    })
    .await;
    assert!(last < 64 * 1024 * 1024, "{last}");
    drop(raw);
    upstream.has_read(1).await;
}

#[tokio::test]
async fn an_upstream_that_is_down_is_named_in_one_line_with_the_cause() {
    let down = free_address();
    let gateway = InProcess::before_upstreams(&[down], "");
    assert_eq!(deliver(&gateway, "msg_1").await.code(), "upstream_unreachable");
    let lines = gateway.warnings();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in [
        "no response from the upstream",
        &format!("upstream=\"{down}\""),
        &format!("address={down}"),
        "Connection refused",
    ] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
}

#[tokio::test]
async fn a_health_check_that_fails_is_logged_readably() {
    let (down, backend) = (free_address(), Backend::start().await);
    let gateway = before(&[down, backend.address()], "").await;
    until("it is logged", async || gateway.output().contains("fails its health check")).await;
    let output = gateway.output();
    let warnings = output.lines().filter(|line| line.contains(" WARN "));
    let line = warnings.into_iter().find(|line| line.contains("fails its health check")).expect("a line");
    for part in [&format!("upstream=\"{down}\""), &format!("address={down}"), "Connection refused"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(line.len() < 250, "{line}");
}
