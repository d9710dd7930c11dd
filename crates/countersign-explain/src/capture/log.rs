//! Lines of nginx's access log that name their variables: `http_webhook_id="a" … request_body="{\x22a\x22:1}"`.

use bytes::Bytes;
use http::HeaderMap;

use super::captured::Capture;
use super::headers::append;

/// Reads the headers and the body of the first line that has a signature.
pub(super) fn request(text: &str) -> Option<Result<Capture, String>> {
    let is_signed =
        |line: &&str| line.contains("http_") && line.contains("signature=") && line.contains("request_body=");
    let line = text.lines().find(is_signed)?;
    Some(read(line))
}

fn read(line: &str) -> Result<Capture, String> {
    let (mut headers, mut body) = (HeaderMap::new(), None);
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('=') {
        let name = before.rsplit([' ', '\t', ',', '$', '"']).next().unwrap_or_default();
        let (value, tail) = match after.strip_prefix(['"', '\'']) {
            Some(quoted) => quoted.split_once(['"', '\'']).unwrap_or((quoted, "")),
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        if let Some(name) = name.strip_prefix("http_") {
            append(&mut headers, &name.replace('_', "-"), &String::from_utf8_lossy(&unescaped(value)))?;
        } else if name == "request_body" {
            body = Some(unescaped(value));
        }
        rest = tail;
    }
    match body.filter(|body| body != b"-") {
        Some(body) => Ok(Capture::new(headers, Bytes::from(body))),
        None => {
            Err("nginx has logged no body: `$request_body` is empty unless the request is passed on with `proxy_pass`"
                .into())
        }
    }
}

/// The bytes of a value: nginx writes quotes, backslashes and what is not ASCII as `\x22`.
fn unescaped(value: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::with_capacity(value.len()), value.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let digits =
            rest.strip_prefix(b"\\x").and_then(|rest| rest.get(..2)).and_then(|digits| hex::decode(digits).ok());
        if let Some(byte) = digits {
            bytes.extend(byte);
            rest = &rest[4..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_body_is_read() {
        let text = "GET /\n127.0.0.1 \"POST / HTTP/1.1\" 401 http_webhook_id=\"a\" http_webhook_signature=\"v1,ab=\" request_body=\"{\\x22a\\x22:\\x22\\xC3\\xA9\\x22}\"\n";
        let capture = request(text).expect("a line").expect("a request");
        assert_eq!(
            (&capture.headers["webhook-signature"], &capture.body[..]),
            (&"v1,ab=".parse().expect("a value"), "{\"a\":\"é\"}".as_bytes())
        );
        assert!(request(&text.replace("\"{\\x22", "\"-\" x=\"")).expect("a line").is_err());
        assert!(request("webhook-id: a").is_none());
    }
}
