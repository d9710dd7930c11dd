//! What `--doctor` tries of a start.

use std::io;

use super::ServerError;
use super::files;
use super::sockets::{Opener, Passed};
use crate::config::{ListenSpec, Server};

/// Compares the limit on open files with `max_connections`. Returns the number of connections, and a warning if they are
/// few.
pub(crate) fn connections(config: &Server) -> Result<(usize, Option<String>), ServerError> {
    let allowed = files::connections(config.max_connections, files::raise_limit(), config.threads())?;
    Ok((allowed.max_connections, allowed.warning))
}

/// Listens there, and stops at once.
pub(crate) fn listen(spec: &ListenSpec) -> io::Result<()> {
    Opener::new(Passed::default()).webhooks(spec, 1).map(drop)
}
