//! The same bytes with and without the accelerator, over real sockets.
//!
//! The first byte is where the bytes are cut into two writes.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use countersign_gateway::connection::Address;
use countersign_gateway::serve::{Preamble, RequestBody, Responds, Server, Slots, Socket, Timeouts};
use countersign_tower::BodyBudget;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use prometheus_client::metrics::counter::Counter;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::TaskTracker;
use tower::service_fn;

use crate::http1::connections;

thread_local! {
    static SIDES: RefCell<Sides> = RefCell::new(Sides::start());
}

/// Two servers that differ in the accelerator alone.
struct Sides {
    runtime: Runtime,
    addresses: [SocketAddr; 2],
}

/// Both servers respond alike, and a response describes the request that the service has seen.
pub(crate) fn run(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let cut = usize::from(*cut).min(bytes.len());
    SIDES.with_borrow(|Sides { runtime, addresses: [fast, slow] }| {
        let (fast, slow) =
            runtime.block_on(async { tokio::join!(exchange(*fast, bytes, cut), exchange(*slow, bytes, cut)) });
        let agree = fast.iter().zip(&slow).all(|(one, other)| one.text == other.text);
        // Where the shorter one ends, it has said so: its sender knows that the rest was not served.
        let shorter = if fast.len() < slow.len() { &fast } else { &slow };
        let is_announced = fast.len() == slow.len() || shorter.last().is_none_or(|last| last.closes);
        assert!(agree && is_announced, "{}\nfast: {fast:?}\nslow: {slow:?}", bytes.escape_ascii());
    });
}

impl Sides {
    fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let addresses = [true, false].map(|accelerate| {
            let server = server(accelerate);
            let slots = Slots::new(64);
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a socket");
            let address = listener.local_addr().expect("an address");
            runtime.spawn(async move {
                while let Ok((stream, peer)) = listener.accept().await {
                    let Some(slot) = slots.take() else { continue };
                    let peer = Address::Ip(peer.ip());
                    tokio::spawn(Arc::clone(&server).serve(Socket::Tcp(stream), peer, Preamble::default(), slot));
                }
            });
            address
        });
        Self { runtime, addresses }
    }
}

fn server(accelerate: bool) -> Arc<Server<impl Responds>> {
    let second = Duration::from_secs(1);
    let timeouts = Timeouts { head: second, idle: second, write: second };
    let budget = BodyBudget::new(1 << 20);
    let server = Server::new(service_fn(describe), |_, _| {}, timeouts, &budget, &TaskTracker::new());
    Arc::new(if accelerate { server.accelerate(Counter::default()) } else { server })
}

/// Responds with all that the service sees of a request.
async fn describe(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => format!("{:?}", body.to_bytes()),
        Err(_) => "broken off".to_owned(),
    };
    let text = format!("{} {} {:?} {:?} {body}", head.method, head.uri, head.version, head.headers);
    Ok(Response::new(Full::from(text)))
}

/// Sends the bytes and nothing more, and returns what must be the same with and without the accelerator.
async fn exchange(address: SocketAddr, bytes: &[u8], cut: usize) -> Vec<Answer> {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    for piece in [&bytes[..cut], &bytes[cut..]] {
        // It may have responded and closed already.
        let _ = stream.write_all(piece).await;
        tokio::task::yield_now().await;
    }
    let _ = stream.shutdown().await;
    let mut received = Vec::new();
    let reading = stream.read_to_end(&mut received);
    let ended = tokio::time::timeout(Duration::from_secs(5), reading).await;
    assert!(ended.is_ok(), "no end, after {}", received.escape_ascii());
    answers(&received)
}

/// A response.
#[derive(Debug)]
struct Answer {
    /// Its lines in order, without those that may differ: the date, and whether the connection ends.
    text: String,
    /// Whether it says that the connection ends.
    closes: bool,
}

/// The responses, without hyper's own to what is no HTTP: a reset may overtake it.
fn answers(mut received: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some(end) = received.windows(4).position(|end| end == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let rest = &received[end + 4..];
        let (body, after) = rest.split_at(rest.len().min(length.unwrap_or(0)));
        received = after;
        if head.starts_with("HTTP/1.1 400 ") {
            continue;
        }
        let is_same = |line: &&str| !line.starts_with("date: ") && *line != "connection: close";
        let mut lines: Vec<_> = head.split("\r\n").filter(is_same).collect();
        lines.sort_unstable();
        let text = format!("{} {}", lines.join("\n"), String::from_utf8_lossy(body));
        answers.push(Answer { text, closes: head.contains("\r\nconnection: close") });
    }
    if !received.is_empty() {
        answers.push(Answer { text: String::from_utf8_lossy(received).into_owned(), closes: false });
    }
    answers
}

/// Connections, in one or two pieces.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let cut = |(n, bytes): (usize, Vec<u8>)| [&[[0, 30, 70, 250][n % 4]], &bytes[..]].concat();
    connections().into_iter().enumerate().map(cut).collect()
}
