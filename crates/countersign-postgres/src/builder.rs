//! The settings of a store.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Config;

use crate::session::Connector;
use crate::settings::Settings;
use crate::store::PostgresStore;
use crate::tls;

impl PostgresStore {
    /// A store in the database at this address: `postgres://[user[:password]@]host[:port]/database[?sslmode=require]`,
    /// or `host=… user=…`.
    pub fn builder(url: impl Into<String>) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(url.into())
    }
}

/// Creates a [`PostgresStore`].
#[derive(Clone)]
#[must_use]
pub struct PostgresStoreBuilder {
    url: String,
    ca: Option<Vec<u8>>,
    settings: Settings,
}

impl PostgresStoreBuilder {
    pub(crate) fn new(url: String) -> Self {
        Self { url, ca: None, settings: Settings::default() }
    }

    /// Trusts the certificate authorities in this PEM text. Default: those of the system. A server's certificate is
    /// always verified, also with `sslmode=require`.
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(pem.into());
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

    /// How many messages the inbox has, waiting or kept. When there are more, it rejects new ones. Calls at the same time
    /// can exceed it by a few hundred. Default: 1 million.
    pub fn max_messages(mut self, max_messages: u64) -> Self {
        self.settings.max_messages = max_messages;
        self
    }

    /// Creates the store. It connects when it is first used, so a server that is down is not an error here.
    pub fn build(self) -> Result<PostgresStore, BuildError> {
        let mut config: Config = self.url.parse().map_err(BuildError::Address)?;
        if config.get_application_name().is_none() {
            config.application_name("countersign");
        }
        config.connect_timeout(self.settings.timeout);
        let tls = tls::client(self.ca.as_deref()).map_err(BuildError::Ca)?;
        let connector = Connector::new(config, tls, self.settings.timeout, Arc::default());
        PostgresStore::start(connector, self.settings).map_err(BuildError::Thread)
    }
}

/// Without the address, because it can contain a password.
impl std::fmt::Debug for PostgresStoreBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStoreBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// A store cannot be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The address is not valid.
    #[error("the address of PostgreSQL is not valid")]
    Address(#[source] tokio_postgres::Error),
    /// The text has no certificate, or one that is not valid.
    #[error("the certificate authorities for PostgreSQL are not valid: {0}")]
    Ca(String),
    /// The thread of the store cannot be started.
    #[error("the thread of the store cannot be started")]
    Thread(#[source] io::Error),
}
