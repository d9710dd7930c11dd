//! A captured request: headers and body, in every form that people paste.

mod captured;
mod curl;
mod document;
pub(crate) mod encoding;
mod headers;
mod java;
mod lines;
mod literal;
mod log;
mod missing;
mod php;
mod powershell;
mod raw;
#[cfg(test)]
mod tests;
mod trace;
mod unreadable;

use http::HeaderMap;

pub use captured::Capture;

use literal::inside;

use crate::encoded;

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

/// How many encodings a capture may be in: a dump of a base64 text, for example.
const MAX_ENCODINGS: usize = 3;

fn error(bytes: &[u8], problem: String) -> CaptureError {
    CaptureError(unreadable::named(bytes).map_or(problem, str::to_owned))
}

fn from_request(bytes: &[u8]) -> Result<Capture, String> {
    read(bytes, 0).unwrap_or_else(|| {
        let text = encoding::decode(bytes).unwrap_or_default();
        Err(missing::named(&text).unwrap_or_else(|| document::request(&text).err().unwrap_or_default()))
    })
}

fn from_raw(bytes: &[u8]) -> Result<Capture, String> {
    read(bytes, 0).unwrap_or_else(|| {
        let text = encoding::decode(bytes).unwrap_or_default();
        Err(missing::named(&text).unwrap_or_else(|| raw::request(bytes).err().unwrap_or_default()))
    })
}

/// Reads a request in each form in turn. An error is one of a form that was recognised; `None` if none was.
fn read(bytes: &[u8], depth: usize) -> Option<Result<Capture, String>> {
    let text = encoding::decode(bytes).unwrap_or_default();
    if curl::is_command(&text) {
        return Some(curl::request(&text));
    }
    if powershell::is_command(&text) {
        return Some(powershell::request(&text));
    }
    if let Some(sent) = trace::sent(&text) {
        return Some(raw::request(&sent));
    }
    let is_object = inside(&text).starts_with(['{', '[']);
    let raw = || {
        Some(raw::request(bytes))
            .filter(|capture| capture.as_ref().map_or_else(|problem| problem == raw::NO_BODY, |_| true))
    };
    let document = || {
        document::parsed(&text).map(|_| document::request(&text)).filter(|capture| capture.is_ok() || is_request(&text))
    };
    let log = || log::request(&text);
    let plain = if is_object { document().or_else(log).or_else(raw) } else { raw().or_else(log).or_else(document) };
    plain.or_else(|| {
        let decoded = decoded(bytes, &text).filter(|_| depth < MAX_ENCODINGS)?;
        read(&decoded, depth + 1)
    })
}

/// Whether an object has headers, so that an error is about what is beside them.
fn is_request(text: &str) -> bool {
    document::parsed(text).is_some_and(|(_, node)| document::has_headers(&node))
}

/// The bytes of a text that is a dump, hexadecimal, base64, or a string.
fn decoded(bytes: &[u8], text: &str) -> Option<Vec<u8>> {
    if bytes.starts_with(b"\x1f\x8b") {
        return encoded::inflated(bytes);
    }
    let trimmed = text.trim();
    let is_string = trimmed.starts_with(['"', '\'']) || trimmed.starts_with("b'") || trimmed.starts_with("b\"");
    let string = || crate::json::parse_literal(trimmed)?.text().map(|text| text.as_bytes().to_vec());
    let is_encoded = |text: &str| text.len() > 64 && !text.contains(": ");
    let in_hex = || encoded::hexadecimal(trimmed).filter(|_| is_encoded(trimmed));
    let in_base64 = || encoded::base64(trimmed).or_else(|| encoded::armored(trimmed)).filter(|_| is_encoded(trimmed));
    is_string.then(string).flatten().or_else(|| encoded::dumps(text).next()).or_else(in_hex).or_else(in_base64)
}

fn from_headers(bytes: &[u8]) -> Result<HeaderMap, String> {
    let text = encoding::decode(bytes)?;
    if curl::is_command(&text) {
        return curl::headers(&text);
    }
    if powershell::is_command(&text) {
        return powershell::request(&text).map(|capture| capture.headers);
    }
    if java::is_map(&text) {
        return java::headers(&text);
    }
    if let Some(decoded) = decoded(bytes, &text)
        && let Ok(headers) = from_headers_of(&decoded)
    {
        return Ok(headers);
    }
    from_headers_of(bytes)
}

/// Headers as an object, as lines, or as the head of a request.
fn from_headers_of(bytes: &[u8]) -> Result<HeaderMap, String> {
    let text = encoding::decode(bytes)?;
    let object = inside(&text);
    match document::parsed(&text) {
        Some((_, node)) => document::only_headers(&node),
        None if object.starts_with(['{', '[']) && !object.starts_with("[\"") && json_is_meant(object) => {
            Err("neither JSON nor an object as Python, Ruby or JavaScript prints it: check its brackets and quotes"
                .into())
        }
        // A whole request, of which only the head is needed.
        None => lines::headers(&text)
            .or_else(|problem| raw::request(bytes).map(|capture| capture.headers).map_err(|_| problem)),
    }
}

/// Whether a text is not lines that happen to stand in brackets.
fn json_is_meant(text: &str) -> bool {
    lines::headers(text).is_err()
}
