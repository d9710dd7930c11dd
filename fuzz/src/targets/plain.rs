//! Heads that the accelerator serves, and the scanner beside hyper: both against hyper itself.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use countersign_gateway::serve::fuzzing::{Plain, follow, plain_head};
use http::header::CONNECTION;
use http::{Method, Request, Response, Version};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::{Builder, Runtime};

use crate::http1::connections;

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().build().expect("a runtime");
}

/// What hyper has read: each request with its body, unless that broke off, and whether it has read all bytes and found
/// them valid.
struct Read {
    requests: Vec<(Request<()>, Option<Bytes>)>,
    is_valid: bool,
}

/// What the accelerator reads in a head is what hyper reads in it. The scanner follows whatever hyper accepts, in
/// whichever pieces it arrives.
pub(crate) fn run(bytes: &[u8]) {
    let read = RUNTIME.with(|runtime| runtime.block_on(read_by_hyper(bytes)));
    let received = Bytes::copy_from_slice(bytes);
    if let Some(plain) = plain_head(&received) {
        check_plain(&plain, &received, &read);
    }
    let count = read.requests.len();
    let (one, two) = bytes.split_at(bytes.len() / 3);
    let whole = follow(&[bytes], count);
    assert_eq!(whole, follow(&[one, two], count), "in two pieces");
    assert_eq!(whole, follow(&bytes.chunks(1).collect::<Vec<_>>(), count), "byte by byte");
    // Nor does it behind a request with two framings.
    if read.is_valid && whole.heads.iter().all(|(_, two_framings)| !two_framings) {
        assert!(!whole.is_lost, "{whole:?}");
        assert!(whole.is_complete || !read.requests.iter().all(|(_, body)| body.is_some()), "{whole:?}");
    }
}

fn check_plain(plain: &Plain, received: &Bytes, read: &Read) {
    let (request, body) = read.requests.first().expect("hyper accepts it, too");
    assert_eq!((plain.request.method(), plain.request.uri()), (request.method(), request.uri()));
    assert_eq!(plain.request.version(), request.version());
    assert_eq!(plain.request.headers(), request.headers());
    let length = usize::try_from(plain.body).expect("a length");
    let whole = received.get(plain.head..).and_then(|rest| rest.get(..length));
    assert_eq!(whole, body.as_deref(), "the body");
}

async fn read_by_hyper(bytes: &[u8]) -> Read {
    let (mut client, server) = tokio::io::duplex(bytes.len().max(1024));
    client.write_all(bytes).await.expect("room for it");
    client.shutdown().await.expect("an open stream");
    // hyper must not wait for room for its responses.
    let (mut reader, _writer) = tokio::io::split(client);
    let discard = async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await };
    let seen = Arc::new(Mutex::new(Read { requests: Vec::new(), is_valid: true }));
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.ok().map(http_body_util::Collected::to_bytes);
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            // Behind these, hyper reads no more: HTTP/1.0, `Connection: close`, and what may be an upgrade.
            let is_last = head.version != Version::HTTP_11 || head.headers.contains_key(CONNECTION);
            seen.is_valid &= body.is_some() && !is_last && head.method != Method::CONNECT;
            seen.requests.push((Request::from_parts(head, ()), body));
            Ok::<_, std::convert::Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let mut builder = http1::Builder::new();
    let serving = builder.half_close(true).serve_connection(TokioIo::new(server), service);
    let (ended, _) = tokio::join!(serving, discard);
    let mut read = std::mem::replace(
        &mut *seen.lock().unwrap_or_else(PoisonError::into_inner),
        Read { requests: Vec::new(), is_valid: true },
    );
    read.is_valid &= ended.is_ok();
    read
}

/// Connections.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    connections()
}
