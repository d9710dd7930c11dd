//! Programs that end when the bench does, however it ends.

use std::error::Error;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use countersign_benches::deliveries::SECRET;

/// The core of the server that is measured.
pub(crate) const SERVER_CORE: u8 = 0;
/// The core of whoever sends to it and whoever it sends to.
pub(crate) const LOAD_CORE: u8 = 1;

/// A program that runs on one core until it is dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program. What it says goes into the file `log`.
    pub(crate) fn start(core: u8, program: &Path, arguments: &[&str], log: PathBuf) -> Result<Self, Box<dyn Error>> {
        let output = File::create(&log)?;
        let child = pinned(core, program, arguments)
            .env("COUNTERSIGN_BENCH_SECRET", SECRET)
            // No server writes a line for a request: nginx and HAProxy are told so where they are set up.
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Self { child, log })
    }

    /// Waits until it listens on this port.
    pub(crate) fn ready(mut self, port: u16) -> Result<Self, Box<dyn Error>> {
        for _ in 0..200 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                return Ok(self);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("it ended at once, with {status}: {}", fs::read_to_string(&self.log)?).into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(format!("it does not listen: {}", fs::read_to_string(&self.log)?).into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program on one core. The kernel ends it if the bench is killed and cannot.
pub(crate) fn pinned(core: u8, program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "taskset", "--cpu-list", &core.to_string()]).arg(program).args(arguments);
    command
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> Result<u16, Box<dyn Error>> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
