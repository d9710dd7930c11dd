//! Writes a response in the format of HTTP/1.1.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use bytes::{BufMut, Bytes, BytesMut};
use countersign::clock::{Clock, SystemClock};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{Response, StatusCode};
use http_body::Body;
use hyper::ext::ReasonPhrase;

/// How the body of a response is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// The response has no body, whatever length it announces.
    None,
    /// This many bytes are left.
    Length(u64),
    Chunked,
}

/// The body is longer or shorter than its head announces.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongLength;

impl Framing {
    fn of<B: Body>(response: &Response<B>) -> Self {
        if response.status().is_informational()
            || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&response.status())
        {
            return Self::None;
        }
        let announced = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        announced.or(response.body().size_hint().exact()).map_or(Self::Chunked, Self::Length)
    }

    /// Writes a part of the body.
    pub(super) fn put(&mut self, data: &Bytes, out: &mut BytesMut) -> Result<(), WrongLength> {
        match self {
            _ if data.is_empty() => {}
            Self::None => return Err(WrongLength),
            Self::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(WrongLength)?;
                out.put_slice(data);
            }
            Self::Chunked => {
                out.put_slice(format!("{:x}\r\n", data.len()).as_bytes());
                out.put_slice(data);
                out.put_slice(b"\r\n");
            }
        }
        Ok(())
    }

    /// Writes the end of the body.
    pub(super) fn end(self, out: &mut BytesMut) -> Result<(), WrongLength> {
        match self {
            Self::Length(left) if left > 0 => return Err(WrongLength),
            Self::Chunked => out.put_slice(b"0\r\n\r\n"),
            _ => {}
        }
        Ok(())
    }
}

/// Writes the head of a response, and returns how its body is delimited. `closes` announces that no response follows.
pub(super) fn put_head<B: Body>(response: &Response<B>, closes: bool, out: &mut BytesMut) -> Framing {
    let framing = Framing::of(response);
    let reason = response.extensions().get::<ReasonPhrase>().map(ReasonPhrase::as_bytes);
    put_status(response.status(), reason, out);
    for (name, value) in response.headers() {
        if *name != TRANSFER_ENCODING && *name != CONNECTION && (framing != Framing::None || *name != CONTENT_LENGTH) {
            put_line(name.as_str().as_bytes(), value.as_bytes(), out);
        }
    }
    match framing {
        Framing::Length(length) if !response.headers().contains_key(CONTENT_LENGTH) => {
            put_line(b"content-length", itoa::Buffer::new().format(length).as_bytes(), out);
        }
        Framing::Chunked => put_line(b"transfer-encoding", b"chunked", out),
        _ => {}
    }
    if closes {
        put_line(b"connection", b"close", out);
    }
    if !response.headers().contains_key(DATE) {
        put_date(out);
    }
    out.put_slice(b"\r\n");
    framing
}

/// `reason` is the reason phrase of the backend.
fn put_status(status: StatusCode, reason: Option<&[u8]>, out: &mut BytesMut) {
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(status.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(reason.unwrap_or_else(|| status.canonical_reason().unwrap_or("<none>").as_bytes()));
    out.put_slice(b"\r\n");
}

fn put_line(name: &[u8], value: &[u8], out: &mut BytesMut) {
    for part in [name, b": ", value, b"\r\n"] {
        out.put_slice(part);
    }
}

/// The date, formatted at most once a second for each thread.
fn put_date(out: &mut BytesMut) {
    thread_local! {
        static DATE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let second = SystemClock.now().as_secs();
    DATE.with_borrow_mut(|(written, line)| {
        if *written != second {
            *written = second;
            let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(second));
            *line = time.map(httpdate::fmt_http_date).unwrap_or_default();
        }
        if !line.is_empty() {
            put_line(b"date", line.as_bytes(), out);
        }
    });
}
