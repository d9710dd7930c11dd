//! Starts the program again, and passes the listening sockets to it.

use std::env;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::sync::oneshot;

use super::channel::{Channel, END, READY, VARIABLE};
use crate::process::sockets::ListeningSocket;

/// How long the new process may take until it accepts connections.
const PATIENCE: Duration = Duration::from_mins(1);

/// Starts the program that this process was started from, with the same arguments, and passes these sockets to it. The
/// result is its process id, once it accepts connections.
pub(super) fn start(sockets: Vec<(String, ListeningSocket)>) -> io::Result<oneshot::Receiver<io::Result<u32>>> {
    let (ours, theirs) = Channel::pair()?;
    ours.set_timeout(PATIENCE)?;
    let mut arguments = env::args_os();
    let program = arguments.next().ok_or_else(|| io::Error::other("this process does not know its program"))?;
    let mut command = Command::new(&program);
    command.args(arguments).stdin(Stdio::from(OwnedFd::from(theirs))).env(VARIABLE, "stdin");
    // It would say that the watchdog waits for this process alone.
    command.env_remove("WATCHDOG_PID");
    let mut child = command
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("{} cannot be started: {error}", program.display())))?;
    // Closes this process's copy of the other end, so that the end of the new process is noticed.
    drop(command);
    let (report, reported) = oneshot::channel();
    // Not a task: the runtime would wait for it at its end.
    std::thread::Builder::new().name("upgrade".into()).spawn(move || {
        let outcome = pass(&ours, &sockets).map(|()| child.id());
        let outcome = outcome.map_err(|error| end(&mut child, &error));
        if report.send(outcome).is_err() {
            // This process was asked to stop meanwhile.
            let _ = child.kill();
        }
    })?;
    Ok(reported)
}

/// Passes the sockets, and waits until the other process accepts connections on them.
fn pass(channel: &Channel, sockets: &[(String, ListeningSocket)]) -> io::Result<()> {
    for (address, socket) in sockets {
        channel.send(address, Some(socket.as_fd()))?;
    }
    channel.send(END, None)?;
    match channel.receive()?.0.as_str() {
        READY => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Ends a process that has not taken over, and says how it ended.
fn end(child: &mut Child, error: &io::Error) -> io::Error {
    let message = match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("it did not accept connections within {PATIENCE:?}")
        }
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
            let status = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            format!("it ended at once ({status}); its own output says why")
        }
        _ => error.to_string(),
    };
    let _ = child.kill();
    let _ = child.wait();
    io::Error::new(error.kind(), message)
}
