//! `files`, which a client can look at and download, and the bucket that events name (`gs://…`).
//!
//! As in the real service, the address of a file redirects to the address of its content, which is under `/download`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::call::Call;
use super::error::ApiError;
use super::handler::Reply;
use super::page::Page;
use crate::job::bucket::BUCKET;
use crate::job::file::JobFile;
use crate::project::ProjectId;

/// `files/{id}`, `files/{id}?alt=media` and `files/{id}:download`.
pub(super) fn get(call: &mut Call<'_>, project: ProjectId, path: &str) -> Result<Reply, ApiError> {
    let (id, verb) = id_and_verb(path);
    let wants_content = match verb {
        None => call.query.get("alt") == Some("media"),
        Some("download") => true,
        Some(verb) => return Err(super::call::no_verb(verb)),
    };
    if let Some(file) = call.world.uploads.find(project, &format!("files/{id}")) {
        return if wants_content {
            Err(ApiError::invalid("", "files that were uploaded cannot be downloaded, as in the real service"))
        } else {
            Ok(Reply::Json(file.resource(&call.world.rules.base_url)))
        };
    }
    let file = find(call, project, id)?;
    if !wants_content {
        return Ok(Reply::Json(file.resource(&call.world.rules.base_url)));
    }
    // A key in the query has to go along. A key in a header does by itself.
    let key = call.query.get("key").map(|key| format!("&key={}", utf8_percent_encode(key, NON_ALPHANUMERIC)));
    Ok(Reply::Redirect(format!("/download/v1beta/{}:download?alt=media{}", file.name, key.unwrap_or_default())))
}

/// The uploaded files of a project, newest first.
pub(super) fn list(call: &mut Call<'_>, project: ProjectId) -> Result<Reply, ApiError> {
    let page = Page::parse(&mut call.query)?;
    let base_url = &call.world.rules.base_url;
    let files: Vec<_> = call.world.uploads.newest_first(project).collect();
    // The oldest is number 1, so that numbers stay as files are added.
    let numbered = (1..=files.len() as u64).rev().zip(files);
    let numbered = numbered.filter(|(number, _)| page.after.is_none_or(|after| *number < after));
    let (files, next) = page.of(numbered.map(|(number, file)| (number, file.resource(base_url))));
    let mut list = json!({ "files": files });
    if let Some(token) = next {
        list["nextPageToken"] = token.into();
    }
    Ok(Reply::Json(list))
}

/// Removes an uploaded file.
pub(super) fn delete(call: &mut Call<'_>, project: ProjectId, id: &str) -> Result<Reply, ApiError> {
    if call.world.uploads.remove(project, &format!("files/{id}")) {
        return Ok(Reply::Json(json!({})));
    }
    find(call, project, id)?;
    Err(ApiError::precondition("the file of a job is removed with its job"))
}

/// `/download/v1beta/files/{id}:download`.
pub(super) fn download(call: &mut Call<'_>, project: ProjectId, path: &str) -> Result<Reply, ApiError> {
    Ok(content(&find(call, project, id_and_verb(path).0)?))
}

/// An object in the bucket, or its description. It needs no API key: the name cannot be guessed.
pub(super) fn object(call: &mut Call<'_>, bucket: &str, name: &str) -> Result<Reply, ApiError> {
    let file = object_file(call, bucket, name)?;
    if call.query.get("alt") == Some("media") { Ok(content(&file)) } else { Ok(Reply::Json(file.object())) }
}

/// The content of an object in the bucket.
pub(super) fn object_content(call: &mut Call<'_>, bucket: &str, name: &str) -> Result<Reply, ApiError> {
    Ok(content(&object_file(call, bucket, name)?))
}

fn object_file<'c>(call: &'c Call<'_>, bucket: &str, name: &str) -> Result<JobFile<'c>, ApiError> {
    let all = call.world.jobs.newest_first(u64::MAX).filter_map(|(_, job)| job.file());
    let found = all.filter(|_| bucket == BUCKET).find(|file| file.object == name);
    found.ok_or_else(|| ApiError::not_found(format!("there is no gs://{bucket}/{name}")))
}

fn find<'c>(call: &'c Call<'_>, project: ProjectId, id: &str) -> Result<JobFile<'c>, ApiError> {
    let jobs = call.world.jobs.newest_first(u64::MAX).filter(|(_, job)| job.project == project);
    let found = jobs.filter_map(|(_, job)| job.file()).find(|file| file.name.strip_prefix("files/") == Some(id));
    found.ok_or_else(|| {
        ApiError::not_found(format!(
            "this project has no file `files/{id}`: only uploads, and batches and videos that have succeeded, have files"
        ))
    })
}

fn content(file: &JobFile<'_>) -> Reply {
    Reply::Content { content_type: file.content_type, content: file.content().into() }
}

/// The SDKs take a whole address that is not `https://` for the name of a file, and put `files/` in front of it.
fn id_and_verb(path: &str) -> (&str, Option<&str>) {
    let (is_address, path) = match path.rsplit_once("files/") {
        Some((_, path)) => (true, path),
        None => (false, path),
    };
    match path.split_once(':') {
        // The second verb of an address is the SDK's.
        Some((id, _)) if is_address => (id, Some("download")),
        Some((id, verb)) => (id, Some(verb)),
        None => (path, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_in_an_address_too() {
        for (path, expected) in [
            ("abc", ("abc", None)),
            ("abc:download", ("abc", Some("download"))),
            ("abc:delete", ("abc", Some("delete"))),
            ("http://127.0.0.1:8790/v1beta/files/abc:download", ("abc", Some("download"))),
            ("http:/127.0.0.1:8790/v1beta/files/abc:download%3Falt=media:download", ("abc", Some("download"))),
        ] {
            assert_eq!(id_and_verb(path), expected, "{path}");
        }
    }
}
