//! Requests as seeds for the targets that read HTTP/1.1.

/// Bytes of connections: plain requests, and those that parsers disagree about.
pub(crate) fn connections() -> Vec<Vec<u8>> {
    let plain = "POST /hook HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}";
    let mut all = vec![plain.to_owned(), format!("{plain}{plain}"), plain.replace("{}", "{")];
    for (from, to) in [
        ("Host: h", "Host: h\r\nConnection: close"),
        ("Host: h", "Host: h\r\nConnection: keep-alive, x"),
        ("Host: h", "Host: h\r\nExpect: 100-continue"),
        ("Host: h", "Host: h\r\nHost: g"),
        ("Host: h", "host:\th \r\nX-Odd:  a \u{e9}"),
        ("Host: h", "Host: h\r\n folded"),
        ("Host: h\r\n", "Host: h\n"),
        ("Host: h\r\n", ""),
        ("POST", "GET"),
        ("POST", "HEAD"),
        ("HTTP/1.1", "HTTP/1.0"),
        ("/hook", "/hook?a=1&b=%20"),
        ("/hook", "http://h/hook"),
        ("/hook", "*"),
        ("Content-Length: 2", "Content-Length: 02"),
        ("Content-Length: 2", "Content-Length: +2"),
        ("Content-Length: 2", "Content-Length: 2\r\nContent-Length: 2"),
        ("Content-Length: 2", "Content-Length: 2, 2"),
        ("Content-Length: 2", "Content-Length: 0"),
        ("Content-Length: 2\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
        ("Content-Length: 2\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\n{}\r\n0\r\nx: y\r\n\r\n"),
        ("Content-Length: 2", "Content-Length: 2\r\nTransfer-Encoding: chunked"),
        ("Content-Length: 2", "Transfer-Encoding: identity"),
        (
            "Content-Length: 2\r\n\r\n{}",
            "Content-Length: 60\r\n\r\nPOST /hook HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
        ),
    ] {
        all.push(plain.replacen(from, to, 1));
        all.push(format!("{plain}{}{plain}", plain.replacen(from, to, 1)));
    }
    all.into_iter().map(String::into_bytes).collect()
}
