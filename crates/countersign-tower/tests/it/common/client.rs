use std::fmt::Write;
use std::net::SocketAddr;

use countersign_test::wire::{Raw, Reply};

use super::Delivery;

/// How a body is framed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Framing {
    Length,
    /// Chunks of this many bytes, each sent separately.
    Chunked(usize),
}

/// A connection, and access to every byte on it.
pub(crate) struct Client(Raw);

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self(Raw::open(addr).await)
    }

    /// Connects and sends a whole delivery, without waiting.
    pub(crate) async fn begin(addr: SocketAddr, delivery: &Delivery) -> Self {
        let mut client = Self::connect(addr).await;
        client.send_head(delivery, Framing::Length).await;
        client.send(&delivery.body).await;
        client
    }

    /// Delivers, and waits for the response.
    pub(crate) async fn deliver(&mut self, delivery: &Delivery, framing: Framing) -> Reply {
        self.send_head(delivery, framing).await;
        match framing {
            Framing::Length => self.send(&delivery.body).await,
            Framing::Chunked(size) => {
                self.send_chunks(&delivery.body, size).await;
                self.send("0\r\n\r\n").await;
            }
        }
        self.reply().await.expect("a response")
    }

    /// The same, to another path.
    pub(crate) async fn deliver_to(&mut self, path: &str, delivery: &Delivery, framing: Framing) -> Reply {
        self.send_head(&delivery.clone().to(path), framing).await;
        self.send(&delivery.body).await;
        self.reply().await.expect("a response")
    }

    pub(crate) async fn send_head(&mut self, delivery: &Delivery, framing: Framing) {
        self.send(head(delivery, framing)).await;
    }

    pub(crate) async fn send_chunks(&mut self, body: &[u8], size: usize) {
        for chunk in body.chunks(size) {
            let chunk = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
            self.send(chunk).await;
            tokio::task::yield_now().await;
        }
    }

    /// Sends bytes unchanged. A server that has responded and closed does not have to read them.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write(bytes).await;
    }

    /// Ends the sending direction, and continues to read.
    pub(crate) async fn end(&mut self) {
        self.0.finish().await;
    }

    /// The next response, interim ones included; `None` once the server has closed.
    pub(crate) async fn reply(&mut self) -> Option<Reply> {
        let reply = self.0.answer().await?;
        assert!(!reply.headers.contains_key("transfer-encoding"), "every response has a length: {reply:?}");
        Some(reply)
    }

    /// Whether the server disconnects in the middle of a response.
    pub(crate) async fn is_cut_off(&mut self) -> bool {
        while self.0.read_more().await.is_some() {}
        self.0.unread().starts_with(b"HTTP/1.1 200") && !self.0.unread().ends_with(b"0\r\n\r\n")
    }

    /// Whether the data of the response equals this, in any framing.
    pub(crate) async fn reads(&mut self, expected: &str) -> bool {
        let end = |unread: &[u8]| {
            let text = String::from_utf8_lossy(unread).into_owned();
            let (head, body) = text.split_once("\r\n\r\n")?;
            if head.contains("transfer-encoding") {
                body.ends_with("0\r\n\r\n").then(|| body.split("\r\n").skip(1).step_by(2).collect::<String>())
            } else {
                (body.len() == expected.len()).then(|| body.to_owned())
            }
        };
        loop {
            if let Some(body) = end(self.0.unread()) {
                return body == expected;
            }
            if self.0.read_more().await.is_none() {
                return false;
            }
        }
    }
}

pub(crate) fn head(delivery: &Delivery, framing: Framing) -> String {
    let mut head = delivery.head();
    match framing {
        Framing::Length => write!(head, "content-length: {}\r\n\r\n", delivery.body.len()).expect("a string grows"),
        Framing::Chunked(_) => head.push_str("transfer-encoding: chunked\r\n\r\n"),
    }
    head
}
