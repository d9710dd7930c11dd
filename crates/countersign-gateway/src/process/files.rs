//! The limit on open files, and the number of connections that follows from it.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::ServerError;

/// The maximum number of connections to the admin listener.
pub(super) const ADMIN_CONNECTIONS: usize = 64;
/// Fewer connections than this cause a warning.
const FEW: usize = 1024;
/// The highest number of connections that is derived from a limit on open files.
const MOST: usize = 100_000;
/// The files that a process needs in addition to its connections: configuration, key sets, health checks, runtime.
const OTHER: usize = 128;
/// The files that each thread needs: its poller and its listeners.
const PER_THREAD: usize = 16;

/// The limits on connections that follow from a limit on open files.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) max_connections: usize,
    pub(super) upstream_connections: usize,
    pub(super) warning: Option<String>,
}

/// Raises the limit on open files as far as the process may, and returns it.
pub(super) fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit on open files");
            limit.current
        }
    };
    now.and_then(|now| usize::try_from(now).ok()).unwrap_or(usize::MAX)
}

/// How many connections `limit` open files allow. Each may also need a connection to an upstream.
pub(super) fn connections(configured: Option<usize>, limit: usize, threads: usize) -> Result<Allowed, ServerError> {
    let reserved = OTHER + ADMIN_CONNECTIONS + PER_THREAD.saturating_mul(threads);
    let room = limit.saturating_sub(reserved);
    let max_connections = configured.unwrap_or((room / 2).clamp(1, MOST));
    if max_connections > room {
        return Err(ServerError::Files { max_connections, limit, reserved });
    }
    let warning = if max_connections > room / 2 {
        Some(format!(
            "max_connections is {max_connections}, but {limit} open files allow only {} with one upstream connection \
             each ({reserved} are reserved): raise the limit (ulimit -n, LimitNOFILE) or lower max_connections",
            room / 2
        ))
    } else if max_connections < FEW {
        Some(format!(
            "only {max_connections} connections are allowed, with {limit} open files: raise the limit (ulimit -n, \
             LimitNOFILE) or max_connections"
        ))
    } else {
        None
    };
    // Upstreams get the files that senders leave.
    let upstream_connections = (room - max_connections).max(1);
    Ok(Allowed { max_connections, upstream_connections, warning })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_room_for_one_to_an_upstream() {
        let allowed = |configured, limit| connections(configured, limit, 4).unwrap();
        assert_eq!(
            allowed(None, 20_256),
            Allowed { max_connections: 10_000, upstream_connections: 10_000, warning: None }
        );
        let most = allowed(None, usize::MAX);
        assert_eq!((most.max_connections, most.warning), (MOST, None));
        assert_eq!(
            allowed(Some(10_000), 20_256),
            Allowed { max_connections: 10_000, upstream_connections: 10_000, warning: None }
        );
        let few = allowed(None, 1024);
        assert_eq!(few.max_connections, 384);
        assert!(few.warning.is_some_and(|text| text.contains("384") && text.contains("1024")));
        assert_eq!(allowed(Some(1024), 1_000_000).warning, None);
        assert!(allowed(Some(1023), 1_000_000).warning.is_some());
    }

    #[test]
    fn a_configured_value_that_cannot_be_held_says_so_in_numbers() {
        let close = connections(Some(15_000), 20_256, 4).unwrap().warning.unwrap();
        for number in ["15000", "20256", "10000", "256"] {
            assert!(close.contains(number), "{number} in {close}");
        }
        let error = connections(Some(20_001), 20_256, 4).unwrap_err().to_string();
        for number in ["20001", "20256", "256"] {
            assert!(error.contains(number), "{number} in {error}");
        }
        assert!(connections(None, 0, 4).is_err());
    }
}
