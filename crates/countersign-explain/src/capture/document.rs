//! Requests as JSON: events of functions, exports of inspectors and browsers, logged objects.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;

use super::captured::Capture;
use super::literal::inside;
use super::{headers, php, raw};
use crate::json::{self, Node, Value};

const HEADERS: [&str; 13] = [
    "headers",
    "multiValueHeaders",
    "rawHeaders",
    "header",
    "Headers",
    "requestHeaders",
    "request_headers",
    "req_headers",
    "http_headers",
    "RequestHeaders",
    "raw_headers",
    "httpHeaders",
    "HttpHeaders",
];
/// The bytes as received come before what a parser made of them.
const BODIES: [&str; 27] = [
    "rawBody",
    "raw_body",
    "bodyRaw",
    "body_raw",
    "bufferBody",
    "bodyBuffer",
    "RawBody",
    "body_base64",
    "bodyBase64",
    "base64Body",
    "body",
    "content",
    "postData",
    "requestBody",
    "request_body",
    "requestContent",
    "bodyText",
    "body_text",
    "bodyString",
    "Body",
    "RequestBody",
    "text",
    "payload",
    "data",
    "_body",
    "event_body",
    "entity",
];
/// Where exports put the request: the names on the way, and the items of lists.
const PLACES: [&str; 30] = [
    "request",
    "req",
    "Request",
    "log",
    "entries",
    "requests",
    "resources",
    "item",
    "Records",
    "cf",
    "event",
    "trigger",
    "steps",
    "data",
    "Data",
    "items",
    "http",
    "httpRequest",
    "originalRequest",
    "input",
    "payload",
    "detail",
    "message",
    "context",
    "attributes",
    "result",
    "results",
    "deliveries",
    "body",
    "Message",
];
const MAX_DEPTH: usize = 8;
/// How many requests of an export are looked at.
const MAX_REQUESTS: usize = 500;

/// Reads a request from a JSON text, or from an object that Python, Ruby, PHP or JavaScript has printed.
pub(super) fn request(text: &str) -> Result<Capture, String> {
    let (text, node) = parsed(text).ok_or_else(|| unusable("it is not JSON"))?;
    of_node(&node, text)
}

/// The text of an object or a list within a text, and what it says.
pub(super) fn parsed(text: &str) -> Option<(&str, Node)> {
    let trimmed = text.trim();
    if let Some(node) = json::parse(trimmed) {
        return Some((trimmed, node));
    }
    if php::is_dump(trimmed) {
        return php::parse(trimmed).map(|node| (trimmed, node));
    }
    let inner = inside(text);
    let literal = |text| json::parse_literal(text).map(|node| (text, node));
    let is_list = |(_, node): &(&str, Node)| node.members().is_some() || node.items().is_some();
    literal(inner).or_else(|| literal(trimmed)).or_else(|| within(text)).filter(is_list)
}

/// An object inside other text: a line of a log, a call of `fetch`.
fn within(text: &str) -> Option<(&str, Node)> {
    let end = text.rfind('}')? + 1;
    let starts = text.match_indices('{').map(|(at, _)| at).take(4).filter(|start| *start < end);
    starts.map(|start| &text[start..end]).find_map(|inner| {
        let node = json::parse(inner).or_else(|| json::parse_literal(inner))?;
        (headers_of(&node).is_some() || is_log(&node)).then_some((inner, node))
    })
}

fn unusable(error: &str) -> String {
    format!("not a request as JSON, with `headers` and `body` or `body_base64`: {error}")
}

fn of_node(node: &Node, text: &str) -> Result<Capture, String> {
    let mut requests = Vec::new();
    collect(node, 0, &mut requests);
    let is_signed = |request: &&&Node| {
        headers(request).is_ok_and(|headers| headers.keys().any(|name| name.as_str().contains("signature")))
    };
    let Some(request) = requests.iter().find(is_signed).or(requests.first()) else {
        return nested(node).unwrap_or_else(|| Err(unusable("it has no headers")));
    };
    // ngrok's export has the whole request in base64.
    let whole = request.get("raw").and_then(Node::text).and_then(|raw| STANDARD.decode(raw).ok());
    if let Some(capture) = whole.and_then(|raw| raw::request(&raw).ok()) {
        return Ok(capture);
    }
    let headers = headers(request)?;
    let (body, doubt) = body(request, text)?;
    Ok(Capture { doubt, ..Capture::new(headers, body) })
}

/// Whether there is a request with headers.
pub(super) fn has_headers(node: &Node) -> bool {
    let mut requests = Vec::new();
    collect(node, 0, &mut requests);
    !requests.is_empty()
}

/// A request in a text of an envelope, such as the message of a queue.
fn nested(node: &Node) -> Option<Result<Capture, String>> {
    let mut texts = Vec::new();
    node.walk("", &mut |_, node| {
        texts.extend(node.text().filter(|text| text.trim_start().starts_with('{') && texts.len() < MAX_REQUESTS));
    });
    texts.into_iter().find_map(|text| {
        let inner = json::parse(text)?;
        has_headers(&inner).then(|| of_node(&inner, text))
    })
}

/// The headers of a request in an export, if this is one.
pub(super) fn only_headers(node: &Node) -> Result<HeaderMap, String> {
    let mut requests = Vec::new();
    collect(node, 0, &mut requests);
    let is_signed = |headers: &HeaderMap| headers.keys().any(|name| name.as_str().contains("signature"));
    let all = || requests.iter().filter_map(|request| headers(request).ok());
    let found = all().find(is_signed).or_else(|| all().next());
    found.map_or_else(|| headers::of_node(node), Ok)
}

fn headers(request: &Node) -> Result<HeaderMap, String> {
    match headers_of(request) {
        Some(node) => headers::of_node(node),
        None if is_log(request) => logged_headers(request),
        None => flat_headers(request),
    }
}

/// Every request of an export.
fn collect<'n>(node: &'n Node, depth: usize, requests: &mut Vec<&'n Node>) {
    if depth > MAX_DEPTH || requests.len() >= MAX_REQUESTS {
        return;
    }
    if let Some(items) = node.items() {
        items.iter().take(MAX_REQUESTS).for_each(|item| collect(item, depth + 1, requests));
    } else if headers_of(node).is_some() || is_log(node) || is_flat(node) {
        requests.push(node);
    } else {
        PLACES.iter().filter_map(|name| node.get(name)).for_each(|inner| collect(inner, depth + 1, requests));
    }
}

fn headers_of(node: &Node) -> Option<&Node> {
    let is_list = |node: &&Node| node.members().is_some() || node.items().is_some();
    let is_filled = |node: &&Node| {
        node.members().is_some_and(|members| !members.is_empty()) || node.items().is_some_and(|items| !items.is_empty())
    };
    let found = || HEADERS.iter().filter_map(|name| node.get(name)).filter(is_list);
    let found = found().find(is_filled).or_else(|| found().next());
    // Charles has `header: { headers: […] }`, and Node prints `[Symbol(headers map)]`.
    let hidden =
        |node: &Node| node.members().is_some_and(|members| members.iter().any(|member| is_hidden(&member.name)));
    match found {
        Some(found) if found.get("headers").is_some_and(|inner| is_list(&inner)) => found.get("headers"),
        Some(found) if hidden(found) => deepest(found, 0),
        Some(found) => Some(found),
        None if hidden(node) => deepest(node, 0),
        None => None,
    }
}

fn is_hidden(name: &str) -> bool {
    name.starts_with("[Symbol(") && name.to_lowercase().contains("headers")
}

/// The map inside of Node's classes for headers.
fn deepest(node: &Node, depth: usize) -> Option<&Node> {
    let inner = node.members()?.iter().find(|member| is_hidden(&member.name) && member.value.members().is_some());
    match inner {
        Some(inner) if depth < MAX_DEPTH => deepest(&inner.value, depth + 1).or(Some(&inner.value)),
        _ => (depth > 0).then_some(node),
    }
}

/// A line of nginx's access log as JSON (`http_webhook_id`, `request_body`), or the environment of a CGI application.
fn is_log(node: &Node) -> bool {
    let members = node.members().unwrap_or_default();
    members.iter().any(|member| {
        let name = member.name.to_lowercase();
        name.starts_with("http_") && (name.contains("signature") || name.contains("webhook"))
    })
}

fn logged_headers(node: &Node) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for member in node.members().unwrap_or_default() {
        let name = member.name.to_lowercase();
        let name = name
            .strip_prefix("http_")
            .or(Some(name.as_str()).filter(|name| matches!(*name, "content_type" | "content_length")));
        if let (Some(name), Some(value)) = (name, member.value.text()) {
            headers::append(&mut headers, &name.replace('_', "-"), value)?;
        }
    }
    Ok(headers)
}

/// The headers beside the body, as smee.io exports them.
fn is_flat(node: &Node) -> bool {
    let members = node.members().unwrap_or_default();
    let is_signature = |name: &str| name.to_lowercase().ends_with("-signature");
    node.get("body").is_some()
        && members.iter().any(|member| is_signature(&member.name) && member.value.text().is_some())
}

fn flat_headers(node: &Node) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for member in node.members().unwrap_or_default() {
        if let Some(value) = member.value.text().filter(|_| member.name != "body") {
            headers::append(&mut headers, &member.name, value)?;
        }
    }
    Ok(headers)
}

/// The body, and what is doubtful about it.
fn body(request: &Node, text: &str) -> Result<(Bytes, Option<String>), String> {
    let decode = |text: &str| STANDARD.decode(text.trim()).map_err(|error| format!("the body is not base64: {error}"));
    let is_true = |name: &str| request.get(name).is_some_and(|node| node.value == Value::Word("true"));
    let in_base64 = [
        "isBase64Encoded",
        "is_base64_encoded",
        "base64",
        "isBase64",
        "base64Encoded",
        "bodyIsBase64",
        "body_is_base64",
    ];
    let in_base64 = in_base64.iter().any(|name| is_true(name));
    if request.get("body").is_some() && request.get("body_base64").is_some() {
        return Err("has both `body` and `body_base64`: leave one out".into());
    }
    let is_null = |node: &&Node| node.value == Value::Word("null");
    let found = || BODIES.iter().filter_map(|name| Some((*name, request.get(name)?)));
    let found = found().find(|(_, node)| !is_null(node)).or_else(|| found().next());
    let (name, node) = found.ok_or(
        "has headers, but neither `body` (text) nor `body_base64`: add one, or give the headers as --headers and the body as --body",
    )?;
    let body: Bytes = match &node.value {
        Value::Text(text) if text.starts_with("<Buffer ") => {
            return Err(format!(
                "`{name}` is a Buffer of which Node prints only the first bytes: log `body.toString('base64')` instead"
            ));
        }
        Value::Text(text) if text == "-" && is_log(request) => {
            return Err("nginx has logged no body: `$request_body` is empty unless the request is passed on with `proxy_pass`, and \
                        `client_body_in_single_buffer on` keeps it in memory"
                .into());
        }
        Value::Text(text) if in_base64 || name.to_lowercase().contains("base64") => decode(text)?.into(),
        Value::Text(text) => text.clone().into(),
        Value::Word("null") => Bytes::new(),
        Value::Array(items) if bytes_of(items).is_some() => bytes_of(items).unwrap_or_default().into(),
        _ => {
            // HAR's `text`, Edge's `data`, Postman's `raw`, each perhaps in base64; Node's `Buffer`.
            let inner = ["text", "data", "raw", "content", "base64"]
                .iter()
                .find_map(|name| Some((*name, node.get(name)?.text()?)));
            let is_encoded = node.get("encoding").and_then(Node::text) == Some("base64")
                || node.get("encoded").and_then(Node::text) == Some("base64")
                || inner.is_some_and(|(name, _)| name == "base64");
            match (inner, bytes_of_buffer(node)) {
                (Some((_, inner)), _) if is_encoded => decode(inner)?.into(),
                (_, Some(bytes)) => bytes.into(),
                (Some((_, inner)), _) if is_container(node) => inner.to_owned().into(),
                _ => {
                    let doubt = format!(
                        "`{name}` is a parsed object: its text in this file is used, which may not be the bytes that were \
                         signed"
                    );
                    let written = text.get(node.span.clone()).unwrap_or_default();
                    return Ok((written.to_owned().into(), Some(doubt)));
                }
            }
        }
    };
    Ok((body, None))
}

/// Whether an object only holds the body's text, with its type.
fn is_container(node: &Node) -> bool {
    let known = [
        "text",
        "data",
        "raw",
        "content",
        "base64",
        "mimeType",
        "mode",
        "options",
        "encoding",
        "encoded",
        "params",
        "action",
        "size",
        "inputTruncated",
        "contentType",
        "comment",
        "fileName",
        "charset",
    ];
    node.members().is_some_and(|members| members.iter().all(|member| known.contains(&member.name.as_str())))
}

/// `{"type":"Buffer","data":[…]}`, and `{"0":123,"1":34}` of a `Uint8Array`.
fn bytes_of_buffer(node: &Node) -> Option<Vec<u8>> {
    if node.get("type").and_then(Node::text) == Some("Buffer") {
        return bytes_of(node.get("data")?.items()?);
    }
    let members = node.members()?;
    let is_counted = members.iter().enumerate().all(|(at, member)| member.name == at.to_string());
    (is_counted && members.len() > 1).then(|| members.iter().map(|member| byte(&member.value)).collect())?
}

/// Numbers that are bytes.
fn bytes_of(items: &[Node]) -> Option<Vec<u8>> {
    (!items.is_empty()).then(|| items.iter().map(byte).collect())?
}

fn byte(item: &Node) -> Option<u8> {
    match &item.value {
        Value::Number(number) => number.parse().ok(),
        _ => None,
    }
}
