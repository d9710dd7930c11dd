//! HTTP/1.1 connections on which a test can write any bytes.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::wait::{SOON, soon};

/// A complete response.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The extensions, where there was no connection between the service and the test.
    pub extensions: Extensions,
}

impl Reply {
    /// The value of a header that is there at most once.
    pub fn header(&self, name: &str) -> Option<&str> {
        single(&self.headers, name)
    }

    /// The outcome of a request that was acknowledged without the backend or the handler.
    pub fn outcome(&self) -> Option<&str> {
        self.header("countersign-outcome")
    }

    /// The `code` of a problem document.
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: serde_json::Value = serde_json::from_slice(&self.body).expect("a JSON document");
        assert_eq!(problem["status"], self.status.as_u16(), "{self:?}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{self:?}");
        problem["code"].as_str().expect("a code").to_owned()
    }
}

/// A connection to a server.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    unread: BytesMut,
}

impl Raw {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP stream");
        Self { stream, unread: BytesMut::new() }
    }

    /// Writes bytes as they are. A server that has responded and closed does not have to read them.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = soon(self.stream.write_all(bytes.as_ref())).await;
    }

    /// Ends the sending direction, and continues to read.
    pub async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next response, interim ones included; `None` once the server has closed.
    pub async fn answer(&mut self) -> Option<Reply> {
        let (line, headers) = loop {
            if let Some(head) = split_head(&mut self.unread) {
                break head;
            }
            self.read_more().await?;
        };
        let status = line.strip_prefix("HTTP/1.").expect("a status line")[2..5].parse().expect("a status");
        let len = content_length(&headers).unwrap_or(0);
        while self.unread.len() < len {
            self.read_more().await?;
        }
        let body = self.unread.split_to(len).freeze();
        Some(Reply { status, headers, body, extensions: Extensions::new() })
    }

    /// Everything until the server closes.
    pub async fn rest(mut self) -> Bytes {
        while self.read_more().await.is_some() {}
        self.unread.freeze()
    }

    /// The bytes that were read and belong to no response yet.
    pub fn unread(&self) -> &[u8] {
        &self.unread
    }

    /// Reads once; `None` once the server has closed or reset the connection.
    pub async fn read_more(&mut self) -> Option<()> {
        let read = soon(self.stream.read_buf(&mut self.unread)).await.unwrap_or(0);
        (read > 0).then_some(())
    }
}

/// Writes these bytes on a new connection, and reads the statuses of all responses until the server closes or sends
/// no more.
pub async fn raw_answers(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Vec<u16> {
    let mut raw = Raw::open(address).await;
    raw.write(bytes).await;
    let mut statuses = Vec::new();
    let mut patience = SOON;
    while let Ok(Some(reply)) = tokio::time::timeout(patience, raw.answer()).await {
        statuses.push(reply.status.as_u16());
        patience = Duration::from_secs(1);
    }
    statuses
}

/// The value of a header that is there at most once.
pub(crate) fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    assert!(values.next().is_none(), "{name} is there twice: {headers:?}");
    Some(value.to_str().expect("visible ASCII"))
}

/// Removes the head of a message: its first line and its headers; `None` if it is not complete.
pub(crate) fn split_head(unread: &mut BytesMut) -> Option<(String, HeaderMap)> {
    let end = unread.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = unread.split_to(end);
    let text = std::str::from_utf8(&head).expect("an ASCII head");
    let mut lines = text.trim_end().split("\r\n");
    let first = lines.next().expect("a first line").to_owned();
    Some((first, lines.map(header).collect()))
}

/// The length of a body, where its head names one.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get("content-length").map(|len| len.to_str().expect("digits").parse().expect("digits"))
}

fn header(line: &str) -> (HeaderName, HeaderValue) {
    let (name, value) = line.split_once(':').expect("a name and a value");
    (name.parse().expect("a name"), value.trim().parse().expect("a value"))
}
