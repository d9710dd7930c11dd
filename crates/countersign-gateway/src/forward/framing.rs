//! How the body of a response is delimited, and its parts as they arrive (RFC 9112, sections 6 and 7).

use std::error::Error;
use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::Status;

use crate::trust::SenderHeaders;

/// The maximum length of the line with the size of a chunk, and of all trailers, in bytes.
const MAX_LINES: usize = 16 * 1024;
/// The maximum number of trailers.
const MAX_TRAILERS: usize = 64;

/// How a body is delimited, and how much of it is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoder {
    /// This many bytes are left.
    Length(u64),
    Chunked(Chunks),
    /// The body ends with the connection.
    UntilClose,
}

/// The part of a chunked body that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    Size,
    Data(u64),
    /// The end of the line after the data.
    DataEnd,
    Trailers,
    End,
}

/// The next part of a body.
#[derive(Debug)]
pub(super) enum Part {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    /// More bytes of the body have to arrive first.
    Missing,
}

/// Why the bytes of an upstream are not a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    Size,
    DataEnd,
    Trailers,
}

impl Decoder {
    pub(super) const fn chunked() -> Self {
        Self::Chunked(Chunks::Size)
    }

    /// Takes the next part from the bytes that have arrived.
    pub(super) fn next(&mut self, arrived: &mut BytesMut) -> Result<Part, Malformed> {
        match self {
            Self::Length(0) => Ok(Part::End),
            Self::Length(left) => Ok(take(arrived, left)),
            Self::UntilClose if arrived.is_empty() => Ok(Part::Missing),
            Self::UntilClose => Ok(Part::Data(arrived.split().freeze())),
            Self::Chunked(chunks) => chunks.next(arrived),
        }
    }

    /// Whether all of the body was taken.
    pub(super) const fn is_at_end(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunks::End))
    }

    /// The number of bytes that are left, if it is known.
    pub(super) const fn length(self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(left),
            Self::Chunked(Chunks::End) => Some(0),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }
}

impl Chunks {
    fn next(&mut self, arrived: &mut BytesMut) -> Result<Part, Malformed> {
        loop {
            match self {
                Self::Size => {
                    let Some((line, size)) = size(arrived)? else { return Ok(Part::Missing) };
                    arrived.advance(line);
                    *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
                }
                Self::Data(left) => {
                    let part = take(arrived, left);
                    if *left == 0 {
                        *self = Self::DataEnd;
                    }
                    return Ok(part);
                }
                Self::DataEnd => match arrived.get(..2) {
                    None => return Ok(Part::Missing),
                    Some(b"\r\n") => {
                        arrived.advance(2);
                        *self = Self::Size;
                    }
                    Some(_) => return Err(Malformed::DataEnd),
                },
                Self::Trailers => {
                    let Some((length, trailers)) = trailers(arrived)? else { return Ok(Part::Missing) };
                    arrived.advance(length);
                    *self = Self::End;
                    if !trailers.is_empty() {
                        return Ok(Part::Trailers(trailers));
                    }
                }
                Self::End => return Ok(Part::End),
            }
        }
    }
}

/// Takes the bytes that have arrived, but no more than are `left`.
fn take(arrived: &mut BytesMut, left: &mut u64) -> Part {
    if arrived.is_empty() {
        return Part::Missing;
    }
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(arrived.len());
    *left -= length as u64;
    Part::Data(arrived.split_to(length).freeze())
}

/// The size of a chunk, with the length of its line.
fn size(arrived: &[u8]) -> Result<Option<(usize, u64)>, Malformed> {
    // The parser takes an empty line for a size of zero.
    let begins = arrived.first().is_none_or(u8::is_ascii_hexdigit);
    match httparse::parse_chunk_size(arrived) {
        Ok(Status::Complete((line, size))) if begins && line <= MAX_LINES => Ok(Some((line, size))),
        Ok(Status::Partial) if begins && arrived.len() < MAX_LINES => Ok(None),
        _ => Err(Malformed::Size),
    }
}

/// The trailers that the sender gets, with the length of all trailers.
fn trailers(arrived: &[u8]) -> Result<Option<(usize, HeaderMap)>, Malformed> {
    let mut room = [httparse::EMPTY_HEADER; MAX_TRAILERS];
    match httparse::parse_headers(arrived, &mut room) {
        Ok(Status::Complete((length, parsed))) if length <= MAX_LINES => {
            let sender = SenderHeaders::new(&[]);
            let pair = |header: &httparse::Header<'_>| {
                let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
                Some((name, HeaderValue::from_bytes(header.value).ok()?))
            };
            let trailers = parsed.iter().filter_map(pair).filter(|(name, _)| sender.pass(name));
            Ok(Some((
                length,
                trailers.fold(HeaderMap::new(), |mut all, (name, value)| {
                    all.append(name, value);
                    all
                }),
            )))
        }
        Ok(Status::Partial) if arrived.len() < MAX_LINES => Ok(None),
        _ => Err(Malformed::Trailers),
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "the size of a chunk is not valid",
            Self::DataEnd => "a chunk does not end where its size says",
            Self::Trailers => "the trailers are not valid",
        })
    }
}

impl Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes bytes that arrive in pieces of this length. Returns the data, the trailers, and the bytes that are left.
    fn decode(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<String>, usize), Malformed> {
        let (mut decoder, mut arrived) = (Decoder::chunked(), BytesMut::new());
        let (mut data, mut names) = (Vec::new(), Vec::new());
        let mut pieces = bytes.chunks(piece);
        loop {
            match decoder.next(&mut arrived)? {
                Part::Data(part) => data.extend_from_slice(&part),
                Part::Trailers(trailers) => names.extend(trailers.keys().map(ToString::to_string)),
                Part::End => return Ok((data, names, arrived.len() + pieces.flatten().count())),
                Part::Missing => match pieces.next() {
                    Some(piece) => arrived.extend_from_slice(piece),
                    None => return Ok((data, vec!["incomplete".into()], arrived.len())),
                },
            }
        }
    }

    #[test]
    fn chunks_and_trailers_are_decoded_in_pieces_of_any_length() {
        let bytes =
            b"4;a=\"b\"\r\nab\r\n\r\nA\r\n0123456789\r\n000\r\nGrpc-Status: 0\r\nCountersign_Key: x\r\n\r\nHTTP";
        for piece in 1..bytes.len() {
            let (data, trailers, left) = decode(bytes, piece).unwrap();
            assert_eq!((data.as_slice(), left), (&b"ab\r\n0123456789"[..], 4), "{piece}");
            assert_eq!(trailers, ["grpc-status"], "{piece}");
        }
        for end in 0..bytes.len() - 4 {
            assert_eq!(decode(&bytes[..end], 3).unwrap().1.last().map(String::as_str), Some("incomplete"), "{end}");
        }
    }

    #[test]
    fn what_is_no_chunked_body_is_an_error() {
        let long = [b"1;".as_slice(), &vec![b'a'; MAX_LINES]].concat();
        let many = [b"0\r\n".as_slice(), &b"a: b\r\n".repeat(MAX_TRAILERS + 1), b"\r\n"].concat();
        for (bytes, error) in [
            (&b"x\r\n"[..], Malformed::Size),
            (b"-1\r\n", Malformed::Size),
            (b"\r\n", Malformed::Size),
            (b"11111111111111111\r\n", Malformed::Size),
            (&long, Malformed::Size),
            (b"1\r\nab\r\n", Malformed::DataEnd),
            (b"1\r\na\n\n", Malformed::DataEnd),
            (b"0\r\na b\r\n\r\n", Malformed::Trailers),
            (&many, Malformed::Trailers),
        ] {
            for piece in [1, 7, bytes.len()] {
                assert_eq!(decode(bytes, piece).unwrap_err(), error, "{:?}", String::from_utf8_lossy(bytes));
            }
        }
    }

    #[test]
    fn a_body_with_a_length_ends_with_its_last_byte() {
        let (mut decoder, mut arrived) = (Decoder::Length(3), BytesMut::from(&b"ab"[..]));
        assert!(matches!(decoder.next(&mut arrived), Ok(Part::Data(data)) if data == "ab"));
        assert!(matches!(decoder.next(&mut arrived), Ok(Part::Missing)) && !decoder.is_at_end());
        arrived.extend_from_slice(b"cHTTP");
        assert!(matches!(decoder.next(&mut arrived), Ok(Part::Data(data)) if data == "c"));
        assert!(matches!(decoder.next(&mut arrived), Ok(Part::End)) && decoder.is_at_end() && arrived == "HTTP");
    }
}
