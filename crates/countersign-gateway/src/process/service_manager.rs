//! The notifications that systemd and its like understand (`sd_notify`): one datagram each, over the Unix socket that
//! `NOTIFY_SOCKET` names.

use std::env;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The service manager, if there is one. Clones share the socket.
#[derive(Clone, Debug, Default)]
pub(super) struct ServiceManager {
    socket: Option<Arc<(UnixDatagram, SocketAddr)>>,
    /// How often it wants a sign of life.
    ping_every: Option<Duration>,
}

impl ServiceManager {
    /// The one that the environment names. A socket that cannot be used is a warning.
    pub(super) fn from_env() -> Self {
        let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return Self::default() };
        let socket = open(name.as_encoded_bytes());
        if let Err(error) = &socket {
            tracing::warn!("NOTIFY_SOCKET cannot be used: {error}; unset it, or let the service manager set it");
        }
        let var = |name: &str| env::var(name).ok();
        let ping_every =
            ping_every(var("WATCHDOG_USEC").as_deref(), var("WATCHDOG_PID").as_deref(), std::process::id());
        Self { socket: socket.ok().map(Arc::new), ping_every }
    }

    /// All listeners accept connections, or a reload has ended.
    pub(super) fn ready(&self) {
        self.send("READY=1\n");
    }

    /// A reload begins.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}\n", now.tv_sec * 1_000_000 + now.tv_nsec / 1_000));
    }

    /// Another process is the service now.
    pub(super) fn main_process(&self, id: u32) {
        self.send(&format!("MAINPID={id}\n"));
    }

    /// The process was asked to stop.
    pub(super) fn stopping(&self) {
        self.send("STOPPING=1\n");
    }

    /// Sends signs of life, if they are wanted, until it is dropped.
    pub(super) async fn ping_regularly(self) {
        let Some(every) = self.ping_every.filter(|_| self.socket.is_some()) else { return };
        loop {
            self.send("WATCHDOG=1\n");
            tokio::time::sleep(every).await;
        }
    }

    fn send(&self, state: &str) {
        let Some((socket, address)) = self.socket.as_deref() else { return };
        if let Err(error) = socket.send_to_addr(state.as_bytes(), address) {
            tracing::warn!(state = state.trim_end(), %error, "the service manager could not be notified");
        }
    }
}

/// A socket that never waits, and the address that this name means. Names with `@` are in Linux's abstract namespace.
fn open(name: &[u8]) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name {
        [b'/', ..] => SocketAddr::from_pathname(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name))?,
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)?,
        _ => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is neither an absolute path nor `@` and a name",
            ));
        }
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// Half of `WATCHDOG_USEC`, so that one late ping does no harm. `WATCHDOG_PID` may say that another process is meant.
fn ping_every(usec: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    let is_meant = pid.is_none_or(|pid| pid.parse() == Ok(own));
    let usec: u64 = usec?.parse().ok().filter(|usec| *usec > 1 && is_meant)?;
    Some(Duration::from_micros(usec / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_are_sent_twice_in_the_time_that_is_allowed() {
        let second = Some(Duration::from_secs(1));
        for (usec, pid, expected) in [
            (Some("2000000"), None, second),
            (Some("2000000"), Some("7"), second),
            (Some("2000000"), Some("8"), None),
            (Some("2000000"), Some(""), None),
            (Some("0"), None, None),
            (Some("soon"), None, None),
            (None, Some("7"), None),
        ] {
            assert_eq!(ping_every(usec, pid, 7), expected, "{usec:?} {pid:?}");
        }
    }

    #[test]
    fn other_kinds_of_sockets_are_errors() {
        assert!(open(b"/run/systemd/notify").is_ok());
        for name in [&b"relative"[..], b"vsock:2:1234"] {
            assert!(open(name).is_err());
        }
    }
}
