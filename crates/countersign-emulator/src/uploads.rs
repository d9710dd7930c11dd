//! The files that clients upload, in pieces, and that batches read.

use std::collections::VecDeque;

use bytes::Bytes;
use countersign::UnixTime;
use serde_json::{Value, json};

use crate::job::file::KEPT;
use crate::project::ProjectId;
use crate::time;

/// The maximum size of a file, in bytes.
pub(crate) const MAX_FILE: usize = 32 << 20;
/// The maximum size of all files together, in bytes.
const MAX_BYTES: usize = 128 << 20;
/// The maximum number of files.
const MAX_FILES: usize = 1000;
/// The maximum number of uploads at a time. The oldest is forgotten to make room.
const MAX_OPEN: usize = 16;

/// What a client says about a file before it uploads it.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    pub(crate) project: ProjectId,
    /// `files/…`.
    pub(crate) name: String,
    pub(crate) display_name: Option<String>,
    pub(crate) mime_type: String,
    /// Its size in bytes, if the client says it.
    pub(crate) size: Option<usize>,
}

/// An upload that has begun.
struct Open {
    id: String,
    description: Description,
    received: Vec<u8>,
}

/// A file that was uploaded.
pub(crate) struct UploadedFile {
    pub(crate) description: Description,
    pub(crate) content: Bytes,
    made: UnixTime,
}

/// Why a piece of an upload is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UploadError {
    /// There is no such upload, or it has ended.
    Unknown,
    /// The piece does not begin where the one before it has ended, which is here.
    Offset(usize),
    /// The file is larger than [`MAX_FILE`].
    TooLarge,
    /// The file has another size than was said.
    Incomplete { said: usize, received: usize },
}

/// Uploads and files, within limits: the oldest files are forgotten to make room.
#[derive(Default)]
pub(crate) struct Uploads {
    open: VecDeque<Open>,
    files: VecDeque<UploadedFile>,
}

impl Uploads {
    /// Begins an upload of this id.
    pub(crate) fn start(&mut self, id: String, description: Description) -> Result<(), UploadError> {
        if description.size.is_some_and(|size| size > MAX_FILE) {
            return Err(UploadError::TooLarge);
        }
        if self.open.len() >= MAX_OPEN {
            self.open.pop_front();
        }
        self.open.push_back(Open { id, description, received: Vec::new() });
        Ok(())
    }

    /// Adds a piece that begins at `offset`.
    pub(crate) fn append(&mut self, id: &str, offset: usize, piece: &[u8]) -> Result<(), UploadError> {
        let open = self.open.iter_mut().find(|open| open.id == id).ok_or(UploadError::Unknown)?;
        if open.received.len() != offset {
            return Err(UploadError::Offset(open.received.len()));
        }
        if open.received.len() + piece.len() > MAX_FILE {
            return Err(UploadError::TooLarge);
        }
        open.received.extend_from_slice(piece);
        Ok(())
    }

    /// How many bytes of an upload have arrived.
    pub(crate) fn received(&self, id: &str) -> Option<usize> {
        self.open.iter().find(|open| open.id == id).map(|open| open.received.len())
    }

    /// Ends an upload, and keeps its file.
    pub(crate) fn finish(&mut self, id: &str, now: UnixTime) -> Result<&UploadedFile, UploadError> {
        let at = self.open.iter().position(|open| open.id == id).ok_or(UploadError::Unknown)?;
        let received = self.open[at].received.len();
        if let Some(said) = self.open[at].description.size.filter(|said| *said != received) {
            return Err(UploadError::Incomplete { said, received });
        }
        let open = self.open.remove(at).ok_or(UploadError::Unknown)?;
        self.remove(open.description.project, &open.description.name);
        self.files.push_back(UploadedFile { description: open.description, content: open.received.into(), made: now });
        let bytes = |files: &VecDeque<UploadedFile>| files.iter().map(|file| file.content.len()).sum::<usize>();
        while self.files.len() > MAX_FILES || self.files.len() > 1 && bytes(&self.files) > MAX_BYTES {
            self.files.pop_front();
        }
        self.files.back().ok_or(UploadError::Unknown)
    }

    /// Removes an upload. Returns `false` if no upload has this id.
    pub(crate) fn cancel(&mut self, id: &str) -> bool {
        let before = self.open.len();
        self.open.retain(|open| open.id != id);
        self.open.len() < before
    }

    pub(crate) fn find(&self, project: ProjectId, name: &str) -> Option<&UploadedFile> {
        self.files.iter().find(|file| file.is(project, name))
    }

    /// The files of a project, newest first.
    pub(crate) fn newest_first(&self, project: ProjectId) -> impl Iterator<Item = &UploadedFile> {
        self.files.iter().rev().filter(move |file| file.description.project == project)
    }

    /// Removes a file. Returns `false` if no file has this name.
    pub(crate) fn remove(&mut self, project: ProjectId, name: &str) -> bool {
        let before = self.files.len();
        self.files.retain(|file| !file.is(project, name));
        self.files.len() < before
    }
}

impl UploadedFile {
    fn is(&self, project: ProjectId, name: &str) -> bool {
        self.description.project == project && self.description.name == name
    }

    /// The resource of the files API.
    pub(crate) fn resource(&self, base_url: &str) -> Value {
        let Description { name, display_name, mime_type, .. } = &self.description;
        let made = time::to_the_millisecond(self.made);
        let mut resource = json!({
            "name": name,
            "mimeType": mime_type,
            "sizeBytes": self.content.len().to_string(),
            "createTime": made,
            "updateTime": made,
            "expirationTime": time::to_the_millisecond(self.made.saturating_add(KEPT)),
            "uri": format!("{base_url}/v1beta/{name}"),
            "state": "ACTIVE",
            "source": "UPLOADED",
        });
        if let Some(display_name) = display_name {
            resource["displayName"] = display_name.as_str().into();
        }
        resource
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(name: &str, size: Option<usize>) -> Description {
        Description {
            project: ProjectId::FIRST,
            name: name.into(),
            display_name: None,
            mime_type: "application/jsonl".into(),
            size,
        }
    }

    #[test]
    fn pieces_are_put_together_in_their_order() {
        let (mut uploads, now) = (Uploads::default(), UnixTime::from_secs(1_790_661_946));
        assert_eq!(uploads.start("a".into(), description("files/1", Some(5))), Ok(()));
        assert_eq!(uploads.append("a", 0, b"abc"), Ok(()));
        assert_eq!(uploads.append("a", 0, b"de"), Err(UploadError::Offset(3)));
        assert_eq!(uploads.finish("a", now).err(), Some(UploadError::Incomplete { said: 5, received: 3 }));
        assert_eq!(uploads.append("a", 3, b"de"), Ok(()));
        assert_eq!(uploads.finish("a", now).map(|file| file.content.clone()).ok(), Some("abcde".into()));
        assert_eq!(uploads.append("a", 5, b"f"), Err(UploadError::Unknown));
        assert!(uploads.find(ProjectId::FIRST, "files/1").is_some());
        assert!(uploads.find(ProjectId::EMPTY, "files/1").is_none());
        assert!(uploads.remove(ProjectId::FIRST, "files/1") && !uploads.remove(ProjectId::FIRST, "files/1"));
    }

    #[test]
    fn uploads_and_files_are_bounded() {
        let (mut uploads, now) = (Uploads::default(), UnixTime::from_secs(1_790_661_946));
        assert_eq!(uploads.start("a".into(), description("files/1", Some(MAX_FILE + 1))), Err(UploadError::TooLarge));
        for number in 0..=MAX_OPEN {
            assert_eq!(uploads.start(number.to_string(), description("files/1", None)), Ok(()));
        }
        assert_eq!((uploads.received("0"), uploads.received("1")), (None, Some(0)));
        assert_eq!(uploads.append("1", 0, &vec![0; MAX_FILE + 1]), Err(UploadError::TooLarge));
        for number in 0..6 {
            let id = format!("file-{number}");
            assert_eq!(uploads.start(id.clone(), description(&format!("files/{number}"), None)), Ok(()));
            assert_eq!(uploads.append(&id, 0, &vec![0; MAX_FILE]), Ok(()));
            assert!(uploads.finish(&id, now).is_ok());
        }
        assert_eq!(uploads.newest_first(ProjectId::FIRST).count(), MAX_BYTES / MAX_FILE);
    }
}
