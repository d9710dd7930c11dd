use std::fmt::Write;
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Delivery, soon};

/// How a body is framed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Framing {
    Length,
    /// Chunks of this many bytes, each sent on its own.
    Chunked(usize),
}

/// A response, and what it carried inside the server if there was no wire.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) extensions: Extensions,
}

impl Reply {
    /// A header's value, where it has exactly one.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        Some(value.to_str().expect("visible ASCII"))
    }

    /// What became of a delivery that the handler did not see and that was not rejected.
    pub(crate) fn outcome(&self) -> Option<&str> {
        self.header("countersign-outcome")
    }

    /// The `code` of a problem document.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: serde_json::Value = serde_json::from_slice(&self.body).expect("a JSON document");
        assert_eq!(problem["status"], self.status.as_u16(), "{self:?}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{self:?}");
        problem["code"].as_str().expect("a code").to_owned()
    }
}

/// One connection, and every byte on it.
pub(crate) struct Client {
    stream: TcpStream,
    unread: BytesMut,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP stream");
        Self { stream, unread: BytesMut::new() }
    }

    /// Connects, sends all of a delivery, and does not wait.
    pub(crate) async fn begin(addr: SocketAddr, delivery: &Delivery) -> Self {
        let mut client = Self::connect(addr).await;
        client.send_head(delivery, Framing::Length).await;
        client.send(&delivery.body).await;
        client
    }

    /// Delivers, and waits for the answer.
    pub(crate) async fn deliver(&mut self, delivery: &Delivery, framing: Framing) -> Reply {
        self.send_head(delivery, framing).await;
        match framing {
            Framing::Length => self.send(&delivery.body).await,
            Framing::Chunked(size) => {
                self.send_chunks(&delivery.body, size).await;
                self.send("0\r\n\r\n").await;
            }
        }
        self.reply().await.expect("an answer")
    }

    /// The same, to another path.
    pub(crate) async fn deliver_to(&mut self, path: &str, delivery: &Delivery, framing: Framing) -> Reply {
        let head = head(delivery, framing).replacen("/hook", path, 1);
        self.send(head).await;
        self.send(&delivery.body).await;
        self.reply().await.expect("an answer")
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

    /// Sends bytes as they are. A server that has answered and closed does not have to read them.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = soon(self.stream.write_all(bytes.as_ref())).await;
    }

    /// Says that nothing more will be sent, and goes on listening.
    pub(crate) async fn end(&mut self) {
        self.stream.shutdown().await.expect("an open stream");
    }

    /// The next response, interim ones included; `None` once the server has closed.
    pub(crate) async fn reply(&mut self) -> Option<Reply> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more().await?;
        };
        let head = self.unread.split_to(end);
        let text = std::str::from_utf8(&head).expect("an ASCII head");
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).expect("a status line");
        let status = status[..3].parse().expect("a status");
        let headers: HeaderMap = lines.map(header).collect();
        let len = headers.get("content-length").map_or(0, |len| len.to_str().expect("digits").parse().expect("digits"));
        assert!(!headers.contains_key("transfer-encoding"), "all that is answered here has a length: {headers:?}");
        while self.unread.len() < len {
            self.read_more().await.expect("the whole body");
        }
        Some(Reply { status, headers, body: self.unread.split_to(len).freeze(), extensions: Extensions::new() })
    }

    /// Whether the server hangs up in the middle of an answer.
    pub(crate) async fn is_cut_off(&mut self) -> bool {
        while self.read_more().await.is_some() {}
        self.unread.starts_with(b"HTTP/1.1 200") && !self.unread.ends_with(b"0\r\n\r\n")
    }

    /// Whether the data of the answer comes to this, whatever its framing.
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
            if let Some(body) = end(&self.unread) {
                return body == expected;
            }
            if self.read_more().await.is_none() {
                return false;
            }
        }
    }

    async fn read_more(&mut self) -> Option<()> {
        // A reset is the end too: the server did not care for the rest of what was sent.
        let read = soon(self.stream.read_buf(&mut self.unread)).await.unwrap_or(0);
        (read > 0).then_some(())
    }
}

pub(crate) fn head(delivery: &Delivery, framing: Framing) -> String {
    let mut head = "POST /hook HTTP/1.1\r\n".to_owned();
    if !delivery.headers.contains_key("host") {
        head.push_str("host: hooks.example.com\r\n");
    }
    for (name, value) in &delivery.headers {
        let value = value.to_str().expect("visible ASCII");
        write!(head, "{name}: {value}\r\n").expect("a string grows");
    }
    match framing {
        Framing::Length => write!(head, "content-length: {}\r\n\r\n", delivery.body.len()).expect("a string grows"),
        Framing::Chunked(_) => head.push_str("transfer-encoding: chunked\r\n\r\n"),
    }
    head
}

fn header(line: &str) -> (HeaderName, HeaderValue) {
    let (name, value) = line.split_once(": ").expect("name and value");
    (name.parse().expect("a name"), value.parse().expect("a value"))
}
