//! Headers of the PROXY protocol.

use std::net::IpAddr;

use countersign_gateway::serve::fuzzing::proxy_header;

/// The longest header that may be awaited.
const MAX: usize = 536;

/// A header is the same however much of it has arrived, and it says what an independent reading says.
pub(crate) fn run(bytes: &[u8]) {
    let whole = proxy_header(bytes);
    match whole {
        Ok(Some((length, source))) => {
            assert!((1..=bytes.len().min(MAX)).contains(&length), "{length} bytes");
            for end in 0..length {
                assert_eq!(proxy_header(&bytes[..end]), Ok(None), "after {end} bytes");
            }
            assert_eq!(proxy_header(&bytes[..length]), whole);
            assert_eq!(source, read(&bytes[..length]));
        }
        // More may follow, but not for ever.
        Ok(None) => assert!(bytes.len() < MAX, "{} bytes are not enough", bytes.len()),
        // Nothing that follows makes it good.
        Err(()) => {
            let more = [bytes, b"\r\n"].concat();
            assert_eq!(proxy_header(&more), Err(()));
        }
    }
}

/// The source address of a valid header.
fn read(header: &[u8]) -> Option<IpAddr> {
    if header.starts_with(b"PROXY ") {
        let line = String::from_utf8_lossy(header);
        let fields: Vec<&str> = line.trim_end().split(' ').collect();
        return (fields[1] != "UNKNOWN").then(|| fields[2].parse().expect("an address"));
    }
    let (is_proxied, family) = (header[12] & 15 == 1, header[13] >> 4);
    let rest = &header[16..];
    match family {
        1 if is_proxied => Some(IpAddr::from(<[u8; 4]>::try_from(&rest[..4]).expect("4 bytes"))),
        2 if is_proxied => Some(IpAddr::from(<[u8; 16]>::try_from(&rest[..16]).expect("16 bytes"))),
        _ => None,
    }
}

/// Headers of both versions.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let binary = |rest: &[u8]| [b"\r\n\r\n\0\r\nQUIT\n", rest].concat();
    vec![
        b"PROXY TCP4 192.0.2.1 192.0.2.2 80 443\r\nPOST".to_vec(),
        b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n".to_vec(),
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN a b c d e\r\n".to_vec(),
        binary(b"\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\0\x50\x01\xbbPOST"),
        binary(&[&b"\x21\x21\0\x24"[..], &[7; 36]].concat()),
        binary(&[&b"\x21\x11\0\x13"[..], &[1; 12], b"\x04\0\x04abcd"].concat()),
        binary(b"\x20\0\0\0"),
        binary(b"\x21\0\0\0"),
    ]
}
