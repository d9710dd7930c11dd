//! The files that jobs make, and that their events point to.

use serde_json::{Value, json};

use super::bucket::BUCKET;
use super::record::{End, State};
use super::{Job, Work, batch, mp4, video};
use crate::time;

/// How long a file is kept, as the API says it. The emulator keeps it as long as its job.
pub(crate) const KEPT: std::time::Duration = std::time::Duration::from_hours(48);

/// A file, whose content is made when it is asked for.
pub(crate) struct JobFile<'j> {
    job: &'j Job,
    /// `files/…`.
    pub(crate) name: String,
    /// The name in the bucket.
    pub(crate) object: String,
    pub(crate) content_type: &'static str,
}

impl Job {
    /// The file that it made, if it has succeeded and makes one.
    pub(crate) fn file(&self) -> Option<JobFile<'_>> {
        if self.record.state != State::Ended(End::Succeeded) {
            return None;
        }
        let name = &self.record.name;
        match &self.work {
            Work::Batch(_) => Some(JobFile {
                job: self,
                name: batch::file_name(name),
                object: batch::object_name(name),
                content_type: "application/jsonl",
            }),
            Work::Video(_) => Some(JobFile {
                job: self,
                name: video::file_name(name),
                object: video::object_name(name),
                content_type: "video/mp4",
            }),
            Work::Interaction(_) => None,
        }
    }
}

impl JobFile<'_> {
    pub(crate) fn content(&self) -> Vec<u8> {
        match &self.job.work {
            Work::Batch(batch) => batch.lines(),
            Work::Video(_) => mp4::video(),
            Work::Interaction(_) => Vec::new(),
        }
    }

    /// The resource of the files API.
    pub(crate) fn resource(&self, base_url: &str) -> Value {
        let made = self.job.record.updated;
        let uri = format!("{base_url}/v1beta/{}", self.name);
        json!({
            "name": self.name,
            "mimeType": self.content_type,
            "sizeBytes": self.content().len().to_string(),
            "createTime": time::to_the_millisecond(made),
            "updateTime": time::to_the_millisecond(made),
            "expirationTime": time::to_the_millisecond(made.saturating_add(KEPT)),
            "uri": uri,
            "downloadUri": format!("{uri}:download?alt=media"),
            "state": "ACTIVE",
            "source": "GENERATED",
        })
    }

    /// The object of Cloud Storage.
    pub(crate) fn object(&self) -> Value {
        let made = time::to_the_millisecond(self.job.record.updated);
        json!({
            "kind": "storage#object",
            "id": format!("{BUCKET}/{}/1", self.object),
            "name": self.object,
            "bucket": BUCKET,
            "generation": "1",
            "size": self.content().len().to_string(),
            "contentType": self.content_type,
            "timeCreated": made,
            "updated": made,
        })
    }
}
