//! The header of the PROXY protocol, versions 1 and 2, with which a proxy announces the address of the client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest header that is read. A header of version 2 may have that many bytes, with TLVs.
pub(super) const MAX_HEADER: usize = 536;
/// The longest line of version 1, with its end.
const MAX_LINE: usize = 107;
const LINE_START: &[u8] = b"PROXY ";
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The length of a header of version 2 before its addresses.
const FIXED: usize = 16;

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProxyHeader {
    /// How many bytes it has.
    pub(super) length: usize,
    /// The address of the client. `None` if the proxy speaks for itself, as in a health check, or does not know.
    pub(super) source: Option<IpAddr>,
}

/// The bytes are not the beginning of a header that is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MalformedProxyHeader;

impl ProxyHeader {
    /// Whether these bytes begin with a header, or its first part.
    pub(super) fn starts(bytes: &[u8]) -> bool {
        bytes.starts_with(LINE_START) || bytes.starts_with(SIGNATURE)
    }

    /// Reads the header that these bytes begin with. `None` if it is incomplete: then all bytes belong to it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, MalformedProxyHeader> {
        if is_start(bytes, LINE_START) {
            parse_line(bytes)
        } else if is_start(bytes, SIGNATURE) {
            parse_binary(bytes)
        } else {
            Err(MalformedProxyHeader)
        }
    }
}

/// Whether one is the beginning of the other.
fn is_start(bytes: &[u8], whole: &[u8]) -> bool {
    let known = bytes.len().min(whole.len());
    bytes[..known] == whole[..known]
}

fn parse_line(bytes: &[u8]) -> Result<Option<ProxyHeader>, MalformedProxyHeader> {
    let known = &bytes[..bytes.len().min(MAX_LINE)];
    let Some(end) = known.windows(2).position(|end| end == b"\r\n") else {
        return if known.len() < MAX_LINE { Ok(None) } else { Err(MalformedProxyHeader) };
    };
    let line = known.get(LINE_START.len()..end).ok_or(MalformedProxyHeader)?;
    let line = std::str::from_utf8(line).map_err(|_| MalformedProxyHeader)?;
    Ok(Some(ProxyHeader { length: end + 2, source: source_of_line(line)? }))
}

fn source_of_line(line: &str) -> Result<Option<IpAddr>, MalformedProxyHeader> {
    let mut fields = line.split(' ');
    let family = fields.next();
    if family == Some("UNKNOWN") {
        return Ok(None);
    }
    let (Some(source), Some(destination), Some(source_port), Some(destination_port), None) =
        (fields.next(), fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(MalformedProxyHeader);
    };
    let address = |text: &str| match family {
        Some("TCP4") => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        Some("TCP6") => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    if address(destination).is_none() || !is_port(source_port) || !is_port(destination_port) {
        return Err(MalformedProxyHeader);
    }
    address(source).map(Some).ok_or(MalformedProxyHeader)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn parse_binary(bytes: &[u8]) -> Result<Option<ProxyHeader>, MalformedProxyHeader> {
    // Checked as soon as it is there, so that nothing is awaited from what is no proxy.
    if bytes.get(SIGNATURE.len()).is_some_and(|command| !matches!(command, 0x20 | 0x21)) {
        return Err(MalformedProxyHeader);
    }
    let &[.., command, family, high, low] = bytes.get(..FIXED).unwrap_or_default() else { return Ok(None) };
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_HEADER {
        return Err(MalformedProxyHeader);
    }
    let Some(addresses) = bytes.get(FIXED..length) else { return Ok(None) };
    let source = match (command, family) {
        // The proxy speaks for itself, or does not know the client.
        (0x20, _) | (0x21, 0x00) => None,
        // Source and destination with their ports. TLVs may follow.
        (0x21, 0x11) => match *addresses {
            [a, b, c, d, _, _, _, _, _, _, _, _, ..] => Some(Ipv4Addr::new(a, b, c, d).into()),
            _ => return Err(MalformedProxyHeader),
        },
        (0x21, 0x21) => match addresses.get(..36).and_then(|both| both.first_chunk::<16>()) {
            Some(source) => Some(Ipv6Addr::from(*source).into()),
            None => return Err(MalformedProxyHeader),
        },
        _ => return Err(MalformedProxyHeader),
    };
    Ok(Some(ProxyHeader { length, source }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE.as_slice(), &[command, family], &length, rest].concat()
    }

    fn v4() -> Vec<u8> {
        vec![192, 0, 2, 1, 192, 0, 2, 2, 0, 80, 1, 187]
    }

    fn v6() -> Vec<u8> {
        let source = "2001:db8::1".parse::<Ipv6Addr>().unwrap().octets();
        [source.as_slice(), &[0; 16], &[0, 80, 1, 187]].concat()
    }

    fn good() -> Vec<(Vec<u8>, Option<&'static str>)> {
        let longest = "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535";
        let padded = format!("{longest}{}\r\n", " ".repeat(MAX_LINE - longest.len() - 2));
        let tlvs = vec![4; MAX_HEADER - FIXED - 12];
        vec![
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65535\r\n".to_vec(), Some("192.0.2.1")),
            (b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n".to_vec(), Some("2001:db8::1")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (padded.into_bytes(), None),
            (binary(0x21, 0x11, &v4()), Some("192.0.2.1")),
            (binary(0x21, 0x11, &[v4(), tlvs].concat()), Some("192.0.2.1")),
            (binary(0x21, 0x21, &v6()), Some("2001:db8::1")),
            (binary(0x21, 0x21, &[v6(), vec![1, 2, 3]].concat()), Some("2001:db8::1")),
            (binary(0x20, 0x00, b""), None),
            (binary(0x20, 0x11, &v4()), None),
            (binary(0x21, 0x00, b"abc"), None),
        ]
    }

    #[test]
    fn a_header_is_read_to_its_end_and_no_further() {
        for (header, source) in good() {
            let source = source.map(|source| source.parse().unwrap());
            let whole = Ok(Some(ProxyHeader { length: header.len(), source }));
            assert_eq!(ProxyHeader::parse(&header), whole, "{header:?}");
            assert_eq!(ProxyHeader::parse(&[header.as_slice(), b"POST / HTTP/1.1\r\n\r\n"].concat()), whole);
            for end in 0..header.len() {
                assert_eq!(ProxyHeader::parse(&header[..end]), Ok(None), "{end} of {header:?}");
            }
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        let lines = [
            "POST / HTTP/1.1\r\n\r\n",
            "\x16\x03\x01",
            "PROXY\r\n",
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2  2\r\n",
            "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        ];
        let long = format!("PROXY UNKNOWN {}", "a".repeat(MAX_LINE));
        let binaries = [
            binary(0x11, 0x11, &v4()),
            binary(0x22, 0x11, &v4()),
            binary(0x21, 0x12, &v4()),
            binary(0x21, 0x31, &[0; 216]),
            binary(0x21, 0x11, &v4()[..11]),
            binary(0x21, 0x21, &v6()[..35]),
            binary(0x20, 0x00, &[0; MAX_HEADER - FIXED + 1]),
        ];
        for bytes in lines.iter().copied().chain([long.as_str()]).map(|line| line.as_bytes().to_vec()).chain(binaries) {
            assert_eq!(ProxyHeader::parse(&bytes), Err(MalformedProxyHeader), "{bytes:?}");
        }
    }

    #[test]
    fn random_bytes_neither_panic_nor_make_the_reader_wait_for_more_than_the_limit() {
        let mut random = fastrand::Rng::with_seed(12);
        let good = good();
        for _ in 0..200_000 {
            let mut bytes = good[random.usize(..good.len())].0.clone();
            for _ in 0..random.usize(..4) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(..=bytes.len()));
            match ProxyHeader::parse(&bytes) {
                Ok(Some(header)) => assert!(header.length <= bytes.len().min(MAX_HEADER), "{bytes:?}"),
                Ok(None) => {
                    bytes.resize(MAX_HEADER, b'a');
                    assert_ne!(ProxyHeader::parse(&bytes), Ok(None), "{bytes:?}");
                }
                Err(MalformedProxyHeader) => {}
            }
        }
    }
}
