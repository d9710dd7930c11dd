//! The signals that end a verb which runs until it is stopped.

use tokio::signal::unix::{SignalKind, signal};

use crate::error::Error;

/// Resolves when the process gets SIGTERM or SIGINT.
pub(crate) fn stop() -> Result<impl Future<Output = ()>, Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Runtime)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Runtime)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
