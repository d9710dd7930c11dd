//! A captured request: headers and body, in every form that people paste.

mod captured;
mod curl;
mod document;
pub(crate) mod encoding;
mod headers;
mod lines;
mod literal;
mod raw;
mod unreadable;

use http::HeaderMap;

pub use captured::Capture;

use literal::inside;

use crate::json;

/// Why a capture cannot be read, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CaptureError(String);

impl Capture {
    /// Reads a request as JSON (headers and body, an event of a function, HAR, an inspector's export), as a curl command,
    /// or as it is on the wire.
    pub fn from_request(bytes: &[u8]) -> Result<Self, CaptureError> {
        from_request(bytes).map_err(|problem| error(bytes, problem))
    }

    /// Reads a request as it is on the wire: head, an empty line, body. The other forms are recognised, too.
    pub fn from_raw(bytes: &[u8]) -> Result<Self, CaptureError> {
        from_raw(bytes).map_err(|problem| error(bytes, problem))
    }

    /// Reads headers as lines, as JSON, or as a language prints them.
    pub fn parse_headers(bytes: &[u8]) -> Result<HeaderMap, CaptureError> {
        from_headers(bytes).map_err(|problem| error(bytes, problem))
    }
}

fn error(bytes: &[u8], problem: String) -> CaptureError {
    CaptureError(unreadable::named(bytes).map_or(problem, str::to_owned))
}

fn from_request(bytes: &[u8]) -> Result<Capture, String> {
    let text = encoding::decode(bytes).unwrap_or_default();
    if curl::is_command(&text) {
        curl::request(&text)
    } else if !is_object(&text) && raw::request(bytes).is_ok() {
        raw::request(bytes)
    } else {
        document::request(&text)
    }
}

fn from_raw(bytes: &[u8]) -> Result<Capture, String> {
    let text = encoding::decode(bytes).unwrap_or_default();
    if curl::is_command(&text) {
        curl::request(&text)
    } else if is_object(&text) && document::request(&text).is_ok() {
        document::request(&text)
    } else {
        raw::request(bytes)
    }
}

fn from_headers(bytes: &[u8]) -> Result<HeaderMap, String> {
    let text = encoding::decode(bytes)?;
    if curl::is_command(&text) {
        return curl::request(&text).map(|capture| capture.headers);
    }
    let object = inside(&text);
    match json::parse_literal(object) {
        Some(node) => document::only_headers(&node),
        None if object.starts_with(['{', '[']) && !object.starts_with("[\"") && json_is_meant(object) => {
            Err("neither JSON nor an object as Python, Ruby or JavaScript prints it: check its brackets and quotes"
                .into())
        }
        None => lines::headers(&text),
    }
}

/// Whether a text is not lines that happen to stand in brackets.
fn json_is_meant(text: &str) -> bool {
    lines::headers(text).is_err()
}

fn is_object(text: &str) -> bool {
    inside(text).starts_with(['{', '['])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_the_first_empty_line() {
        let capture = from_raw(b"POST /x HTTP/1.1\r\nWebhook-Id:  a \r\n\r\n{}\n\n").expect("a request");
        assert_eq!(
            (&capture.headers["webhook-id"], &capture.body[..]),
            (&http::HeaderValue::from_static("a"), &b"{}\n\n"[..])
        );
        let capture = from_raw(b"webhook-id: a\n\na\r\n\r\nb").expect("a request");
        assert_eq!(capture.body, "a\r\n\r\nb");
        assert!(from_raw(b"webhook-id: a\n").is_err());
    }

    #[test]
    fn only_an_object_is_a_request() {
        let request = |text: &str| from_request(text.as_bytes()).map(|capture| capture.body);
        assert_eq!(request(r#"{"headers":{},"body":"a"}"#), Ok("a".into()));
        for text in [r#"[{},"a",null,false]"#, "[]", "null", r#""a""#, "{}"] {
            assert!(request(text).is_err_and(|error| error.starts_with("not a request as JSON")), "{text}");
        }
    }

    #[test]
    fn headers_are_read_in_every_form() {
        for text in [
            "POST http://localhost/ HTTP/1.1\nWebhook-Id: a\nwebhook-id: b\n",
            "\u{feff}Webhook-Id: a\r\nWebhook-Id: b\r\n",
            "* Connected\n> POST /x HTTP/2\n> webhook-id: a\n> webhook-id: b\n>\n< HTTP/2 200\n< date: c\n",
            ":method: POST\nwebhook-id:\na\nwebhook-id:\nb\n",
            "Key         Value\n---         -----\nWebhook-Id  {a}\nWebhook-Id  b\n",
            "Key   : webhook-id\nValue : {a}\n\nKey   : webhook-id\nValue : {b}\n",
            "Array\n(\n    [webhook-id] => a\n    [webhook-id] => b\n)\n",
            "map[Webhook-Id:[a] webhook-id:[b]]",
            "curl https://x.example -H 'Webhook-Id: a' \\\n  --header \"webhook-id: b\" -d x",
            "-H 'webhook-id: a' \\\n-H 'webhook-id: b'",
            r#"{"Webhook-Id": ["a", "b"]}"#,
            r#"[["Webhook-Id", "a"], ["webhook-id", "b"]]"#,
            r#"["Webhook-Id", "a", "webhook-id", "b"]"#,
            r#"["Webhook-Id: a", "webhook-id: b"]"#,
            r#"[{"name": "Webhook-Id", "value": "a"}, {"key": "webhook-id", "value": "b"}]"#,
            r#"{"webhook-id": [{"key": "Webhook-Id", "value": "a"}, {"value": "b"}], "x": null}"#,
            r#"{"request": {"rawHeaders": ["Webhook-Id", "a", "webhook-id", "b"]}}"#,
            "{'Webhook-Id': 'a', 'webhook-id': 'b'}",
            "[(b'webhook-id', b'a'), (b'webhook-id', b'b')]",
            "Headers([('webhook-id', 'a'), ('webhook-id', 'b')])",
            "Object [Map] { 'webhook-id' => 'a', 'Webhook-Id' => 'b' }".replacen("Object [Map]", "Map(2)", 1).as_str(),
            r#"{"webhook-id"=>"a", "Webhook-Id"=>"b"}"#,
        ] {
            let headers = from_headers(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(headers.get_all("webhook-id").iter().collect::<Vec<_>>(), ["a", "b"], "{text}");
        }
        let folded = from_headers(b"webhook-id: a\nwebhook-signature: v1,ab\n\tcd+/=\nx: y\n  z\n").expect("headers");
        assert_eq!(
            (&folded["webhook-signature"], &folded["x"]),
            (&"v1,ab cd+/=".parse().expect("a value"), &"y z".parse().expect("a value"))
        );
        let wide: Vec<u8> = "\u{feff}webhook-id: a\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(from_headers(&wide).expect("headers")["webhook-id"], "a");
        for text in ["webhook-id", r#"{"webhook-id": {}}"#, "[1]", "{", "a b: c", "{\"a\": \"b\\n\"}"] {
            assert!(from_headers(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn requests_are_read_in_every_form() {
        for text in [
            r#"{"headers":{"webhook-id":"a"},"body":"b"}"#,
            r#"{"headers":{"webhook-id":"a"},"body_base64":"Yg=="}"#,
            r#"{"headers":null,"multiValueHeaders":{"Webhook-Id":["a"]},"body":"Yg==","isBase64Encoded":true}"#,
            r#"{"headers":{"webhook-id":[{"key":"Webhook-Id","value":"a"}]},"body":{"data":"Yg==","encoding":"base64"}}"#,
            r#"{"Records":[{"cf":{"request":{"headers":{"webhook-id":[{"value":"a"}]},"body":{"data":"Yg==","encoding":"base64"}}}}]}"#,
            r#"{"log":{"entries":[{"request":{"headers":[{"name":"webhook-id","value":"a"}],"postData":{"mimeType":"x","text":"b"}}}]}}"#,
            r#"{"requests":[{"request":{"headers":{"Webhook-Id":["a"]},"raw":"UE9TVCAvIEhUVFAvMS4xDQpXZWJob29rLUlkOiBhDQoNCmI="}}]}"#,
            r#"{"request":{"header":[{"key":"webhook-id","value":"a"}],"body":{"mode":"raw","raw":"b"}}}"#,
            r#"{"http_webhook_id":"a","request_body":"b"}"#,
            r#"{"headers":{"webhook-id":"a"},"rawBody":{"type":"Buffer","data":[98]}}"#,
            "{'headers': {'webhook-id': 'a'}, 'body': 'b'}",
            "curl 'https://x.example/' -H 'webhook-id: a' --data-raw 'b'",
            "POST / HTTP/1.1\r\nwebhook-id: a\r\n\r\nb",
            "> POST / HTTP/1.1\n> webhook-id: a\n> \nb",
        ] {
            let capture = from_request(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(
                (&capture.headers["webhook-id"], &capture.body[..]),
                (&"a".parse().expect("a value"), &b"b"[..]),
                "{text}"
            );
        }
        let parsed = from_request(br#"{"headers":{},"body":{"a": 1}}"#).expect("a request");
        assert_eq!(parsed.body, r#"{"a": 1}"#);
    }
}
