//! A receiver in a process of its own, which ends with the test.

#![expect(clippy::expect_used, reason = "what a test cannot do is its failure")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use countersign::{Clock, SystemClock};

/// What has not come by then never does.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Asks again until there is an answer, and fails if there is none in time.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let give_up = SystemClock.instant() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(SystemClock.instant() < give_up, "it did not come to this: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A receiver that listens. It is killed when this is dropped, and what it wrote is shown if the test failed.
#[derive(Debug)]
pub struct Receiver {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
    lines: mpsc::Receiver<String>,
}

impl Receiver {
    /// Runs `command` until it says where it listens, in its first line. Its standard error goes into a file
    /// in `folder`.
    pub fn start(command: &mut Command, folder: &Path) -> Self {
        let log = folder.join("stderr");
        let file = File::options().create(true).append(true).open(&log).expect("a file");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn().expect("it runs");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (tell, lines) = mpsc::channel();
        // Reads on to the end, so that the process never waits for a reader.
        thread::spawn(move || output.lines().map_while(Result::ok).for_each(|line| drop(tell.send(line))));
        let mut receiver = Self { child, address: SocketAddr::from(([0, 0, 0, 0], 0)), log, lines };
        let first = receiver.line();
        let address = first.strip_prefix("listening on ").unwrap_or_else(|| panic!("{first} does not say where"));
        receiver.address = address.parse().expect("an address");
        receiver
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next line that it prints.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("it prints another line")
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        // Every shell has it, and not every system a program of that name.
        let asked = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &id]).status().expect("there is a shell");
        assert!(asked.success(), "it had ended");
        eventually("the receiver ends", async || self.child.try_wait().expect("a child can be asked")).await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("the receiver said:\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Runs `command` to its end, which has to come by itself.
pub async fn run(command: &mut Command) -> Output {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let give_up = SystemClock.instant() + PATIENCE;
    // What is printed before an end fits into a pipe.
    while child.try_wait().expect("a child can be asked").is_none() {
        if SystemClock.instant() > give_up {
            let _ = child.kill();
            panic!("{command:?} does not end");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    child.wait_with_output().expect("it has ended")
}
