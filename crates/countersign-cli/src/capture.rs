//! A captured request: headers and body, in the usual forms of captures.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::{ArgGroup, Args};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::input;

/// The options for the request. `-` is stdin.
#[derive(Args, Debug)]
#[group(skip)]
#[command(group = ArgGroup::new("capture").required(true))]
pub(crate) struct CaptureArgs {
    /// The request as JSON: its headers, and its body as text or in base64
    #[arg(long, value_name = "FILE", group = "capture", help = REQUEST_HELP)]
    request: Option<PathBuf>,
    /// The request as it is on the wire: head, an empty line, body
    #[arg(long, value_name = "FILE", group = "capture")]
    raw: Option<PathBuf>,
    /// The headers, as `name: value` lines or as JSON; goes with --body
    #[arg(long, value_name = "FILE", group = "capture", requires = "body")]
    headers: Option<PathBuf>,
    /// The body, byte for byte; goes with --headers
    #[arg(long, value_name = "FILE", requires = "headers")]
    body: Option<PathBuf>,
}

const REQUEST_HELP: &str = r#"JSON: {"headers": {…} or [[name, value], …], "body": "text" or "body_base64": "…"}"#;

/// A captured request.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl CaptureArgs {
    pub(crate) fn read(&self) -> Result<Capture, Error> {
        match (&self.request, &self.raw, &self.headers, &self.body) {
            (Some(path), ..) => parse(path, input::REQUEST_LIMIT, from_json),
            (_, Some(path), ..) => parse(path, input::BODY_LIMIT + input::TEXT_LIMIT, from_raw),
            (_, _, Some(headers), Some(body)) => {
                let headers = parse(headers, input::TEXT_LIMIT, from_headers)?;
                Ok(Capture { headers, body: input::read(body, input::BODY_LIMIT)?.into() })
            }
            _ => Err(Error::Argument {
                name: "--headers",
                problem: "give --request, --raw, or --headers and --body".into(),
            }),
        }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.request, &self.raw, &self.headers, &self.body].into_iter().flatten()
    }
}

fn parse<T>(path: &Path, limit: u64, read: fn(&[u8]) -> Result<T, String>) -> Result<T, Error> {
    read(&input::read(path, limit)?).map_err(|problem| Error::Unusable { what: input::name(path), problem })
}

#[derive(Deserialize)]
struct RequestDocument {
    headers: Value,
    body: Option<String>,
    body_base64: Option<String>,
    /// As in the events of AWS Lambda.
    #[serde(default, rename = "isBase64Encoded")]
    body_is_base64: bool,
}

fn from_json(bytes: &[u8]) -> Result<Capture, String> {
    let unusable =
        |error: String| format!("not a request as JSON, with `headers` and `body` or `body_base64`: {error}");
    // A struct would be read from an array, too.
    let document: Map<String, Value> = serde_json::from_slice(bytes).map_err(|error| unusable(error.to_string()))?;
    let document: RequestDocument =
        serde_json::from_value(document.into()).map_err(|error| unusable(error.to_string()))?;
    let decode = |text: String| STANDARD.decode(text).map_err(|error| format!("the body is not base64: {error}"));
    let body = match (document.body, document.body_base64) {
        (Some(_), Some(_)) => return Err("has both `body` and `body_base64`: leave one out".into()),
        (None, Some(text)) => decode(text)?,
        (Some(text), None) if document.body_is_base64 => decode(text)?,
        (Some(text), None) => text.into_bytes(),
        (None, None) => return Err("has neither `body` (text) nor `body_base64`: add one".into()),
    };
    Ok(Capture { headers: json_headers(&document.headers)?, body: body.into() })
}

fn from_raw(bytes: &[u8]) -> Result<Capture, String> {
    let (head, body) = split_head(bytes).ok_or("has no empty line between head and body")?;
    let head = str::from_utf8(&bytes[..head]).map_err(|_| "the head is not text")?;
    Ok(Capture { headers: line_headers(head)?, body: Bytes::copy_from_slice(&bytes[body..]) })
}

/// Where the head ends and where the body begins.
fn split_head(bytes: &[u8]) -> Option<(usize, usize)> {
    let crlf = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| (at, at + 4));
    let lf = bytes.windows(2).position(|window| window == b"\n\n").map(|at| (at, at + 2));
    [crlf, lf].into_iter().flatten().min()
}

fn from_headers(bytes: &[u8]) -> Result<HeaderMap, String> {
    let text = str::from_utf8(bytes).map_err(|_| "the headers are not text")?;
    if text.trim_start().starts_with(['{', '[']) {
        let value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        json_headers(&value)
    } else {
        line_headers(text)
    }
}

fn line_headers(text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match line.split_once(':') {
            // A request line. `POST http://…` has a colon too, but no header name has a space.
            _ if number == 0 && line.split(' ').count() == 3 && line.contains(" HTTP/") => {}
            Some((name, value)) => append(&mut headers, name, value.trim_matches([' ', '\t']))?,
            None => return Err(format!("line {} is not `name: value`", number + 1)),
        }
    }
    Ok(headers)
}

fn json_headers(value: &Value) -> Result<HeaderMap, String> {
    const SHAPE: &str = "the headers are a JSON object of text (or lists of text), or an array of [name, value]";
    let mut headers = HeaderMap::new();
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                for value in values {
                    append(&mut headers, name, value.as_str().ok_or(SHAPE)?)?;
                }
            }
        }
        Value::Array(pairs) => {
            for pair in pairs {
                match pair.as_array().map(Vec::as_slice) {
                    Some([Value::String(name), Value::String(value)]) => append(&mut headers, name, value)?,
                    _ => return Err(SHAPE.into()),
                }
            }
        }
        _ => return Err(SHAPE.into()),
    }
    Ok(headers)
}

fn append(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), String> {
    let shown = crate::output::shown(name);
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| format!("`{shown}` is not a header name"))?;
    let value = HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| format!("the value of `{name}` has a line break or control character, which HTTP cannot carry"))?;
    headers.try_append(name, value).map(drop).map_err(|_| "more headers than a request can have".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_the_first_empty_line() {
        let capture = from_raw(b"POST /x HTTP/1.1\r\nWebhook-Id:  a \r\n\r\n{}\n\n").expect("a request");
        assert_eq!(
            (&capture.headers["webhook-id"], &capture.body[..]),
            (&HeaderValue::from_static("a"), &b"{}\n\n"[..])
        );
        let capture = from_raw(b"webhook-id: a\n\na\r\n\r\nb").expect("a request");
        assert_eq!(capture.body, "a\r\n\r\nb");
        assert!(from_raw(b"webhook-id: a\n").is_err());
    }

    #[test]
    fn only_an_object_is_a_request() {
        let request = |text: &str| from_json(text.as_bytes()).map(|capture| capture.body);
        assert_eq!(request(r#"{"headers":{},"body":"a"}"#), Ok("a".into()));
        for text in [r#"[{},"a",null,false]"#, "[]", "null", r#""a""#, "{}"] {
            assert!(request(text).is_err_and(|error| error.starts_with("not a request as JSON")), "{text}");
        }
    }

    #[test]
    fn headers_are_read_in_every_form() {
        for text in [
            "POST http://localhost/ HTTP/1.1\nWebhook-Id: a\nwebhook-id: b\n",
            r#"{"Webhook-Id": ["a", "b"]}"#,
            r#"[["Webhook-Id", "a"], ["webhook-id", "b"]]"#,
        ] {
            let headers = from_headers(text.as_bytes()).expect("headers");
            assert_eq!(headers.get_all("webhook-id").iter().collect::<Vec<_>>(), ["a", "b"], "{text}");
        }
        for text in ["webhook-id", r#"{"webhook-id": 1}"#, "[1]", "{", "a b: c", "{\"a\": \"b\\n\"}"] {
            assert!(from_headers(text.as_bytes()).is_err(), "{text}");
        }
    }
}
