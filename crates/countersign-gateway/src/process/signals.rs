//! Signals that must not end the process.

use std::io;

use rustix::process::Signal;
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

/// Turns `SIGXFSZ` into an error of the write that caused it.
///
/// A log file that reaches the limit on file sizes (`RLIMIT_FSIZE`) would otherwise end the process. Called before
/// the first line is written.
pub fn survive_file_size_limit() {
    // Tokio installs the handler for as long as the process lives; only registering it needs a runtime.
    if let Ok(runtime) = runtime::Builder::new_current_thread().enable_io().build() {
        let _entered = runtime.enter();
        drop(signal(SignalKind::from_raw(Signal::XFSZ.as_raw())));
    }
}

/// Logs the signals that would end the process though nobody asked for an end, and otherwise ignores them. Called within a
/// runtime, which runs a task for it.
pub(super) fn ignore_user_signals() -> io::Result<()> {
    let (mut first, mut second) = (signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?);
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = first.recv() => "SIGUSR1",
                _ = second.recv() => "SIGUSR2",
            };
            tracing::warn!("{name} has no meaning here and was ignored: SIGTERM stops, SIGHUP reloads");
        }
    });
    Ok(())
}
