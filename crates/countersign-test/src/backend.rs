//! A scripted HTTP/1.1 backend that records its requests.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::wait::soon;
use crate::wire::{content_length, single, split_head};

/// The action of the backend for one request.
#[derive(Debug)]
pub enum Answer {
    /// Respond with this status.
    Status(u16),
    /// Send exactly these bytes.
    Raw(String),
    /// Respond once the status is sent here; never, if the sender is dropped.
    Held(oneshot::Receiver<u16>),
    /// Wait this many milliseconds, then respond with this status.
    Slow(u64, u16),
    /// Close the connection without a response.
    Close,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The request line.
    pub request_line: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Seen {
    /// The value of a header that is there at most once.
    pub fn header(&self, name: &str) -> Option<&str> {
        single(&self.headers, name)
    }

    /// The message id.
    pub fn id(&self) -> &str {
        self.header("webhook-id").expect("a message id")
    }
}

type Script = Box<dyn FnMut(&Seen) -> Answer + Send>;

/// Accepts connections, records the requests and responds as scripted.
pub struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    script: Mutex<Script>,
    seen: watch::Sender<Vec<Seen>>,
    connections: watch::Sender<usize>,
}

impl Backend {
    /// Responds to everything with 200.
    pub async fn start() -> Self {
        Self::answering([]).await
    }

    /// Takes these actions in turn, and then responds with 200.
    pub async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers: VecDeque<_> = answers.into_iter().collect();
        Self::scripted(move |_| answers.pop_front().unwrap_or(Answer::Status(200))).await
    }

    /// Holds the first request until a status is sent, and then responds with 200.
    pub async fn holding() -> (Self, oneshot::Sender<u16>) {
        let (tell, told) = oneshot::channel();
        (Self::answering([Answer::Held(told)]).await, tell)
    }

    /// Asks the script for each request.
    pub async fn scripted(script: impl FnMut(&Seen) -> Answer + Send + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), script).await
    }

    /// The same, on this address.
    pub async fn at(address: SocketAddr, script: impl FnMut(&Seen) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let shared = Arc::new(Shared {
            script: Mutex::new(Box::new(script)),
            seen: watch::Sender::default(),
            connections: watch::Sender::default(),
        });
        let accepted = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                accepted.connections.send_modify(|connections| *connections += 1);
                open.spawn(serve(stream, Arc::clone(&accepted)));
            }
        });
        Self { address, shared, accepting }
    }

    /// Closes all connections, and accepts none from now on.
    pub async fn stop(&mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        *self.shared.connections.borrow()
    }

    /// The complete requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.borrow().clone()
    }

    /// The complete requests so far, without the first ones.
    pub fn seen_after(&self, first: usize) -> Vec<Seen> {
        self.shared.seen.borrow().iter().skip(first).cloned().collect()
    }

    /// Waits for this many complete requests, and returns the last one.
    pub async fn has_seen(&self, times: usize) -> Seen {
        let mut seen = self.shared.seen.subscribe();
        let seen = soon(seen.wait_for(|seen| seen.len() >= times)).await.expect("the backend holds the sender");
        seen.last().expect("one at least").clone()
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let mut unread = BytesMut::new();
    loop {
        let seen = read(&mut stream, &mut unread).await?;
        let answer = lock(&shared.script)(&seen);
        shared.seen.send_modify(|all| all.push(seen));
        let status = match answer {
            Answer::Close => return None,
            Answer::Raw(text) => {
                stream.write_all(text.as_bytes()).await.ok()?;
                continue;
            }
            Answer::Status(status) => status,
            Answer::Held(told) => match told.await {
                Ok(status) => status,
                Err(_) => std::future::pending().await,
            },
            Answer::Slow(millis, status) => {
                tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
                status
            }
        };
        let text = format!(
            "HTTP/1.1 {status} Scripted\r\ncontent-type: text/x-backend\r\nx-from: backend\r\n\
             location: /elsewhere\r\nretry-after: 7\r\ncontent-length: 11\r\n\r\nanswer: {status}"
        );
        stream.write_all(text.as_bytes()).await.ok()?;
    }
}

/// The next request; `None` once the connection has ended. Unless it is a GET, it has to have a
/// `Content-Length`.
async fn read(stream: &mut TcpStream, unread: &mut BytesMut) -> Option<Seen> {
    let (request_line, headers) = loop {
        if let Some(head) = split_head(unread) {
            break head;
        }
        if stream.read_buf(unread).await.ok()? == 0 {
            return None;
        }
    };
    let is_get = request_line.starts_with("GET ");
    let len = if is_get { 0 } else { content_length(&headers).expect("a body of known length") };
    assert!(!headers.contains_key("transfer-encoding"), "{headers:?}");
    while unread.len() < len {
        if stream.read_buf(unread).await.ok()? == 0 {
            return None;
        }
    }
    Some(Seen { request_line, headers, body: unread.split_to(len).freeze() })
}

fn lock(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    script.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("address", &self.address).finish_non_exhaustive()
    }
}
