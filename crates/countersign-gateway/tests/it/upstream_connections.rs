//! Connections to backends: when they are reused, when a request is sent again, and what ends them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{
    Backend, Connection, Gateway, Peer, Raw, Reply, SOURCE, Upstream, Wire, delivery, free_address, noise, route_to,
    send, soon, until,
};
use http::StatusCode;
use tokio::net::TcpSocket;

const WIRE: Wire = Wire::Http1Length;
const WIRES: [Wire; 2] = [Wire::Http1Length, Wire::Http2Length];
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A gateway before these upstreams, on one thread: all its requests share one pool of connections.
async fn before(upstreams: &[SocketAddr], more: &str) -> Gateway {
    let text = [SOURCE, &route_to(upstreams, more)].concat();
    Gateway::start_with("threads = 1\n", &text, &["--log", "text"]).await
}

async fn deliver(gateway: &Gateway, id: &str) -> Reply {
    send(gateway.address, &delivery(id, "{}"), WIRE).await
}

fn warnings(gateway: &Gateway) -> Vec<String> {
    let output = gateway.output();
    output.lines().filter(|line| line.contains(" WARN ")).map(str::to_owned).collect()
}

/// How an upstream ends a connection.
#[derive(Clone, Copy, Debug)]
enum End {
    Close,
    Reset,
    Write(&'static str),
}

/// An upstream that responds to the first request of each connection, reads the second one, and ends the
/// connection like this, but for the connections from number `good` on, which respond to everything.
async fn ending(end: End, good: usize) -> Upstream {
    Upstream::start(move |number, mut peer: Peer| async move {
        let mut requests = 0;
        while peer.request().await.is_some() {
            requests += 1;
            if number < good && (requests > 1 || number > 0) {
                match end {
                    End::Close => {}
                    End::Reset => peer.reset(),
                    End::Write(bytes) => drop(peer.write(bytes).await),
                }
                return;
            }
            peer.write(OK).await;
        }
    })
    .await
}

#[tokio::test]
async fn deliveries_that_would_need_too_many_files_are_told_to_come_back() {
    use rustix::process::{Resource, getrlimit};
    // All but one of the files that connections may have are for senders, which leaves one for upstreams.
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
async fn a_connection_is_reused_for_the_next_delivery() {
    let upstream = Upstream::start(|_, mut peer: Peer| async move {
        while peer.request().await.is_some() {
            peer.write(OK).await;
        }
    })
    .await;
    let gateway = before(&[upstream.address], "upstream_idle_timeout = \"1m\"").await;
    for n in 0..20 {
        assert_eq!(deliver(&gateway, &format!("msg_{n}")).await.status, StatusCode::OK);
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_request_is_sent_again_when_a_reused_connection_closed_without_a_byte() {
    for end in [End::Close, End::Reset] {
        let upstream = ending(end, 1).await;
        let gateway = before(&[upstream.address], "upstream_idle_timeout = \"1m\"").await;
        assert_eq!(deliver(&gateway, "msg_1").await.status, StatusCode::OK, "{end:?}");
        assert_eq!(deliver(&gateway, "msg_2").await.status, StatusCode::OK, "{end:?}");
        assert_eq!(upstream.ids(), ["msg_1", "msg_2", "msg_2"], "{end:?}");
        assert_eq!((upstream.connections(), warnings(&gateway).len()), (2, 0), "{end:?}");
        assert_eq!(deliver(&gateway, "msg_2").await.outcome(), Some("duplicate"));
    }
}

#[tokio::test]
async fn a_request_is_sent_again_once_and_only_once() {
    let upstream = ending(End::Close, usize::MAX).await;
    let gateway = before(&[upstream.address], "upstream_idle_timeout = \"1m\"").await;
    assert_eq!(deliver(&gateway, "msg_1").await.status, StatusCode::OK);
    let reply = deliver(&gateway, "msg_2").await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_GATEWAY, "upstream_unreachable"));
    assert_eq!(upstream.ids(), ["msg_1", "msg_2", "msg_2"]);
    assert_eq!(warnings(&gateway).len(), 1, "{:?}", warnings(&gateway));
}

#[tokio::test]
async fn a_request_that_is_sent_again_uses_no_other_idle_connection() {
    // All connections are idle when the upstream begins to close each at its second request.
    let held = Arc::new(AtomicUsize::new(0));
    let holding = Arc::clone(&held);
    let upstream = Upstream::start(move |number, mut peer: Peer| {
        let held = Arc::clone(&holding);
        async move {
            peer.request().await;
            // The first eight wait for each other, so that there are eight connections.
            held.fetch_add(1, Ordering::SeqCst);
            while number < 8 && held.load(Ordering::SeqCst) < 8 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            peer.write(OK).await;
            peer.request().await;
        }
    })
    .await;
    let gateway = before(&[upstream.address], "upstream_idle_timeout = \"1m\"").await;
    let address = gateway.address;
    let sending = (0..8)
        .map(|n| tokio::spawn(async move { send(address, &delivery(&format!("msg_{n}"), "{}"), WIRE).await.status }));
    for sent in sending.collect::<Vec<_>>() {
        assert_eq!(sent.await.expect("no panic"), StatusCode::OK);
    }
    assert_eq!(upstream.connections(), 8);
    assert_eq!(deliver(&gateway, "msg_again").await.status, StatusCode::OK);
    assert_eq!(upstream.ids().iter().filter(|id| *id == "msg_again").count(), 2);
    assert_eq!(upstream.connections(), 9);
}

#[tokio::test]
async fn nothing_is_sent_again_after_a_byte_of_a_response() {
    for end in ["H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 103 E\r\n\r\n", "nonsense\r\n\r\n"].map(End::Write) {
        let upstream = ending(end, usize::MAX).await;
        let gateway = before(&[upstream.address], "upstream_idle_timeout = \"1m\"").await;
        assert_eq!(deliver(&gateway, "msg_1").await.status, StatusCode::OK);
        let reply = deliver(&gateway, "msg_2").await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_GATEWAY, "upstream_malformed"), "{end:?}");
        assert_eq!(upstream.ids(), ["msg_1", "msg_2"], "{end:?}");
    }
}

#[tokio::test]
async fn nothing_is_sent_again_after_a_fresh_connection_closed() {
    for reset in [false, true] {
        let upstream = Upstream::start(move |_, mut peer: Peer| async move {
            peer.request().await;
            if reset {
                peer.reset();
            }
        })
        .await;
        let other = Backend::start().await;
        let gateway = before(&[upstream.address, other.address()], "").await;
        let mut failures = 0;
        for n in 0..4 {
            let reply = deliver(&gateway, &format!("msg_{n}")).await;
            failures += usize::from(reply.status == StatusCode::BAD_GATEWAY);
        }
        assert_eq!((failures, upstream.ids().len(), other.seen().len()), (2, 2, 2));
    }
}

#[tokio::test]
async fn a_request_that_is_sent_again_may_go_to_another_upstream() {
    // The upstream goes away for good while it has the request.
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    let serving = tokio::spawn(async move {
        let mut stream = loop {
            // Health checks connect, too, and say nothing.
            let (mut stream, _) = listener.accept().await.expect("a connection");
            if read_request(&mut stream).await {
                break stream;
            }
        };
        tokio::io::AsyncWriteExt::write_all(&mut stream, OK.as_bytes()).await.expect("the gateway reads");
        read_request(&mut stream).await;
        drop(listener);
        stop.send_replace(true);
    });
    let other = Backend::start().await;
    let gateway = before(&[address, other.address()], "upstream_idle_timeout = \"1m\"").await;
    let mut n = 0;
    while !*stopped.borrow() && n < 20 {
        n += 1;
        assert_eq!(deliver(&gateway, &format!("msg_{n}")).await.status, StatusCode::OK, "{}", gateway.output());
    }
    assert!(*stopped.borrow());
    serving.await.expect("no panic");
}

/// Reads a request whose body is `{}`; false if the connection ended first.
async fn read_request(stream: &mut tokio::net::TcpStream) -> bool {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n{}") {
        if tokio::io::AsyncReadExt::read_buf(stream, &mut read).await.unwrap_or(0) == 0 {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn a_backend_that_closes_after_each_response_loses_no_delivery() {
    // Without `connection: close`: the gateway finds out by itself.
    let upstream = Upstream::start(|_, mut peer: Peer| async move {
        if peer.request().await.is_some() {
            peer.write(OK).await;
        }
    })
    .await;
    let gateway = before(&[upstream.address], "upstream_idle_timeout = \"1m\"").await;
    for n in 0..200 {
        let reply = deliver(&gateway, &format!("msg_{n}")).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", gateway.output());
    }
    assert_eq!(upstream.ids().len(), 200);
}

#[tokio::test]
async fn a_connection_is_not_reused_after_more_than_one_response_or_an_announced_end() {
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokEXTRA",
        "HTTP/1.1 204 No Content\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nconnection: x, CLOSE\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ] {
        let upstream = Upstream::start(move |_, mut peer: Peer| async move {
            while peer.request().await.is_some() {
                peer.write(response).await;
            }
        })
        .await;
        let gateway = before(&[upstream.address], "upstream_idle_timeout = \"1m\"").await;
        for n in 0..3 {
            assert!(deliver(&gateway, &format!("msg_{n}")).await.status.is_success(), "{response:?}");
        }
        assert_eq!(upstream.connections(), 3, "{response:?}");
        upstream.has_lost(3).await;
    }
}

#[tokio::test]
async fn bytes_that_arrive_on_an_idle_connection_are_no_response() {
    let upstream = Upstream::start(|_, mut peer: Peer| async move {
        while peer.request().await.is_some() {
            peer.write(OK).await;
            // Late, and nobody asked: it must not become the response to the next request.
            tokio::time::sleep(Duration::from_millis(20)).await;
            peer.write("HTTP/1.1 500 Poison\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    let gateway = before(&[upstream.address], "upstream_idle_timeout = \"1m\"").await;
    for n in 0..3 {
        assert_eq!(deliver(&gateway, &format!("msg_{n}")).await.status, StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(upstream.connections(), 3);
}

#[tokio::test]
async fn idle_connections_are_closed_without_traffic() {
    let upstream = Upstream::start(|_, mut peer: Peer| async move {
        while peer.request().await.is_some() {
            peer.write(OK).await;
        }
    })
    .await;
    let gateway = before(&[upstream.address], "upstream_idle_timeout = \"200ms\"").await;
    assert_eq!(deliver(&gateway, "msg_1").await.status, StatusCode::OK);
    upstream.has_lost(1).await;
    // And again: what closes them does not stop after the first time.
    assert_eq!(deliver(&gateway, "msg_2").await.status, StatusCode::OK);
    upstream.has_lost(2).await;
}

#[tokio::test]
async fn idle_connections_are_closed_soon_by_default() {
    let upstream = Upstream::start(|_, mut peer: Peer| async move {
        while peer.request().await.is_some() {
            peer.write(OK).await;
        }
    })
    .await;
    let gateway = before(&[upstream.address], "").await;
    assert_eq!(deliver(&gateway, "msg_1").await.status, StatusCode::OK);
    upstream.has_lost(1).await;
}

#[tokio::test]
async fn an_upstream_that_accepts_nothing_is_passed_over_after_the_connect_timeout() {
    // Its queue of connections is full: what comes now gets no reply.
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
    let gateway = before(&[full, backend.address()], "connect_timeout = \"100ms\"\nupstream_timeout = \"20s\"").await;
    for n in 0..6 {
        assert_eq!(deliver(&gateway, &format!("msg_{n}")).await.status, StatusCode::OK, "{}", gateway.output());
    }
    let alone = before(&[full], "connect_timeout = \"100ms\"\nupstream_timeout = \"20s\"").await;
    let reply = deliver(&alone, "msg_alone").await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_GATEWAY, "upstream_unreachable"));
    let lines = warnings(&alone);
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
        let gateway = before(&[upstream.address], "upstream_timeout = \"500ms\"").await;
        let reply = deliver(&gateway, "msg_1").await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (StatusCode::GATEWAY_TIMEOUT, "upstream_timeout"),
            "{bytes:?}"
        );
        upstream.has_lost(1).await;
        let lines = warnings(&gateway);
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
        let gateway = before(&[upstream.address], "").await;
        let reply = deliver(&gateway, "msg_1").await;
        assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_GATEWAY, "upstream_malformed"), "{bytes:?}");
        upstream.has_lost(1).await;
    }
}

/// An upstream that sends a head with this status and a part of the body, and nothing more.
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
        let gateway = before(&[upstream.address], "upstream_timeout = \"500ms\"").await;
        for (n, wire) in WIRES.into_iter().enumerate() {
            let sent = delivery(&format!("msg_{n}"), "{}");
            let reply = soon(async { Connection::open(gateway.address, wire).await?.send(&sent, wire).await }).await;
            assert!(reply.is_none(), "{head:?}, {wire:?}: {reply:?}");
            upstream.has_lost(n + 1).await;
        }
        let lines = warnings(&gateway);
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
    let gateway = before(&[upstream.address], "upstream_timeout = \"1s\"").await;
    let reply = deliver(&gateway, "msg_1").await;
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::OK, &b"xxxxxxxxxx"[..]));
}

#[tokio::test]
async fn a_backend_that_responds_before_it_has_the_body_is_heard() {
    for close in [false, true] {
        let upstream = Upstream::start(move |_, mut peer: Peer| async move {
            peer.head().await;
            peer.write("HTTP/1.1 413 Too Large\r\ncontent-length: 9\r\n\r\ntoo large").await;
            // With bytes that it has not read, its end is a reset.
            if !close {
                tokio::time::sleep(Duration::from_mins(1)).await;
            }
        })
        .await;
        let gateway = before(&[upstream.address], "body_limit = \"20MiB\"\nupstream_idle_timeout = \"1m\"").await;
        for n in 0..2 {
            let sent = delivery(&format!("msg_{n}"), noise(10_000_000));
            let reply = send(gateway.address, &sent, WIRE).await;
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
    let gateway = before(&[down], "").await;
    assert_eq!(deliver(&gateway, "msg_1").await.code(), "upstream_unreachable");
    let lines = warnings(&gateway);
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
    until("it is logged", async || gateway.output().contains("becomes unhealthy")).await;
    let lines = warnings(&gateway);
    let line = lines.iter().find(|line| line.contains("becomes unhealthy")).expect("a line");
    assert!(line.contains(&format!("the upstream {down} at {down}")) && line.contains("Connection refused"), "{line}");
    assert!(line.len() < 250, "{line}");
}
