//! The settings of a store.

use std::io;
use std::time::Duration;

use crate::servers::Servers;
use crate::store::RedisStore;
use crate::worker::Settings;

impl RedisStore {
    /// A store in one server: `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS.
    pub fn builder(url: impl Into<String>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(Servers::Single(url.into()))
    }

    /// A store in the server that the sentinels at these addresses name as `master`. The user, the password and the
    /// database of the first address are used for that server, not for the sentinels.
    pub fn sentinels<U: Into<String>>(
        master: impl Into<String>,
        urls: impl IntoIterator<Item = U>,
    ) -> RedisStoreBuilder {
        let urls = urls.into_iter().map(Into::into).collect();
        RedisStoreBuilder::new(Servers::Sentinels { master: master.into(), urls })
    }

    /// A store in a cluster. The addresses of some of its nodes are enough.
    pub fn cluster<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(Servers::Cluster(urls.into_iter().map(Into::into).collect()))
    }
}

/// Creates a [`RedisStore`].
#[derive(Clone)]
#[must_use]
pub struct RedisStoreBuilder {
    servers: Servers,
    ca: Option<Vec<u8>>,
    settings: Settings,
}

impl RedisStoreBuilder {
    pub(crate) fn new(servers: Servers) -> Self {
        Self { servers, ca: None, settings: Settings::default() }
    }

    /// Trusts the certificate authorities in this PEM text for `rediss://`. Default: those of the system.
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// What the names of all keys in Redis start with. Default: `countersign`. Stores with different prefixes do not
    /// share ids.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.settings.prefix = prefix.into();
        self
    }

    /// How long a confirmed id is remembered. Default: 25 h, which covers senders that retry for 24 h. If it is shorter
    /// than the time in which the sender retries, duplicates are handled again.
    pub fn retain(mut self, retain: Duration) -> Self {
        self.settings.retain = retain;
        self
    }

    /// The time limit of each call, including connecting. Default: 1 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Creates the store. It connects when it is first used, so a server that is down is not an error here.
    pub fn build(self) -> Result<RedisStore, BuildError> {
        let connector = self.servers.connector(self.ca, self.settings.timeout).map_err(BuildError::Servers)?;
        RedisStore::start(connector, self.settings).map_err(BuildError::Thread)
    }
}

/// Without addresses, because they can contain passwords.
impl std::fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStoreBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A store cannot be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// An address or a certificate is not valid.
    #[error("the address of Redis, or a certificate for it, is not valid")]
    Servers(#[source] redis::RedisError),
    /// The thread of the store cannot be started.
    #[error("the thread of the store cannot be started")]
    Thread(#[source] io::Error),
}
