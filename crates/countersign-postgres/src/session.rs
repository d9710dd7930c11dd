//! One connection, which is replaced when it is lost.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign::replay::StoreError;
use tokio::task::spawn_local;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::stats::Meter;

#[derive(Clone)]
pub(crate) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
    timeout: Duration,
    meter: Arc<Meter>,
}

impl Connector {
    pub(crate) fn new(config: Config, tls: MakeRustlsConnect, timeout: Duration, meter: Arc<Meter>) -> Self {
        Self { config, tls, timeout, meter }
    }

    /// For work that takes longer than a call may.
    pub(crate) fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    pub(crate) fn shared_meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    async fn connect(&self) -> Result<Client, Error> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        // Its error is also that of the statement that it fails.
        spawn_local(async move { drop(connection.await) });
        Ok(client)
    }
}

/// Connects for its first statement.
pub(crate) struct Session {
    connector: Connector,
    client: Option<Client>,
}

impl Session {
    pub(crate) fn new(connector: Connector) -> Self {
        Self { connector, client: None }
    }

    /// Carries out so many operations in one statement or transaction. After an error it can be tried again if it is
    /// temporary.
    pub(crate) async fn attempt<T>(
        &mut self,
        operations: usize,
        work: &impl AsyncFn(&mut Client) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        let start = SystemClock.instant();
        let outcome = self.attempt_once(work).await;
        let busy = SystemClock.instant().saturating_duration_since(start);
        self.connector.meter.count(operations, outcome.is_ok(), busy);
        outcome
    }

    async fn attempt_once<T>(&mut self, work: &impl AsyncFn(&mut Client) -> Result<T, Error>) -> Result<T, Failure> {
        let limit = self.connector.timeout;
        let mut client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => timeout(limit, self.connector.connect()).await.map_err(|_| Failure::TimedOut)??,
        };
        // Dropping the client on a timeout closes its connection.
        let outcome = timeout(limit, work(&mut client)).await.map_err(|_| Failure::TimedOut)?;
        // A server that was demoted is replaced by connecting again.
        let is_demoted = outcome.as_ref().err().and_then(Error::code) == Some(&SqlState::READ_ONLY_SQL_TRANSACTION);
        if !is_demoted {
            self.client = Some(client);
        }
        Ok(outcome?)
    }
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum Failure {
    TimedOut,
    Server(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

impl Failure {
    /// Whether a repetition can succeed: the connection was lost, the server starts or stops, or it chose this
    /// transaction to end a conflict.
    pub(crate) fn is_temporary(&self) -> bool {
        let Self::Server(error) = self else { return true };
        let Some(code) = error.code() else { return true };
        let temporary = [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::READ_ONLY_SQL_TRANSACTION,
        ];
        // Class 08 are errors of the connection.
        code.code().starts_with("08") || temporary.contains(code)
    }

    /// Whether the server rejects a value, for example text that its encoding does not have.
    pub(crate) fn is_of_a_value(&self) -> bool {
        let Self::Server(error) = self else { return false };
        // Class 22 are errors of data, class 54 exceeded limits.
        error.code().is_some_and(|code| code.code().starts_with("22") || code.code().starts_with("54"))
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TimedOut => Self::timed_out(),
            Failure::Server(error) if error.code() == Some(&SqlState::DISK_FULL) => Self::full(),
            Failure::Server(error) => Self::unavailable(error),
        }
    }
}
