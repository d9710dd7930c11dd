//! Upstreams that fail: which of them are left out, where retries go, and what is shown of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::common::{
    Answer, Backend, Gateway, InProcess, Peer, Running, SOURCE, Upstream, Wire, delivery, free_address, route_to, until,
};
use http::StatusCode;

const WIRE: Wire = Wire::Http1Length;
/// Enough for a response on loopback, and short enough to wait for several times.
const TIMEOUT: &str = "upstream_timeout = \"300ms\"\n";

/// Reads requests, and never responds.
async fn hung() -> Upstream {
    Upstream::start(|_, mut peer: Peer| async move {
        peer.request().await;
        peer.hold().await;
    })
    .await
}

/// Closes the connection after each request.
async fn closing() -> Upstream {
    Upstream::start(|_, mut peer: Peer| async move { drop(peer.request().await) }).await
}

fn before(upstreams: &[SocketAddr], more: &str) -> InProcess {
    InProcess::before_upstreams(upstreams, &[TIMEOUT, more].concat())
}

/// Delivers the message with this id.
async fn status(gateway: &InProcess, id: &str) -> u16 {
    gateway.send(&delivery(id, "{}"), WIRE).await.status.as_u16()
}

async fn gauge(gateway: &impl Running, name: &str, upstream: SocketAddr) -> Option<f64> {
    gateway.metric(&format!("countersign_upstream_{name}{{upstream=\"{upstream}\"}}")).await
}

async fn requests(gateway: &impl Running, upstream: SocketAddr, result: &str) -> Option<f64> {
    let labels = format!("{{upstream=\"{upstream}\",result=\"{result}\"}}");
    gateway.metric(&format!("countersign_upstream_requests_total{labels}")).await
}

#[tokio::test]
async fn a_hung_upstream_is_ejected_after_three_timeouts() {
    let (hung, good) = (hung().await, Backend::start().await);
    let gateway = before(&[hung.address, good.address()], "");
    assert_eq!(gauge(&gateway, "ejected", hung.address).await, Some(0.0));
    let mut statuses = Vec::new();
    for n in 0..20 {
        statuses.push(status(&gateway, &format!("msg_{n}")).await);
    }
    let failed = statuses.iter().filter(|status| **status == 504).count();
    assert_eq!((failed, hung.ids().len(), good.seen().len()), (3, 3, 17), "{statuses:?}");
    assert!(statuses[6..].iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(gauge(&gateway, "ejected", hung.address).await, Some(1.0));
    assert_eq!(gauge(&gateway, "ejected", good.address()).await, Some(0.0));
    assert_eq!(gauge(&gateway, "addresses", hung.address).await, Some(1.0));
    assert_eq!(requests(&gateway, hung.address, "timeout").await, Some(3.0));
    assert_eq!(requests(&gateway, hung.address, "2xx").await, Some(0.0));
    assert_eq!(requests(&gateway, good.address(), "2xx").await, Some(17.0));
    let warnings = gateway.warnings();
    let ejected: Vec<_> = warnings.iter().filter(|line| line.contains("ejected for 10s")).collect();
    assert!(ejected.len() == 1 && ejected[0].contains(&hung.address.to_string()), "{warnings:?}");
}

#[tokio::test]
async fn an_ejected_upstream_that_responds_again_is_used_again() {
    let is_up = Arc::new(AtomicBool::new(false));
    let answers = Arc::clone(&is_up);
    let flaky =
        Backend::scripted(move |_| if answers.load(Ordering::SeqCst) { Answer::Status(200) } else { Answer::Close });
    let (flaky, good) = (flaky.await, Backend::start().await);
    let gateway = before(&[flaky.address(), good.address()], "eject = { after = 2, for = \"50ms\" }");
    let mut n = 0;
    let mut send = async || {
        n += 1;
        status(&gateway, &format!("msg_{n}")).await
    };
    until("it is ejected", async || {
        send().await;
        gauge(&gateway, "ejected", flaky.address()).await == Some(1.0)
    })
    .await;
    is_up.store(true, Ordering::SeqCst);
    until("it is used again", async || {
        assert_eq!(send().await, 200);
        gauge(&gateway, "ejected", flaky.address()).await == Some(0.0)
    })
    .await;
    assert!(gateway.output().contains("the upstream responds again and is used again"), "{}", gateway.output());
    let seen = flaky.seen().len();
    for _ in 0..4 {
        assert_eq!(send().await, 200);
    }
    assert_eq!(flaky.seen().len(), seen + 2);
}

#[tokio::test]
async fn upstreams_that_are_all_ejected_are_all_used() {
    let (one, other) = (closing().await, closing().await);
    let gateway = before(&[one.address, other.address], "eject = { after = 1, for = \"1h\", max = \"1h\" }");
    for n in 0..10 {
        assert_eq!(status(&gateway, &format!("msg_{n}")).await, 502);
    }
    assert_eq!((one.ids().len(), other.ids().len()), (5, 5));
    for upstream in [&one, &other] {
        assert_eq!(gauge(&gateway, "ejected", upstream.address).await, Some(1.0));
        assert_eq!(requests(&gateway, upstream.address, "closed").await, Some(5.0));
    }
}

#[tokio::test]
async fn nothing_is_ejected_for_its_status_or_without_a_choice() {
    let failing = Backend::scripted(|_| Answer::Status(503)).await;
    let good = Backend::start().await;
    let gateway = before(&[failing.address(), good.address()], "eject = { after = 1 }");
    for n in 0..10 {
        status(&gateway, &format!("msg_{n}")).await;
    }
    assert_eq!((failing.seen().len(), good.seen().len()), (5, 5));
    assert_eq!(requests(&gateway, failing.address(), "5xx").await, Some(5.0));

    let only = closing().await;
    for (upstreams, more) in
        [(&[only.address][..], "eject = { after = 1 }"), (&[only.address, good.address()], "eject = { after = 0 }")]
    {
        let gateway = before(upstreams, more);
        for n in 0..10 {
            status(&gateway, &format!("msg_{n}")).await;
        }
        assert_eq!(gauge(&gateway, "ejected", only.address).await, Some(0.0), "{more}");
        assert!(!gateway.output().contains("is ejected"), "{}", gateway.output());
    }
    assert_eq!(only.ids().len(), 15);
}

#[tokio::test]
async fn the_retry_of_a_message_goes_to_another_upstream() {
    let failing = Backend::scripted(|_| Answer::Status(503)).await;
    let (closing, good) = (closing().await, Backend::start().await);
    for (bad, expected) in [(failing.address(), 503), (closing.address, 502)] {
        let gateway = before(&[bad, good.address()], "eject = { after = 0 }");
        let mut failed = 0;
        for n in 0..12 {
            if status(&gateway, &format!("msg_{n}")).await == expected {
                failed += 1;
                // Takes the turn of the upstream that works, so the failed one is next.
                assert_eq!(status(&gateway, &format!("msg_between_{n}")).await, 200);
                assert_eq!(status(&gateway, &format!("msg_{n}")).await, 200);
            }
        }
        assert!(failed > 0);
    }
}

#[tokio::test]
async fn an_idempotent_request_without_a_response_is_sent_to_another_upstream() {
    let (hung, closing, good) = (hung().await, closing().await, Backend::start().await);
    for bad in [&hung, &closing] {
        let more = "retry = \"idempotent\"\neject = { after = 0 }";
        let gateway = before(&[bad.address, good.address()], more);
        for n in 0..6 {
            assert_eq!(status(&gateway, &format!("msg_{n}")).await, 200);
        }
        assert_eq!(bad.ids().len(), 3);
    }
    assert_eq!(good.seen().len(), 12);
}

#[tokio::test]
async fn an_idempotent_request_is_sent_to_two_upstreams_at_most() {
    let (one, two, three) = (hung().await, hung().await, hung().await);
    let gateway = before(&[one.address, two.address, three.address], "retry = \"idempotent\"");
    assert_eq!(status(&gateway, "msg_1").await, 504);
    assert_eq!(one.ids().len() + two.ids().len() + three.ids().len(), 2);
    // A response is a response, whatever its status.
    let failing = Backend::scripted(|_| Answer::Status(500)).await;
    let good = Backend::start().await;
    let gateway = before(&[failing.address(), good.address()], "retry = \"idempotent\"");
    assert_eq!([status(&gateway, "msg_1").await, status(&gateway, "msg_2").await], [500, 200]);
}

/// Responds to checks with 204 or 503, and to deliveries with 200. Counts the deliveries.
async fn checked(is_healthy: Arc<AtomicBool>, deliveries: Arc<AtomicUsize>) -> Upstream {
    Upstream::start(move |_, mut peer: Peer| {
        let (is_healthy, deliveries) = (Arc::clone(&is_healthy), Arc::clone(&deliveries));
        async move {
            let Some(head) = peer.head().await else { return };
            let status = if !head.starts_with("GET ") {
                deliveries.fetch_add(1, Ordering::SeqCst);
                "200 OK"
            } else if head.starts_with("GET /healthz?full HTTP/1.1\r\n") && is_healthy.load(Ordering::SeqCst) {
                "204 No Content"
            } else {
                "503 Service Unavailable"
            };
            peer.write(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")).await;
            peer.hold().await;
        }
    })
    .await
}

#[tokio::test]
async fn an_upstream_that_fails_its_health_check_gets_no_requests() {
    let (is_healthy, deliveries) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let sick = checked(Arc::clone(&is_healthy), Arc::clone(&deliveries)).await;
    let well = checked(Arc::new(AtomicBool::new(true)), Arc::default()).await;
    let more = "health_check = { path = \"/healthz?full\", every = \"1s\", timeout = \"1s\" }";
    let gateway = Gateway::start(&[SOURCE, &route_to(&[sick.address, well.address], more)].concat()).await;
    until("it is unhealthy", async || gauge(&gateway, "unhealthy", sick.address).await == Some(1.0)).await;
    until("the other one is healthy", async || gauge(&gateway, "unhealthy", well.address).await == Some(0.0)).await;
    let before = deliveries.load(Ordering::SeqCst);
    for n in 0..10 {
        assert_eq!(gateway.send(&delivery(&format!("msg_{n}"), "{}"), WIRE).await.status, StatusCode::OK);
    }
    assert_eq!(deliveries.load(Ordering::SeqCst), before);
    assert!(gateway.output().contains("the upstream fails its health check"), "{}", gateway.output());
    assert!(gateway.output().contains("503"), "{}", gateway.output());

    is_healthy.store(true, Ordering::SeqCst);
    let mut n = 10;
    until("it gets deliveries again", async || {
        n += 1;
        gateway.send(&delivery(&format!("msg_{n}"), "{}"), WIRE).await;
        deliveries.load(Ordering::SeqCst) > before
    })
    .await;
}

#[tokio::test]
async fn a_route_without_an_address_is_not_ready() {
    let text = route_to(&[free_address()], "").replace("http://127.0.0.1", "http://backend.invalid");
    let gateway = InProcess::start(&[SOURCE, &text].concat());
    let reply = gateway.get("/readyz").await;
    let body = String::from_utf8(reply.body.to_vec()).expect("text");
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.starts_with("no address of an upstream for /hook (backend.invalid:"), "{body}");
    let reply = gateway.send(&delivery("msg_1", "{}"), WIRE).await;
    assert_eq!((reply.status, reply.code().as_str()), (StatusCode::BAD_GATEWAY, "upstream_unreachable"));
}
