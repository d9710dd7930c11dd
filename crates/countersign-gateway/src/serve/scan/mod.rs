//! Follows the framing of HTTP/1.1 requests as their bytes pass on the way to hyper.
//!
//! hyper removes `Content-Length` if there is also a `Transfer-Encoding`. It does not report how much of a head has
//! arrived, or whether a body is complete. This module only observes: hyper decides what a request is. It follows every
//! framing that hyper accepts, of any length: numbers are read digit by digit, and lines end where hyper ends them.
//! Where hyper rejects a request, the framing may get lost. From then on, [`Scan::is_lost`] tells the server to close
//! the connection with its next response.

use std::collections::VecDeque;

const TRANSFER_ENCODING: &[u8] = b"transfer-encoding:";
const CONTENT_LENGTH: &[u8] = b"content-length:";

/// The position within the requests of a connection, from the bytes that were read.
#[derive(Debug)]
pub(super) struct Scan {
    at: At,
    line: Line,
    head: Head,
    has_request_line: bool,
    length: Length,
    complete: VecDeque<Head>,
    complete_bytes: usize,
}

/// The observed properties of one head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// Its length, in bytes.
    pub(super) bytes: usize,
    /// Whether it has both `Content-Length` and `Transfer-Encoding`, or that is unknown.
    pub(super) two_framings: bool,
    chunked: bool,
    has_length: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Head,
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    None,
    Known(u64),
    Unreadable,
}

/// The relevant parts of a line: its start, its length, and the number in it.
#[derive(Debug, Default)]
struct Line {
    start: [u8; TRANSFER_ENCODING.len()],
    len: usize,
    ends_with_cr: bool,
    number: Number,
}

/// A decimal number that is read digit by digit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Number {
    /// No digit yet.
    #[default]
    Blank,
    Digits(u64),
    /// The number is complete: a byte after it is not a digit.
    Ended(u64),
    /// Not a number, or one that is too large.
    Unreadable,
}

impl Scan {
    pub(super) fn new() -> Self {
        Self {
            at: At::Head,
            line: Line::default(),
            head: Head::default(),
            has_request_line: false,
            length: Length::None,
            complete: VecDeque::new(),
            complete_bytes: 0,
        }
    }

    /// Reads the next bytes.
    pub(super) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.at {
                At::Lost => return,
                At::Body(left) => self.skip(bytes, left, At::Body, At::Head),
                At::ChunkData(left) => self.skip(bytes, left, At::ChunkData, At::ChunkEnd),
                At::Head | At::ChunkSize | At::ChunkEnd | At::Trailers => self.read_line(bytes),
            };
        }
    }

    /// The head of the next request that hyper passes to the service.
    pub(super) fn next_head(&mut self) -> Head {
        let Some(head) = self.complete.pop_front() else {
            self.at = At::Lost;
            return Head { two_framings: true, ..Head::default() };
        };
        self.complete_bytes -= head.bytes;
        head
    }

    /// Whether the framing could not be followed, so that the boundaries of later requests are unknown.
    pub(super) fn is_lost(&self) -> bool {
        self.at == At::Lost
    }

    /// How many bytes of heads have arrived whose requests hyper has not passed to the service.
    pub(super) fn head_bytes(&self) -> usize {
        self.complete_bytes + self.partial_bytes()
    }

    /// How many bytes of an incomplete head have arrived.
    pub(super) fn partial_bytes(&self) -> usize {
        if self.at == At::Head { self.head.bytes } else { 0 }
    }

    /// Whether the last request that hyper passed to the service has arrived completely.
    pub(super) fn is_complete(&self) -> bool {
        !self.complete.is_empty() || self.at == At::Head
    }

    /// Whether nothing has arrived after the last request that hyper passed to the service.
    pub(super) fn is_between_requests(&self) -> bool {
        self.complete.is_empty() && self.at == At::Head && self.head.bytes == 0
    }

    fn skip<'b>(&mut self, bytes: &'b [u8], left: u64, more: fn(u64) -> At, done: At) -> &'b [u8] {
        let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let left = left - here as u64;
        self.at = if left == 0 { done } else { more(left) };
        &bytes[here..]
    }

    fn read_line<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let end = memchr::memchr(b'\n', bytes);
        let (line, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        let text = &line[..end.unwrap_or(line.len())];
        let number_from = self.line.append(text);
        match self.at {
            At::Head => {
                self.head.bytes += line.len();
                if self.line.is(CONTENT_LENGTH) {
                    let value = text.get(CONTENT_LENGTH.len().saturating_sub(number_from)..);
                    self.line.number.read_value(value.unwrap_or_default());
                }
            }
            At::ChunkSize => self.line.number.read_digits(text, 16),
            _ => {}
        }
        if end.is_some() {
            self.end_line();
        }
        rest
    }

    fn end_line(&mut self) {
        // In trailers, hyper ends lines with CR LF only. A bare LF does not end one.
        if self.at == At::Trailers && !self.line.ends_with_cr {
            self.line.len += 1;
            return;
        }
        let line = std::mem::take(&mut self.line);
        self.at = match self.at {
            At::Head if line.is_empty() && self.has_request_line => return self.end_head(),
            At::Head | At::Trailers if line.is_empty() => At::Head,
            At::Head => {
                self.header(&line);
                At::Head
            }
            At::ChunkSize => match line.number.get() {
                Some(0) => At::Trailers,
                Some(size) => At::ChunkData(size),
                None => At::Lost,
            },
            At::ChunkEnd if line.is_empty() => At::ChunkSize,
            At::Trailers => At::Trailers,
            _ => At::Lost,
        };
    }

    fn header(&mut self, line: &Line) {
        if !std::mem::replace(&mut self.has_request_line, true) {
            return;
        }
        if line.is(TRANSFER_ENCODING) {
            self.head.chunked = true;
        } else if line.is(CONTENT_LENGTH) {
            self.head.has_length = true;
            self.length = match (self.length, line.number.get()) {
                (Length::None, Some(length)) => Length::Known(length),
                (Length::Known(before), Some(length)) if before == length => self.length,
                _ => Length::Unreadable,
            };
        }
    }

    fn end_head(&mut self) {
        self.head.two_framings = self.head.chunked && self.head.has_length;
        self.at = match self.length {
            _ if self.head.chunked => At::ChunkSize,
            Length::None | Length::Known(0) => At::Head,
            Length::Known(length) => At::Body(length),
            Length::Unreadable => At::Lost,
        };
        self.complete_bytes += self.head.bytes;
        self.complete.push_back(std::mem::take(&mut self.head));
        self.has_request_line = false;
        self.length = Length::None;
    }
}

impl Line {
    /// Appends these bytes, and returns the line's length before.
    fn append(&mut self, bytes: &[u8]) -> usize {
        let before = self.len;
        if let Some(room) = self.start.get_mut(before..) {
            let here = room.len().min(bytes.len());
            room[..here].copy_from_slice(&bytes[..here]);
        }
        self.len += bytes.len();
        if let Some(last) = bytes.last() {
            self.ends_with_cr = *last == b'\r';
        }
        before
    }

    fn is_empty(&self) -> bool {
        self.len == usize::from(self.ends_with_cr)
    }

    /// Whether it is a header with this name, which ends with the colon.
    fn is(&self, name: &[u8]) -> bool {
        self.len >= name.len() && self.start[..name.len()].eq_ignore_ascii_case(name)
    }
}

impl Number {
    /// Reads more of a header's value: a decimal number within white space.
    fn read_value(&mut self, bytes: &[u8]) {
        for byte in bytes {
            *self = match (*self, byte) {
                (Self::Blank, b' ' | b'\t') => Self::Blank,
                (Self::Digits(number) | Self::Ended(number), b' ' | b'\t' | b'\r') => Self::Ended(number),
                (Self::Ended(_), _) => Self::Unreadable,
                (before, byte) => before.with_digit(*byte, 10).unwrap_or(Self::Unreadable),
            };
        }
    }

    /// Reads more of a line that starts with a number.
    fn read_digits(&mut self, bytes: &[u8], radix: u32) {
        for byte in bytes {
            *self = match *self {
                Self::Ended(_) | Self::Unreadable => return,
                Self::Digits(number) if !char::from(*byte).is_digit(radix) => Self::Ended(number),
                before => before.with_digit(*byte, radix).unwrap_or(Self::Unreadable),
            };
        }
    }

    fn with_digit(self, byte: u8, radix: u32) -> Option<Self> {
        let digit = char::from(byte).to_digit(radix)?;
        let before = if self == Self::Blank { 0 } else { self.get()? };
        before.checked_mul(radix.into())?.checked_add(digit.into()).map(Self::Digits)
    }

    fn get(self) -> Option<u64> {
        match self {
            Self::Digits(number) | Self::Ended(number) => Some(number),
            Self::Blank | Self::Unreadable => None,
        }
    }
}

#[cfg(test)]
mod tests;
