//! Saves a request as a capture, which `verify` and `explain` read with `--request`.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::received::Received;
use crate::time;

/// Only the user can read captures, because they hold whole requests.
const MODE: u32 = 0o600;

/// Where captures are saved.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    /// Saves a request in a new file, and returns its path.
    pub(super) fn save(&self, number: usize, received: &Received) -> Result<PathBuf, String> {
        let path = self.0.join(format!("webhook-{}-{number}.json", received.arrived_at.as_secs()));
        let fail = |error: std::io::Error| format!("{}: cannot be written: {error}", path.display());
        let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&path).map_err(fail)?;
        let mut text = serde_json::to_string_pretty(&capture(received)).map_err(|error| error.to_string())?;
        text.push('\n');
        file.write_all(text.as_bytes()).map_err(fail)?;
        Ok(path)
    }
}

fn capture(received: &Received) -> Value {
    let headers = received.capture.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| [name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into()])
        .collect();
    let arrived_at = received.arrived_at.as_secs();
    let mut capture = json!({
        "received_at": time::format(arrived_at),
        "method": received.method.as_str(),
        "path": received.path,
        "headers": headers,
    });
    // A text is easier to read. It is unescaped to the same bytes.
    let (name, body) = match str::from_utf8(&received.capture.body) {
        Ok(text) => ("body", text.to_owned()),
        Err(_) => ("body_base64", STANDARD.encode(&received.capture.body)),
    };
    capture[name] = body.into();
    capture
}
