//! Child processes that end with the test.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};

use crate::wait::{PATIENCE, eventually};

/// An address on loopback that is free at the moment.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound listener")
}

/// A child process. It is killed when this is dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts the command, with standard output and error as configured there.
    pub fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().expect("the program starts"))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Its exit status; `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("a child process")
    }

    /// Kills it, as a loss of power does. It may have ended before.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Sends a signal, for example `TERM`.
    pub fn signal(&self, name: &str) {
        // Every shell has `kill` built in. Not every system has a program of that name.
        let sent = Command::new("sh").arg("-c").arg(format!("kill -s {name} {}", self.id())).status();
        assert!(sent.expect("a shell").success(), "the process had ended");
    }
}

impl From<Child> for Process {
    fn from(child: Child) -> Self {
        Self(child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A program that prints `listening on ADDRESS` in its first line. If the test fails, its standard error is printed
/// when this is dropped.
#[derive(Debug)]
pub struct Receiver {
    process: Process,
    address: SocketAddr,
    log: PathBuf,
    lines: mpsc::Receiver<String>,
}

impl Receiver {
    /// Starts the command and waits until it listens. Its standard error is appended to a file in `folder`.
    pub fn start(command: &mut Command, folder: &Path) -> Self {
        let log = folder.join("stderr");
        let file = File::options().create(true).append(true).open(&log).expect("a file");
        let mut process = Process::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file));
        let output = BufReader::new(process.0.stdout.take().expect("a pipe"));
        let (sender, lines) = mpsc::channel();
        // Reads to the end, so that the process never waits for a reader.
        thread::spawn(move || output.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let mut receiver = Self { process, address: SocketAddr::from(([0, 0, 0, 0], 0)), log, lines };
        let first = receiver.line();
        let address = first.strip_prefix("listening on ").unwrap_or_else(|| panic!("no address in {first:?}"));
        receiver.address = address.parse().expect("an address");
        receiver
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next line that it prints.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("another line")
    }

    /// Kills it, as a crash does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Sends `TERM`, and waits until it has ended.
    pub async fn stop(mut self) -> ExitStatus {
        self.process.signal("TERM");
        eventually("the receiver ends", async || self.process.ended()).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("standard error of the receiver:\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Runs the command to its end, with its output in pipes.
pub async fn run(command: &mut Command) -> Output {
    let mut process = Running::start(command);
    while !process.has_ended() {
        tokio::time::sleep(Running::PAUSE).await;
    }
    process.output()
}

/// The same as [`run`], for tests without a runtime.
pub fn finished(command: &mut Command) -> Output {
    let mut process = Running::start(command);
    while !process.has_ended() {
        thread::sleep(Running::PAUSE);
    }
    process.output()
}

struct Running {
    process: Process,
    /// What it prints is read all the time: a pipe holds little, and the program waits until it is empty.
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
    ended: Option<ExitStatus>,
    give_up: std::time::Instant,
}

impl Running {
    const PAUSE: Duration = Duration::from_millis(10);

    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stdout = read_in_a_thread(child.stdout.take().expect("a pipe"));
        let stderr = read_in_a_thread(child.stderr.take().expect("a pipe"));
        Self { process: Process(child), stdout, stderr, ended: None, give_up: SystemClock.instant() + PATIENCE }
    }

    fn has_ended(&mut self) -> bool {
        self.ended = self.process.ended();
        assert!(
            self.ended.is_some() || SystemClock.instant() <= self.give_up,
            "the program does not end: {:?}",
            self.process
        );
        self.ended.is_some()
    }

    fn output(self) -> Output {
        let status = self.ended.expect("it has ended");
        let read = |pipe: JoinHandle<Vec<u8>>| pipe.join().expect("a pipe can be read");
        Output { status, stdout: read(self.stdout), stderr: read(self.stderr) }
    }
}

fn read_in_a_thread(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        pipe.read_to_end(&mut all).expect("a pipe can be read");
        all
    })
}
