//! The limits of a store.

/// The limits of a store. When one is reached, new ids or messages are rejected, and nothing is discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How many ids are remembered, of all sources together. Default: 10 million.
    pub max_ids: usize,
    /// How many messages the inbox has, waiting or kept. Default: 1 million.
    pub max_messages: u64,
    /// The size of the file in bytes beyond which the inbox accepts no message. The file can grow beyond it by an
    /// eighth, for ids. Default: 16 GiB.
    pub max_size: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_ids: 10_000_000, max_messages: 1_000_000, max_size: 16 << 30 }
    }
}

impl Options {
    /// Sets [`max_ids`](Self::max_ids).
    #[must_use]
    pub fn max_ids(mut self, max_ids: usize) -> Self {
        self.max_ids = max_ids;
        self
    }

    /// Sets [`max_messages`](Self::max_messages).
    #[must_use]
    pub fn max_messages(mut self, max_messages: u64) -> Self {
        self.max_messages = max_messages;
        self
    }

    /// Sets [`max_size`](Self::max_size).
    #[must_use]
    pub fn max_size(mut self, max_size: u64) -> Self {
        self.max_size = max_size;
        self
    }

    /// The size that the file never exceeds.
    pub(crate) fn hard_limit(self) -> u64 {
        self.max_size.saturating_add(self.max_size / 8)
    }
}
