//! The headers of a request that comes from the inbox.

use countersign_inbox::Headers;

use super::SetHeaders;
use super::names::ATTEMPT;

/// The headers of a request that was stored. `Host` and `Content-Length` are not among them.
#[derive(Clone, Copy)]
pub struct StoredHeaders<'a> {
    /// The headers that were stored, which describe the verified request.
    pub headers: &'a Headers,
    /// The headers that the route sets.
    pub set: &'a SetHeaders,
    /// The number of the attempt, starting at 1.
    pub attempt: u32,
}

impl StoredHeaders<'_> {
    /// Calls `put` with the name and the value of each header. A name with several values comes several times.
    pub fn each(&self, mut put: impl FnMut(&str, &[u8])) {
        for (name, value) in self.headers.iter().filter(|(name, _)| !self.set.replaces(name)) {
            put(name, value);
        }
        for (name, value) in self.set.iter() {
            put(name.as_str(), value.as_bytes());
        }
        put(ATTEMPT.as_str(), itoa::Buffer::new().format(self.attempt).as_bytes());
    }
}
