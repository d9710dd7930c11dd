use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::soon;

/// A backend whose connections are handled by the test, byte by byte.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: watch::Sender<Vec<String>>,
    closed: watch::Sender<usize>,
}

impl Upstream {
    /// Handles each connection with `serve`, which gets the number of the connection, from 0.
    pub(crate) async fn start<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(usize, Peer) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener");
        let counts = Arc::<Counts>::default();
        let counting = Arc::clone(&counts);
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("a TCP stream");
                let number = counting.connections.fetch_add(1, Ordering::SeqCst);
                open.spawn(serve(number, Peer { stream, unread: Vec::new(), counts: Arc::clone(&counting) }));
            }
        });
        Self { address, counts, task }
    }

    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// The ids of the requests that were read completely, in order.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.counts.requests.borrow().clone()
    }

    /// Waits until this many requests were read completely.
    pub(crate) async fn has_read(&self, requests: usize) {
        let mut read = self.counts.requests.subscribe();
        soon(read.wait_for(|read| read.len() >= requests)).await.expect("the upstream lives");
    }

    /// Waits until the gateway has closed this many connections.
    pub(crate) async fn has_lost(&self, connections: usize) {
        let mut closed = self.counts.closed.subscribe();
        soon(closed.wait_for(|closed| *closed >= connections)).await.expect("the upstream lives");
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection of the gateway.
pub(crate) struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
    counts: Arc<Counts>,
}

impl Peer {
    /// Reads a whole request, and records its id; `None` once the gateway has closed the connection.
    pub(crate) async fn request(&mut self) -> Option<String> {
        let head = self.head().await?;
        let value = |name: &str| {
            let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
            line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned())
        };
        let len: usize = value("content-length:").expect("a length").parse().expect("digits");
        while self.unread.len() < len {
            self.read_more().await?;
        }
        self.unread.drain(..len);
        let id = value("webhook-id:").expect("it was verified");
        self.counts.requests.send_modify(|ids| ids.push(id.clone()));
        Some(id)
    }

    /// Reads only the head of a request.
    pub(crate) async fn head(&mut self) -> Option<String> {
        let end = loop {
            match self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(at) => break at + 4,
                None => self.read_more().await?,
            }
        };
        let head: Vec<_> = self.unread.drain(..end).collect();
        Some(String::from_utf8(head).expect("the gateway sends ASCII"))
    }

    /// Writes bytes; `None` once the gateway has closed the connection.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) -> Option<()> {
        self.stream.write_all(bytes.as_ref()).await.ok()
    }

    /// Writes these bytes again and again, with a pause after each, until the gateway has closed the connection.
    pub(crate) async fn write_forever(&mut self, bytes: impl AsRef<[u8]>, pause: Duration) {
        while self.write(bytes.as_ref()).await.is_some() {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        self.counts.closed.send_modify(|closed| *closed += 1);
    }

    /// Waits until the gateway has closed the connection.
    pub(crate) async fn hold(mut self) {
        while self.read_more().await.is_some() {}
    }

    /// Closes the connection with a reset.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().expect("a TCP stream");
    }

    async fn read_more(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.unread).await.unwrap_or(0);
        if read == 0 {
            self.counts.closed.send_modify(|closed| *closed += 1);
        }
        (read > 0).then_some(())
    }
}
