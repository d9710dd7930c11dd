use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::soon;

/// What the backend is to do with a request.
pub(crate) enum Answer {
    Status(u16),
    /// Exactly these bytes.
    Raw(String),
    /// Wait for the status to answer with; for ever, if nobody will say one.
    Held(oneshot::Receiver<u16>),
    /// Take so many milliseconds, then answer with this status.
    Slow(u64, u16),
    /// Close the connection without an answer.
    Close,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) request_line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    /// A header's value, where it has exactly one.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        Some(value.to_str().expect("visible ASCII"))
    }

    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id").expect("it was verified")
    }
}

type Script = Box<dyn FnMut(&Seen) -> Answer + Send>;

/// Accepts connections, remembers all that comes, and answers as it was told to.
pub(crate) struct Backend {
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
    /// Answers 200 to everything.
    pub(crate) async fn start() -> Self {
        Self::answering([]).await
    }

    /// Gives these answers in turn, and 200 after that.
    pub(crate) async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers: VecDeque<_> = answers.into_iter().collect();
        Self::scripted(move |_| answers.pop_front().unwrap_or(Answer::Status(200))).await
    }

    /// Holds the first delivery until it is told a status, and answers 200 after that.
    pub(crate) async fn holding() -> (Self, oneshot::Sender<u16>) {
        let (tell, told) = oneshot::channel();
        (Self::answering([Answer::Held(told)]).await, tell)
    }

    /// Asks this what to answer.
    pub(crate) async fn scripted(script: impl FnMut(&Seen) -> Answer + Send + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), script).await
    }

    /// The same, on an address of choice.
    pub(crate) async fn at(address: SocketAddr, script: impl FnMut(&Seen) -> Answer + Send + 'static) -> Self {
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
    pub(crate) async fn stop(&mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> usize {
        *self.shared.connections.borrow()
    }

    /// The requests that it has read whole.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.borrow().clone()
    }

    /// Waits until it has read so many requests whole, and gives the last one.
    pub(crate) async fn has_seen(&self, times: usize) -> Seen {
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

/// The next request; `None` once the connection has ended. It has to be framed by a length.
async fn read(stream: &mut TcpStream, unread: &mut BytesMut) -> Option<Seen> {
    let end = loop {
        if let Some(at) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(unread).await.ok()? == 0 {
            return None;
        }
    };
    let head = unread.split_to(end);
    let text = std::str::from_utf8(&head).expect("the gateway sends ASCII");
    let mut lines = text.trim_end().split("\r\n");
    let request_line = lines.next().expect("a request line").to_owned();
    let headers: HeaderMap = lines.map(header).collect();
    let len = headers.get("content-length").expect("a body of known length");
    assert!(!headers.contains_key("transfer-encoding"), "{headers:?}");
    let len = len.to_str().expect("digits").parse().expect("digits");
    while unread.len() < len {
        if stream.read_buf(unread).await.ok()? == 0 {
            return None;
        }
    }
    Some(Seen { request_line, headers, body: unread.split_to(len).freeze() })
}

fn header(line: &str) -> (HeaderName, HeaderValue) {
    let (name, value) = line.split_once(':').expect("name and value");
    (name.parse().expect("a name"), value.trim().parse().expect("a value"))
}

fn lock(script: &Mutex<Script>) -> MutexGuard<'_, Script> {
    script.lock().unwrap_or_else(PoisonError::into_inner)
}
