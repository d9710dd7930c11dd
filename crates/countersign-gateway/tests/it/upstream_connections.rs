//! Connections to backends: when they are reused, and when a request is sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{Backend, InProcess, Peer, Reply, Upstream, Wire, delivery};
use http::StatusCode;

const WIRE: Wire = Wire::Http1Length;
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn deliver(gateway: &InProcess, id: &str) -> Reply {
    gateway.send(&delivery(id, "{}"), WIRE).await
}

/// How an upstream ends a connection.
#[derive(Clone, Copy, Debug)]
enum End {
    Close,
    Reset,
    Write(&'static str),
}

/// An upstream that responds to the first request of each connection, reads the second one, and ends the connection
/// like this. Connections from number `good` on respond to every request.
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
async fn a_connection_is_reused_for_the_next_delivery() {
    let upstream = Upstream::start(|_, mut peer: Peer| async move {
        while peer.request().await.is_some() {
            peer.write(OK).await;
        }
    })
    .await;
    let gateway = InProcess::before_upstreams(&[upstream.address], "upstream_idle_timeout = \"1m\"");
    for n in 0..20 {
        assert_eq!(deliver(&gateway, &format!("msg_{n}")).await.status, StatusCode::OK);
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_request_is_sent_again_when_a_reused_connection_closed_without_a_byte() {
    for end in [End::Close, End::Reset] {
        let upstream = ending(end, 1).await;
        let gateway = InProcess::before_upstreams(&[upstream.address], "upstream_idle_timeout = \"1m\"");
        assert_eq!(deliver(&gateway, "msg_1").await.status, StatusCode::OK, "{end:?}");
        assert_eq!(deliver(&gateway, "msg_2").await.status, StatusCode::OK, "{end:?}");
        assert_eq!(upstream.ids(), ["msg_1", "msg_2", "msg_2"], "{end:?}");
        assert_eq!((upstream.connections(), gateway.warnings().len()), (2, 0), "{end:?}");
        assert_eq!(deliver(&gateway, "msg_2").await.outcome(), Some("duplicate"));
    }
}

#[tokio::test]
async fn a_request_is_sent_again_once_and_only_once() {
    let upstream = ending(End::Close, usize::MAX).await;
    let gateway = InProcess::before_upstreams(&[upstream.address], "upstream_idle_timeout = \"1m\"");
    assert_eq!(deliver(&gateway, "msg_1").await.status, StatusCode::OK);
    let reply = deliver(&gateway, "msg_2").await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_GATEWAY, "upstream_unreachable"));
    assert_eq!(upstream.ids(), ["msg_1", "msg_2", "msg_2"]);
    assert_eq!(gateway.warnings().len(), 1, "{:?}", gateway.warnings());
}

#[tokio::test]
async fn a_request_that_is_sent_again_uses_no_other_idle_connection() {
    // All connections are idle before the upstream closes each at its second request.
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
    let gateway = InProcess::before_upstreams(&[upstream.address], "upstream_idle_timeout = \"1m\"");
    let sending = (0..8).map(|n| tokio::spawn(gateway.send(&delivery(&format!("msg_{n}"), "{}"), WIRE)));
    for sent in sending.collect::<Vec<_>>() {
        assert_eq!(sent.await.expect("no panic").status, StatusCode::OK);
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
        let gateway = InProcess::before_upstreams(&[upstream.address], "upstream_idle_timeout = \"1m\"");
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
        let gateway = InProcess::before_upstreams(&[upstream.address, other.address()], "");
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
    // The upstream stops while it has the request.
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener");
    let serving = tokio::spawn(async move {
        let mut stream = loop {
            // Skips connections without a request, which health checks open.
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
    let gateway = InProcess::before_upstreams(&[address, other.address()], "upstream_idle_timeout = \"1m\"");
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
    // Without `connection: close`, so that the gateway has to notice by itself.
    let upstream = Upstream::start(|_, mut peer: Peer| async move {
        if peer.request().await.is_some() {
            peer.write(OK).await;
        }
    })
    .await;
    let gateway = InProcess::before_upstreams(&[upstream.address], "upstream_idle_timeout = \"1m\"");
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
        let gateway = InProcess::before_upstreams(&[upstream.address], "upstream_idle_timeout = \"1m\"");
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
            // An unexpected response, which must not become the response to the next request.
            tokio::time::sleep(Duration::from_millis(20)).await;
            peer.write("HTTP/1.1 500 Poison\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    let gateway = InProcess::before_upstreams(&[upstream.address], "upstream_idle_timeout = \"1m\"");
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
    let gateway = InProcess::before_upstreams(&[upstream.address], "upstream_idle_timeout = \"200ms\"");
    assert_eq!(deliver(&gateway, "msg_1").await.status, StatusCode::OK);
    upstream.has_lost(1).await;
    // Once more, because closing must not stop after the first time.
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
    let gateway = InProcess::before_upstreams(&[upstream.address], "");
    assert_eq!(deliver(&gateway, "msg_1").await.status, StatusCode::OK);
    upstream.has_lost(1).await;
}
