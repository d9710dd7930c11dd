//! `POST /upload/v1beta/files`, or `/upload/v1/files`: the resumable upload protocol, as `files.upload` of the SDKs speaks it.

use http::HeaderMap;
use serde_json::json;

use super::error::ApiError;
use super::fields::Fields;
use super::handler::{Input, Reply, api_key};
use crate::ids;
use crate::shared::Shared;
use crate::uploads::{Description, MAX_FILE, UploadError};

/// The path that uploads go on at, whichever version of the API they began with.
pub(super) const PATH: &str = "/upload/v1beta/files";
/// The length of the id of a file, and of an upload.
const FILE_ID: usize = 12;
const UPLOAD_ID: usize = 40;
/// The maximum length of a name that a client chooses for a file (`files/…`).
const MAX_NAME: usize = 46;

/// Begins an upload, or takes a piece of one that its id names. The id cannot be guessed, so a piece needs no API key.
pub(super) fn upload(shared: &Shared, input: &Input) -> Result<Reply, ApiError> {
    let commands = header(&input.headers, "x-goog-upload-command").unwrap_or_default().to_ascii_lowercase();
    let has = |command: &str| commands.split(',').any(|one| one.trim() == command);
    let Some(id) = input.query.get("upload_id").map(str::to_owned) else {
        let protocol = header(&input.headers, "x-goog-upload-protocol").unwrap_or_default();
        return if has("start") && protocol.eq_ignore_ascii_case("resumable") {
            start(shared, input)
        } else {
            Err(ApiError::invalid(
                "",
                "the emulator supports resumable uploads only: send `x-goog-upload-protocol: resumable` and \
                 `x-goog-upload-command: start`, as `files.upload` of the SDKs does",
            ))
        };
    };
    let (mut world, now) = shared.world();
    let base_url = world.rules.base_url.clone();
    if has("cancel") {
        return if world.uploads.cancel(&id) {
            Ok(progress("cancelled", None))
        } else {
            Err(rejected(UploadError::Unknown))
        };
    }
    if has("query") {
        let received = world.uploads.received(&id).ok_or_else(|| rejected(UploadError::Unknown))?;
        return Ok(progress("active", Some(received)));
    }
    if has("upload") {
        let offset = number(&input.headers, "x-goog-upload-offset")?.unwrap_or(0);
        world.uploads.append(&id, offset, &input.body).map_err(rejected)?;
    }
    if has("finalize") {
        let file = world.uploads.finish(&id, now).map_err(rejected)?.resource(&base_url);
        let headers = vec![("x-goog-upload-status", "final".to_owned())];
        return Ok(Reply::Upload { headers, body: json!({ "file": file }) });
    }
    let received = world.uploads.received(&id).ok_or_else(|| rejected(UploadError::Unknown))?;
    Ok(progress("active", Some(received)))
}

fn start(shared: &Shared, input: &Input) -> Result<Reply, ApiError> {
    let key = api_key(&input.headers, &input.query)?;
    let (mut world, _) = shared.world();
    let project = world.projects.of_key(&key);
    let project = project.ok_or_else(|| ApiError::exhausted("there are too many projects: use fewer API keys"))?;
    let mut fields = Fields::parse(&input.body)?;
    let mut file = fields.object("file")?;
    let mut text = |name: &str| file.as_mut().map_or(Ok(None), |file| file.string(name));
    let (name, display_name, mime_type) = (text("name")?, text("display_name")?, text("mime_type")?);
    let name = match name.filter(|name| !name.is_empty()) {
        Some(name) => chosen(&name)?,
        None => format!("files/{}", ids::resource(&mut world.rng, FILE_ID)),
    };
    let mime_type = header(&input.headers, "x-goog-upload-header-content-type").map(str::to_owned).or(mime_type);
    let description = Description {
        project,
        name,
        display_name: display_name.filter(|name| !name.is_empty()),
        mime_type: mime_type.unwrap_or_else(|| "application/octet-stream".into()),
        size: number(&input.headers, "x-goog-upload-header-content-length")?,
    };
    let id = ids::resource(&mut world.rng, UPLOAD_ID);
    let url = format!("{}{PATH}?upload_id={id}&upload_protocol=resumable", world.rules.base_url);
    world.uploads.start(id, description).map_err(rejected)?;
    let headers = vec![("x-goog-upload-status", "active".to_owned()), ("x-goog-upload-url", url)];
    Ok(Reply::Upload { headers, body: json!({}) })
}

/// A name that the client has chosen.
fn chosen(name: &str) -> Result<String, ApiError> {
    let id = name.strip_prefix("files/").unwrap_or(name);
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if id.is_empty() || name.len() > MAX_NAME || !id.bytes().all(is_part) || id.starts_with('-') || id.ends_with('-') {
        return Err(ApiError::invalid(
            "file.name",
            "a name is `files/` and up to 40 small letters, digits and hyphens, without a hyphen at its ends",
        ));
    }
    Ok(format!("files/{id}"))
}

fn progress(status: &str, received: Option<usize>) -> Reply {
    let mut headers = vec![("x-goog-upload-status", status.to_owned())];
    headers.extend(received.map(|received| ("x-goog-upload-size-received", received.to_string())));
    Reply::Upload { headers, body: json!({}) }
}

fn rejected(error: UploadError) -> ApiError {
    match error {
        UploadError::Unknown => ApiError::not_found("there is no such upload, or it has ended: begin a new one"),
        UploadError::Offset(received) => ApiError::invalid(
            "x-goog-upload-offset",
            format!("{received} bytes have arrived, so the next piece must begin there"),
        ),
        UploadError::TooLarge => ApiError::too_large(MAX_FILE),
        UploadError::Incomplete { said, received } => ApiError::invalid(
            "x-goog-upload-header-content-length",
            format!("it is {said}, but {received} bytes have arrived"),
        ),
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: &str) -> Result<Option<usize>, ApiError> {
    let text = header(headers, name);
    text.map(|text| text.trim().parse().map_err(|_| ApiError::invalid(name, "this must be a number of bytes")))
        .transpose()
}
