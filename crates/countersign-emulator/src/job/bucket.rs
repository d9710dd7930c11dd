//! The bucket of Cloud Storage that holds the files of jobs.

/// Its name.
pub(crate) const BUCKET: &str = "emulated-bucket";

/// The address of an object in an event.
pub(super) fn uri(object: &str) -> String {
    format!("gs://{BUCKET}/{object}")
}
