//! Requests as JSON: events of functions, exports of inspectors and browsers, logged objects.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;

use super::captured::Capture;
use super::literal::inside;
use super::{headers, raw};
use crate::json::{self, Node, Value};

const HEADERS: [&str; 9] = [
    "headers",
    "multiValueHeaders",
    "rawHeaders",
    "header",
    "Headers",
    "requestHeaders",
    "request_headers",
    "req_headers",
    "http_headers",
];
const BODIES: [&str; 13] = [
    "body",
    "body_base64",
    "bodyBase64",
    "rawBody",
    "raw_body",
    "content",
    "postData",
    "requestBody",
    "request_body",
    "requestContent",
    "Body",
    "payload",
    "data",
];
/// Where exports put the request: the names on the way, and the first item of a list.
const PLACES: [&str; 15] = [
    "request",
    "req",
    "log",
    "entries",
    "requests",
    "Records",
    "cf",
    "event",
    "data",
    "items",
    "http",
    "httpRequest",
    "originalRequest",
    "input",
    "payload",
];
const MAX_DEPTH: usize = 6;

/// Reads a request from a JSON text, or from an object that Python, Ruby or JavaScript has printed.
pub(super) fn request(text: &str) -> Result<Capture, String> {
    let unusable = |error: &str| format!("not a request as JSON, with `headers` and `body` or `body_base64`: {error}");
    let node = json::parse(text.trim()).or_else(|| json::parse_literal(inside(text)));
    let node = node.ok_or_else(|| unusable("it is not JSON"))?;
    let text = if json::parse(text.trim()).is_some() { text.trim() } else { inside(text) };
    if let Some(raw) =
        find(&node, 0, &|node| node.get("raw").and_then(Node::text).and_then(|raw| STANDARD.decode(raw).ok()))
    {
        // ngrok's export has the whole request in base64.
        return raw::request(&raw);
    }
    let request = find(&node, 0, &|node| (headers_of(node).is_some() || is_nginx_log(node)).then(|| node.clone()));
    let request = request.ok_or_else(|| unusable("it has no headers"))?;
    let headers = match headers_of(&request) {
        Some(node) => headers::of_node(node)?,
        None => logged_headers(&request)?,
    };
    let (body, doubt) = body(&request, text)?;
    Ok(Capture { doubt, ..Capture::new(headers, body) })
}

/// The headers of a request in an export, if this is one.
pub(super) fn only_headers(node: &Node) -> Result<HeaderMap, String> {
    match find(node, 0, &|node| headers_of(node).cloned()) {
        Some(nested) => headers::of_node(&nested),
        None => headers::of_node(node),
    }
}

fn find<T>(node: &Node, depth: usize, found: &dyn Fn(&Node) -> Option<T>) -> Option<T> {
    if depth > MAX_DEPTH {
        return None;
    }
    if let Some(items) = node.items() {
        return items.first().and_then(|first| find(first, depth + 1, found));
    }
    node.members()?;
    found(node).or_else(|| PLACES.iter().find_map(|name| find(node.get(name)?, depth + 1, found)))
}

fn headers_of(node: &Node) -> Option<&Node> {
    let is_list = |node: &&Node| node.members().is_some() || node.items().is_some();
    HEADERS.iter().find_map(|name| node.get(name).filter(is_list))
}

/// A line of nginx's access log as JSON: `http_webhook_id`, `request_body`.
fn is_nginx_log(node: &Node) -> bool {
    let members = node.members().unwrap_or_default();
    members.iter().any(|member| member.name.to_lowercase().starts_with("http_webhook"))
}

fn logged_headers(node: &Node) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for member in node.members().unwrap_or_default() {
        let name = member.name.to_lowercase();
        if let (Some(name), Some(value)) = (name.strip_prefix("http_"), member.value.text()) {
            headers::append(&mut headers, &name.replace('_', "-"), value)?;
        }
    }
    Ok(headers)
}

/// The body, and what is doubtful about it.
fn body(request: &Node, text: &str) -> Result<(Bytes, Option<String>), String> {
    let decode = |text: &str| STANDARD.decode(text.trim()).map_err(|error| format!("the body is not base64: {error}"));
    let is_true = |name: &str| request.get(name).is_some_and(|node| node.value == Value::Word("true"));
    let in_base64 = ["isBase64Encoded", "is_base64_encoded", "base64", "isBase64"].iter().any(|name| is_true(name));
    if request.get("body").is_some() && request.get("body_base64").is_some() {
        return Err("has both `body` and `body_base64`: leave one out".into());
    }
    let found = BODIES.iter().find_map(|name| Some((*name, request.get(name)?)));
    let (name, node) = found.ok_or("has neither `body` (text) nor `body_base64`: add one")?;
    let body: Bytes = match &node.value {
        Value::Text(text) if in_base64 || name.to_lowercase().ends_with("base64") => decode(text)?.into(),
        Value::Text(text) => text.clone().into(),
        Value::Word("null") => Bytes::new(),
        _ => {
            // HAR's `text`, Edge's `data`, Postman's `raw`, each perhaps in base64; Node's `Buffer`.
            let inner = ["text", "data", "raw", "content"].iter().find_map(|name| node.get(name)?.text());
            let is_encoded = node.get("encoding").and_then(Node::text) == Some("base64");
            match (inner, bytes_of_buffer(node)) {
                (Some(inner), _) if is_encoded => decode(inner)?.into(),
                (_, Some(bytes)) => bytes.into(),
                (Some(inner), _) if is_container(node) => inner.to_owned().into(),
                _ => {
                    let doubt = format!(
                        "`{name}` is a parsed object: its text in this file is used, which may not be the bytes that were \
                         signed"
                    );
                    return Ok((text[node.span.clone()].to_owned().into(), Some(doubt)));
                }
            }
        }
    };
    Ok((body, None))
}

/// Whether an object only holds the body's text, with its type.
fn is_container(node: &Node) -> bool {
    let known =
        ["text", "data", "raw", "content", "mimeType", "mode", "options", "encoding", "params", "action", "size"];
    node.members().is_some_and(|members| members.iter().all(|member| known.contains(&member.name.as_str())))
}

/// `{"type":"Buffer","data":[…]}`.
fn bytes_of_buffer(node: &Node) -> Option<Vec<u8>> {
    let is_buffer = node.get("type").and_then(Node::text) == Some("Buffer");
    let byte = |item: &Node| match &item.value {
        Value::Number(number) => number.parse().ok(),
        _ => None,
    };
    is_buffer.then(|| node.get("data")?.items()?.iter().map(byte).collect())?
}
