//! Follows the framing of HTTP/1.1 requests as their bytes pass on the way to hyper.
//!
//! hyper drops `Content-Length` where it stands beside `Transfer-Encoding`, and does not tell how much of
//! a head has arrived, or whether the rest of a body is still on its way. Nothing here decides what a
//! request is: once the framing cannot be followed, [`Head::two_framings`] is `true` for every request
//! that has `Transfer-Encoding`, and hyper rejects the rest.

use std::collections::VecDeque;

/// The most bytes of a line that are looked at. No name or number that matters is longer.
const LINE: usize = 64;

/// Where in its requests a connection is, by the bytes that were read from it.
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

/// What was seen of one head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// Its length, in bytes.
    pub(super) bytes: usize,
    /// Whether `Content-Length` and `Transfer-Encoding` both stand in it, or that is not known.
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

#[derive(Debug)]
struct Line {
    start: [u8; LINE],
    len: usize,
    ends_with_cr: bool,
}

impl Scan {
    pub(super) fn new() -> Self {
        Self {
            at: At::Head,
            line: Line { start: [0; LINE], len: 0, ends_with_cr: false },
            head: Head::default(),
            has_request_line: false,
            length: Length::None,
            complete: VecDeque::new(),
            complete_bytes: 0,
        }
    }

    /// Follows these bytes, which come after all others so far.
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

    /// The head of the next request that hyper hands over.
    pub(super) fn next_head(&mut self) -> Head {
        let lost = Head { two_framings: true, ..Head::default() };
        let head = self.complete.pop_front().unwrap_or(lost);
        self.complete_bytes -= head.bytes;
        head
    }

    /// How many bytes of heads have arrived that hyper has not handed over.
    pub(super) fn head_bytes(&self) -> usize {
        self.complete_bytes + self.partial_bytes()
    }

    /// How many bytes of an unfinished head have arrived.
    pub(super) fn partial_bytes(&self) -> usize {
        if self.at == At::Head { self.head.bytes } else { 0 }
    }

    /// Whether all bytes of the request that was handed over last have arrived.
    pub(super) fn is_complete(&self) -> bool {
        !self.complete.is_empty() || self.at == At::Head
    }

    /// Whether nothing has arrived after the request that was handed over last.
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
        self.line.append(&line[..end.unwrap_or(line.len())]);
        if self.at == At::Head {
            self.head.bytes += line.len();
        }
        if end.is_some() {
            self.end_line();
            self.line.len = 0;
            self.line.ends_with_cr = false;
        }
        rest
    }

    fn end_line(&mut self) {
        let is_empty = self.line.is_empty();
        self.at = match self.at {
            At::Head if is_empty && self.has_request_line => return self.end_head(),
            At::Head | At::Trailers if is_empty => At::Head,
            At::Head => {
                self.header();
                At::Head
            }
            At::ChunkSize => match self.line.chunk_size() {
                Some(0) => At::Trailers,
                Some(size) => At::ChunkData(size),
                None => At::Lost,
            },
            At::ChunkEnd if is_empty => At::ChunkSize,
            At::Trailers => At::Trailers,
            _ => At::Lost,
        };
    }

    fn header(&mut self) {
        if !std::mem::replace(&mut self.has_request_line, true) {
            return;
        }
        if self.line.is("transfer-encoding") {
            self.head.chunked = true;
        } else if self.line.is("content-length") {
            self.head.has_length = true;
            self.length = match (self.length, self.line.number()) {
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
    fn append(&mut self, bytes: &[u8]) {
        if let Some(room) = self.start.get_mut(self.len..) {
            let here = room.len().min(bytes.len());
            room[..here].copy_from_slice(&bytes[..here]);
        }
        self.len += bytes.len();
        if let Some(last) = bytes.last() {
            self.ends_with_cr = *last == b'\r';
        }
    }

    fn is_empty(&self) -> bool {
        self.len == usize::from(self.ends_with_cr)
    }

    /// The line without its end; `None` if it is too long to be looked at.
    fn text(&self) -> Option<&[u8]> {
        self.start.get(..self.len - usize::from(self.ends_with_cr))
    }

    fn is(&self, name: &str) -> bool {
        let start = &self.start[..self.len.min(LINE)];
        start.get(name.len()) == Some(&b':') && start[..name.len()].eq_ignore_ascii_case(name.as_bytes())
    }

    /// The decimal number behind the colon.
    fn number(&self) -> Option<u64> {
        let text = std::str::from_utf8(self.text()?).ok()?;
        let (_, value) = text.split_once(':')?;
        let digits = value.trim_matches([' ', '\t']);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
    }

    /// The hexadecimal number before an extension.
    fn chunk_size(&self) -> Option<u64> {
        let start = &self.start[..self.len.min(LINE)];
        let end = start.iter().position(|byte| !byte.is_ascii_hexdigit())?;
        let digits = std::str::from_utf8(&start[..end]).ok()?;
        u64::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the bytes in pieces of this size.
    fn scan(bytes: &[u8], piece: usize) -> Scan {
        let mut scan = Scan::new();
        bytes.chunks(piece).for_each(|piece| scan.read(piece));
        scan
    }

    const PIECES: [usize; 5] = [1, 2, 3, 7, 10_000];

    #[test]
    fn the_heads_of_pipelined_requests_are_found_whatever_their_framing() {
        let heads = [
            "POST /a HTTP/1.1\r\nhost: h\r\nContent-Length:  5 \r\n\r\n",
            "\r\nPOST /b HTTP/1.1\r\nTransfer-ENCODING: chunked\r\n\r\n",
            "GET /c HTTP/1.1\nhost: h\n\n",
            "POST /d HTTP/1.1\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n",
        ];
        let bodies = [
            "\r\n\r\nx",
            "5;name=\"a\"\r\n\r\n\r\nx\r\n00A\r\n0123456789\r\n0\r\nx: transfer-encoding\r\n\r\n",
            "",
            "",
        ];
        let all: String = heads.iter().zip(bodies).map(|(head, body)| [*head, body].concat()).collect();
        for piece in PIECES {
            let mut scan = scan(all.as_bytes(), piece);
            assert_eq!(scan.head_bytes(), heads.iter().map(|head| head.len()).sum::<usize>());
            for head in heads {
                assert!(scan.is_complete() && !scan.is_between_requests());
                let seen = scan.next_head();
                assert_eq!((seen.bytes, seen.two_framings), (head.len(), false), "{head} in pieces of {piece}");
            }
            assert!(scan.is_between_requests() && scan.head_bytes() == 0);
        }
    }

    #[test]
    fn a_length_beside_an_encoding_is_seen_in_either_order() {
        for framing in [
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
            "content-length: 5\r\nTRANSFER-encoding: chunked\r\n",
            "content-length: nonsense\r\nx: y\r\ntransfer-encoding:chunked\r\n",
            "content-length:                                                                              5\r\n\
             transfer-encoding:                                                                     chunked\r\n",
        ] {
            for piece in PIECES {
                let text = format!("POST / HTTP/1.1\r\n{framing}\r\n0\r\n\r\n");
                assert!(scan(text.as_bytes(), piece).next_head().two_framings, "{framing}");
            }
        }
    }

    #[test]
    fn once_the_framing_is_lost_every_encoding_is_in_doubt() {
        for start in [
            "POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n10000000000000000\r\n",
        ] {
            let mut scan = scan(format!("{start}POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n").as_bytes(), 3);
            scan.next_head();
            assert!(scan.next_head().two_framings && !scan.is_between_requests(), "{start}");
        }
    }

    #[test]
    fn an_unfinished_request_is_known_to_be_unfinished() {
        for (text, partial, complete) in [
            ("", 0, true),
            ("\r\n", 2, true),
            ("POST / HT", 9, true),
            ("POST / HTTP/1.1\r\n\r", 18, true),
            ("POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\na", 0, false),
            ("POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nab", 0, true),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", 0, false),
        ] {
            let mut scan = scan(text.as_bytes(), 4);
            assert_eq!(scan.partial_bytes(), partial, "{text:?}");
            scan.next_head();
            assert_eq!(scan.is_complete(), complete, "{text:?}");
        }
    }
}
