//! Files that are known, but hold no request that can be read here.

/// What the file is, and the command that converts it.
pub(super) fn named(bytes: &[u8]) -> Option<&'static str> {
    const BEGINNINGS: [(&[u8], &str); 9] = [
        (b"\xd4\xc3\xb2\xa1", PACKETS),
        (b"\xa1\xb2\xc3\xd4", PACKETS),
        (b"\x0a\x0d\x0d\x0a", PACKETS),
        (b"PK\x03\x04", "this is a zip archive (for example of Fiddler): unpack it, and give the request as --raw"),
        (b"\x1f\x8b", "this is compressed: `gunzip -c FILE` writes what is in it"),
        (b"<!DOCTYPE", PAGE),
        (b"<!doctype", PAGE),
        (b"<html", PAGE),
        (b"<?xml", "this is XML (for example of Burp): save the request alone, and give it as --raw"),
    ];
    const PACKETS: &str = "this is a packet capture: `tshark -r FILE -q -z follow,http,raw,0 | sed -n 7,\\$p | xxd -r -p` writes \
                           the bytes of its first HTTP stream, for --raw; TLS must be decrypted first";
    const PAGE: &str = "this is an HTML page, not a request: export the request from where it was captured";
    BEGINNINGS.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, named)| *named)
}
