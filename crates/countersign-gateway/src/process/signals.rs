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

/// Logs a signal that would end the process though nobody asked for an end, and otherwise ignores it. Called within a
/// runtime, which runs a task for it.
pub(super) fn ignore_user_signal() -> io::Result<()> {
    let mut ignored = signal(SignalKind::user_defined1())?;
    tokio::spawn(async move {
        while ignored.recv().await.is_some() {
            tracing::warn!(
                "SIGUSR1 has no meaning here and was ignored: SIGTERM stops, SIGHUP reloads, SIGUSR2 starts the program \
                 again without closing the listeners"
            );
        }
    });
    Ok(())
}
