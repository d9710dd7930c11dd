//! Programs that end when the bench does, however it ends.

use std::error::Error;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::deliveries::SECRET;

/// The core of the server that is measured.
pub const SERVER_CORE: &str = "0";
/// The core of whoever sends to it and whoever it sends to.
pub const LOAD_CORE: &str = "1";
/// Both cores, for a server with two threads.
pub const BOTH_CORES: &str = "0,1";

/// A program that runs until it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program on these cores. What it says goes into the file `log`.
    pub fn start(cores: &str, program: &Path, arguments: &[&str], log: PathBuf) -> Result<Self, Box<dyn Error>> {
        Self::start_with(cores, program, arguments, &[], log)
    }

    /// The same, with more variables in its environment.
    pub fn start_with(
        cores: &str,
        program: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
        log: PathBuf,
    ) -> Result<Self, Box<dyn Error>> {
        let output = File::create(&log)?;
        let child = pinned(cores, program, arguments)
            .env("COUNTERSIGN_BENCH_SECRET", SECRET)
            // No server writes a line for a request: nginx and HAProxy are told so where they are set up.
            .env("RUST_LOG", "warn")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Self { child, log })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub fn said(&self) -> Result<String, Box<dyn Error>> {
        Ok(fs::read_to_string(&self.log)?)
    }

    /// Its resident memory, in KiB: now, and at its most.
    pub fn resident_kib(&self) -> Result<(u32, u32), Box<dyn Error>> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let figure = |name: &str| -> Result<u32, Box<dyn Error>> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("there is no such line")?;
            Ok(line.trim_start_matches(':').trim_end_matches("kB").trim().parse()?)
        };
        Ok((figure("VmRSS")?, figure("VmHWM")?))
    }

    /// Waits until it listens on this port.
    pub fn ready(mut self, port: u16) -> Result<Self, Box<dyn Error>> {
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

/// The program on these cores. The kernel ends it if the bench is killed and cannot.
pub fn pinned(cores: &str, program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "taskset", "--cpu-list", cores]).arg(program).args(arguments);
    command
}

/// A port that nobody listens on.
pub fn free_port() -> Result<u16, Box<dyn Error>> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A program that the system has.
pub fn installed(program: &str) -> Option<PathBuf> {
    let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];
    folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}
