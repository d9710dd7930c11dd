//! The handler gets exactly the signed bytes, complete, in any framing, or it does not run.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::common::{
    Client, Delivery, Failure, Framing, Handler, Server, Stack, delivery, forgery, head, noise, reply, setup, start,
};
use bytes::Bytes;
use countersign_tower::{Outcome, Rejection, VerifyLayer};
use http::StatusCode;
use http_body::{Body, Frame};
use tokio::time::{Sleep, sleep};
use tower::{Layer, ServiceExt};

const KIB_64: usize = 64 * 1024;
const LIMIT: usize = VerifyLayer::DEFAULT_BODY_LIMIT;

/// Lengths around the sizes at which buffers change, and around the limit.
const SIZES: [usize; 7] = [0, 1, KIB_64 - 1, KIB_64, KIB_64 + 1, 200_000, LIMIT];

async fn arrives(server: &Server, handler: &Handler, delivery: &Delivery, framing: Framing) {
    let before = handler.calls();
    let reply = Client::connect(server.addr).await.deliver(delivery, framing).await;
    assert_eq!((reply.status, &*reply.body), (StatusCode::OK, &b"handled"[..]), "{framing:?}");
    assert_eq!(handler.calls(), before + 1);
    let seen = handler.seen().pop().expect("it was seen");
    assert!(seen.body == delivery.body, "{framing:?}: {} bytes became {}", delivery.body.len(), seen.body.len());
    let verified = seen.verified.expect("the verdict is in the request's extensions");
    assert!(*verified.body() == delivery.body);
    assert_eq!(verified.message_id().as_str(), delivery.headers["webhook-id"]);
    assert_eq!(
        (verified.source(), verified.key_label(), verified.timestamp()),
        ("test", "secret-1", countersign::UnixTime::from_secs(crate::common::NOW))
    );
    for name in crate::common::WEBHOOK_HEADERS {
        assert_eq!(seen.headers[&name], delivery.headers[&name]);
    }
}

#[tokio::test]
async fn bodies_of_all_sizes_arrive_byte_for_byte_in_every_framing() {
    for stack in Stack::ALL {
        let (setup, handler) = (setup(), Handler::default());
        let server = start(stack, &setup.layer, &handler).await;
        for size in SIZES {
            for framing in [Framing::Length, Framing::Chunked(16_384), Framing::Chunked(size / 50 + 1)] {
                let id = format!("msg_{size}_{}", handler.calls());
                arrives(&server, &handler, &delivery(&id, noise(size)), framing).await;
            }
        }
        assert_eq!(handler.calls(), SIZES.len() * 3);
        assert!(server.reports().iter().all(|(report, _)| *report.outcome() == Outcome::Confirmed));
    }
}

#[tokio::test]
async fn bodies_in_chunks_of_one_byte_arrive() {
    for stack in Stack::ALL {
        let (setup, handler) = (setup(), Handler::default());
        let server = start(stack, &setup.layer, &handler).await;
        arrives(&server, &handler, &delivery("msg_1", noise(700)), Framing::Chunked(1)).await;
    }
}

#[tokio::test]
async fn deliveries_follow_each_other_on_one_connection() {
    for stack in Stack::ALL {
        let (setup, handler) = (setup(), Handler::default());
        let server = start(stack, &setup.layer, &handler).await;
        let mut client = Client::connect(server.addr).await;
        for (n, framing) in [Framing::Length, Framing::Chunked(10), Framing::Length].into_iter().enumerate() {
            let reply = client.deliver(&delivery(&format!("msg_{n}"), noise(100 + n)), framing).await;
            assert_eq!(reply.status, StatusCode::OK);
        }
        assert_eq!(handler.calls(), 3);
    }
}

#[tokio::test]
async fn trailers_are_not_signed_so_they_are_not_passed_on() {
    for stack in Stack::ALL {
        let (setup, handler) = (setup(), Handler::default());
        let server = start(stack, &setup.layer, &handler).await;
        let mut client = Client::connect(server.addr).await;
        let delivery = delivery("msg_1", "body").add("trailer", "x-late");
        client.send_head(&delivery, Framing::Chunked(4)).await;
        client.send("4\r\nbody\r\n0\r\nx-late: yes\r\n\r\n").await;
        assert_eq!(client.reply().await.expect("a response").status, StatusCode::OK);
        let seen = handler.seen().pop().expect("it was seen");
        assert_eq!((&*seen.body, seen.trailers), (&b"body"[..], None));
    }
}

async fn is_rejected(client: &mut Client, server: &Server, handler: &Handler, rejection: Rejection, why: &str) {
    let reply = client.reply().await.expect("a response");
    assert_eq!((reply.status, reply.code()), (rejection.status(), rejection.code().to_owned()), "{why}");
    let (report, extension) = server.reports().pop().expect("it was reported");
    assert_eq!((report.rejection(), extension), (Some(&rejection), Some(rejection)), "{why}");
    assert_eq!(handler.calls(), 0, "{why}");
}

#[tokio::test]
async fn one_byte_over_the_limit_is_too_large_in_either_framing() {
    let rejection = Rejection::BodyTooLarge { limit: 1000 };
    assert_eq!((rejection.status().as_u16(), rejection.code()), (413, "body_too_large"));
    for stack in Stack::ALL {
        let (setup, handler) = (setup(), Handler::default());
        let server = start(stack, &setup.layer.clone().body_limit(1000), &handler).await;
        let large = delivery("msg_1", noise(1001));
        // The announced length is enough to reject it: no byte is read.
        let mut client = Client::connect(server.addr).await;
        client.send_head(&large, Framing::Length).await;
        is_rejected(&mut client, &server, &handler, rejection, "content-length").await;
        // The length is unknown until the limit is exceeded.
        for size in [1001, 1000, 7] {
            let mut client = Client::connect(server.addr).await;
            client.send_head(&large, Framing::Chunked(size)).await;
            client.send_chunks(&large.body, size).await;
            is_rejected(&mut client, &server, &handler, rejection, "chunked").await;
        }
        // Truncating it at the limit does not make it authentic.
        let cut = delivery("msg_1", noise(1001).slice(..1000)).with_body(noise(1001));
        let mut client = Client::connect(server.addr).await;
        client.send_head(&cut, Framing::Chunked(1000)).await;
        client.send_chunks(&cut.body, 1000).await;
        is_rejected(&mut client, &server, &handler, rejection, "cut off").await;
        assert!(setup.store.is_empty());
    }
}

#[tokio::test]
async fn an_announced_length_cannot_overflow() {
    for stack in Stack::ALL {
        let (setup, handler) = (setup(), Handler::default());
        let server = start(stack, &setup.layer, &handler).await;
        let headers = head(&delivery("msg_1", ""), Framing::Length);
        for length in ["18446744073709551613", "9223372036854775808", "4294967296"] {
            let mut client = Client::connect(server.addr).await;
            client.send(headers.replace("content-length: 0", &format!("content-length: {length}"))).await;
            is_rejected(&mut client, &server, &handler, Rejection::BodyTooLarge { limit: LIMIT }, length).await;
        }
    }
}

// The clock is paused, and advances when all tasks wait, so no test waits ten seconds.
#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_times_out() {
    let rejection = Rejection::BodyTimeout { after: VerifyLayer::DEFAULT_BODY_TIMEOUT };
    assert_eq!((rejection.status().as_u16(), rejection.code()), (408, "body_timeout"));
    for stack in Stack::ALL {
        let (setup, handler) = (setup(), Handler::default());
        let server = start(stack, &setup.layer, &handler).await;
        let slow = delivery("msg_1", noise(1000));
        for framing in [Framing::Length, Framing::Chunked(1)] {
            let mut client = Client::connect(server.addr).await;
            client.send_head(&slow, framing).await;
            match framing {
                Framing::Length => client.send(&slow.body[..999]).await,
                // All bytes have arrived, and only the end of the body is missing.
                Framing::Chunked(_) => client.send_chunks(&slow.body, 1000).await,
            }
            is_rejected(&mut client, &server, &handler, rejection, "slow").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_timeout_covers_the_whole_body() {
    let frames = || Frames::every(Duration::from_secs(4), [noise(10), noise(20), noise(30)]);
    let body = [noise(10), noise(20), noise(30)].concat();
    for (timeout, status) in [(7, 408), (15, 408), (17, 200)] {
        let (setup, handler) = (setup(), Handler::default());
        let layer = setup.layer.body_timeout(Duration::from_secs(timeout));
        let request = delivery("msg_1", body.clone()).request_with(frames());
        let answer = layer.layer(handler.clone()).oneshot(request).await;
        assert_eq!(reply(answer.expect("no failure")).await.status.as_u16(), status, "{timeout} s");
        assert_eq!(handler.calls(), usize::from(status == 200));
    }
}

#[tokio::test]
async fn a_body_that_is_always_ready_does_not_escape_its_timeout() {
    let (setup, handler) = (setup(), Handler::default());
    let layer = setup.layer.body_timeout(Duration::from_millis(50));
    let request = delivery("msg_1", noise(10)).request_with(EmptyFrames);
    let others = tokio::spawn(async { tokio::task::yield_now().await });
    let reply = reply(layer.layer(handler.clone()).oneshot(request).await.expect("no failure")).await;
    assert_eq!((reply.status.as_u16(), handler.calls()), (408, 0));
    others.await.expect("other tasks run");
}

/// Endless empty frames, without a pause.
struct EmptyFrames;

impl Body for EmptyFrames {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
    }
}

#[tokio::test]
async fn an_incomplete_body_does_not_reach_the_handler() {
    for stack in Stack::ALL {
        let (setup, handler) = (setup(), Handler::default());
        let server = start(stack, &setup.layer, &handler).await;
        let whole = delivery("msg_1", noise(1000));
        // The signature covers less than was announced, so the part that arrives would be authentic.
        let part = Delivery { headers: delivery("msg_1", noise(1000).slice(..500)).headers, ..whole.clone() };
        let length = Framing::Length;
        let chunks = Framing::Chunked(500);
        for (why, delivery, framing, end) in [
            ("no body at all", &whole, length, ""),
            ("half a body", &part, length, "half"),
            ("no first chunk", &whole, chunks, ""),
            ("no last chunk", &part, chunks, "half"),
            ("half a chunk size", &part, chunks, "half5"),
            ("half of the last chunk", &part, chunks, "half0\r\n"),
            ("a chunk size that is none", &part, chunks, "halfzz\r\n\r\n"),
            ("a chunk that is longer than it said", &part, chunks, "half1\r\nabc\r\n0\r\n\r\n"),
            ("a chunk size that overflows", &part, chunks, "half10000000000000001\r\nabc\r\n0\r\n\r\n"),
        ] {
            let mut client = Client::connect(server.addr).await;
            client.send_head(delivery, framing).await;
            if let Some(rest) = end.strip_prefix("half") {
                match framing {
                    Framing::Length => client.send(&delivery.body[..500]).await,
                    Framing::Chunked(_) => client.send_chunks(&delivery.body[..500], 500).await,
                }
                client.send(rest).await;
            }
            client.end().await;
            // The server may respond or disconnect. Either way, it is done with the request.
            if let Some(reply) = client.reply().await {
                assert_eq!((reply.status.as_u16(), &*reply.code()), (400, "body_unreadable"), "{why}");
            }
            assert_eq!(handler.calls(), 0, "{why}");
        }
        assert!(setup.store.is_empty());
    }
}

#[tokio::test]
async fn a_body_that_fails_is_unreadable() {
    let (setup, handler) = (setup(), Handler::default());
    let request =
        delivery("msg_1", noise(10)).request_with(Frames { fail: true, ..Frames::every(Duration::ZERO, [noise(10)]) });
    let answer = setup.layer.layer(handler.clone()).oneshot(request).await;
    let reply = reply(answer.expect("the layer responds")).await;
    assert_eq!((reply.status.as_u16(), &*reply.code()), (400, "body_unreadable"));
    assert_eq!(reply.extensions.get(), Some(&Rejection::BodyUnreadable));
    assert_eq!(handler.calls(), 0);
}

#[tokio::test]
async fn a_request_that_cannot_succeed_is_rejected_before_its_body_is_requested() {
    for stack in Stack::ALL {
        let (setup, handler) = (setup(), Handler::default());
        let server = start(stack, &setup.layer, &handler).await;
        let old =
            crate::common::delivery_at(crate::common::NOW - 1000, "msg_1", noise(1000)).add("expect", "100-continue");
        let mut client = Client::connect(server.addr).await;
        client.send_head(&old, Framing::Length).await;
        let reply = client.reply().await.expect("a response");
        assert_eq!((reply.status.as_u16(), &*reply.code()), (401, "timestamp_too_old"));
        // The body of a request that can succeed is requested.
        let good = delivery("msg_2", noise(1000)).add("expect", "100-continue");
        let mut client = Client::connect(server.addr).await;
        client.send_head(&good, Framing::Length).await;
        assert_eq!(client.reply().await.expect("a word").status, StatusCode::CONTINUE);
        client.send(&good.body).await;
        assert_eq!(client.reply().await.expect("a response").status, StatusCode::OK);
    }
}

#[tokio::test]
async fn an_unread_body_is_never_parsed_as_the_next_request() {
    for stack in Stack::ALL {
        let (setup, handler) = (setup(), Handler::default());
        let server = start(stack, &setup.layer, &handler).await;
        let hidden = delivery("msg_hidden", "hidden");
        let hidden = [head(&hidden, Framing::Length).as_bytes(), &hidden.body].concat();
        let outer = delivery("msg_outer", hidden.clone()).without("webhook-signature");
        for outer in [outer, forgery("msg_outer", hidden)] {
            let mut client = Client::connect(server.addr).await;
            let reply = client.deliver(&outer, Framing::Length).await;
            assert!(reply.status.is_client_error());
            client.end().await;
            assert!(client.reply().await.is_none(), "one response for each request");
            assert_eq!(handler.calls(), 0);
        }
    }
}

/// Frames at intervals, followed by the end or an error.
struct Frames {
    left: Vec<Bytes>,
    every: Duration,
    next: Pin<Box<Sleep>>,
    fail: bool,
}

impl Frames {
    fn every(every: Duration, frames: impl IntoIterator<Item = Bytes, IntoIter: DoubleEndedIterator>) -> Self {
        let left = frames.into_iter().rev().collect();
        Self { left, every, next: Box::pin(sleep(every)), fail: false }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        ready!(self.next.as_mut().poll(cx));
        let Some(frame) = self.left.pop() else {
            return Poll::Ready(std::mem::take(&mut self.fail).then_some(Err(Failure)));
        };
        self.next = Box::pin(sleep(self.every));
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }
}
