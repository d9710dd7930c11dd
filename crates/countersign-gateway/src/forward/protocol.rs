//! Other protocols than the one that is expected of an upstream.

use std::fmt;

/// A protocol that an upstream speaks in place of HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http2,
    Tls,
}

impl Protocol {
    /// The one that these first bytes of an upstream belong to.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            // A frame of the connection: SETTINGS, which is the first one, or GOAWAY.
            [0, _, _, 4 | 7, _, 0, 0, 0, 0, ..] => Some(Self::Http2),
            // An alert.
            [0x15, 3, ..] => Some(Self::Tls),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http2 => "it is HTTP/2: write h2c:// in `upstream`, or h2:// with TLS",
            Self::Tls => "it is TLS: write https:// in `upstream`, or h2:// for HTTP/2",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_beginnings_of_other_protocols_are_recognised() {
        for (bytes, expected) in [
            (&b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64"[..], Some(Protocol::Http2)),
            (b"\0\0\x08\x07\0\0\0\0\0", Some(Protocol::Http2)),
            (b"\0\0\x08\x07\0\0\0\0\x01", None),
            (b"\0\0\x08\x04", None),
            (b"\x15\x03\x01\0\x02\x02\x46", Some(Protocol::Tls)),
            (b"HTTP/1.1 200 OK", None),
            (b"", None),
        ] {
            assert_eq!(Protocol::of(bytes), expected, "{bytes:?}");
        }
    }
}
