//! Whether the addresses of the listeners can be listened on.

use std::io::{self, ErrorKind};

use super::report::{Check, Finding};
use crate::config::{Config, ListenAddress, ListenSpec};
use crate::health;
use crate::process::probe;

/// Listens on each address of the configuration for a moment.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let server = &config.server;
    let admin = server.admin.map(|admin| ListenSpec::at(ListenAddress::Ip(admin.address)));
    let health = server.admin.map(|admin| format!("http://{}/healthz", admin.address));
    let is_running = health.is_some_and(|url| health::check(&url).is_ok());
    let all = server.listen.iter().chain(&server.pull).chain(&admin);
    all.map(|spec| judge(&spec.address, &listen(spec), is_running)).collect()
}

fn listen(spec: &ListenSpec) -> io::Result<()> {
    match spec.address {
        ListenAddress::Systemd(_) => Ok(()),
        ListenAddress::Ip(_) | ListenAddress::Unix(_) => probe::listen(spec),
    }
}

fn judge(address: &ListenAddress, listened: &io::Result<()>, is_running: bool) -> Finding {
    let error = match (listened, address) {
        (Ok(()), ListenAddress::Systemd(name)) => {
            return Finding::ok(
                Check::Listener,
                format!("{address}: systemd opens it, by a socket unit with this name: {name}"),
            );
        }
        (Ok(()), _) => return Finding::ok(Check::Listener, format!("{address}: can be listened on")),
        (Err(error), _) => error,
    };
    let cure = match error.kind() {
        ErrorKind::AddrInUse if is_running => {
            return Finding::ok(Check::Listener, format!("{address}: in use, and a gateway is running"));
        }
        ErrorKind::AddrInUse => "stop the process that listens there, or choose another address",
        ErrorKind::PermissionDenied => {
            "choose a port of 1024 or above and a directory that the user may write to, or grant CAP_NET_BIND_SERVICE"
        }
        ErrorKind::AddrNotAvailable => "choose an address of this machine, or 0.0.0.0 or [::] for all of them",
        ErrorKind::NotFound => "create the directory",
        _ => "choose another address",
    };
    Finding::failed(Check::Listener, format!("{address}: cannot be listened on ({error}): {cure}"))
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    #[test]
    fn the_address_of_a_running_gateway_is_in_use_for_a_reason() {
        let address = ListenAddress::Ip("127.0.0.1:80".parse().unwrap());
        let status = |kind: ErrorKind, is_running| judge(&address, &Err(kind.into()), is_running).status();
        assert_eq!(status(ErrorKind::AddrInUse, true), Status::Ok);
        assert_eq!(status(ErrorKind::AddrInUse, false), Status::Failed);
        assert_eq!(status(ErrorKind::PermissionDenied, true), Status::Failed);
        assert_eq!(judge(&address, &Ok(()), false).status(), Status::Ok);
    }
}
