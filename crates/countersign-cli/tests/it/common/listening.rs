//! `listen`, running.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use countersign_test::process::Process;

use super::{Ran, SECRET, command, run};

/// Longer than a search takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A running `listen`.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    pub(crate) stdin: ChildStdin,
    lines: Receiver<String>,
    _process: Process,
}

impl Listening {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut command = command();
        command.args(["listen", "--listen", "127.0.0.1:0", "--secret", SECRET]).args(args);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        let stdin = child.stdin.take().expect("a pipe");
        let (lines, errors) =
            (lines(child.stdout.take().expect("a pipe")), lines(child.stderr.take().expect("a pipe")));
        let process = Process::from(child);
        let is_json = args.contains(&"--json");
        let first = if is_json { &errors } else { &lines }.recv_timeout(PATIENCE).expect("a first line");
        let address = first.trim_start_matches("countersign: ").strip_prefix("listening on ").expect("an address");
        let listening = Self { address: address.parse().expect("an address"), stdin, lines, _process: process };
        while !is_json && !listening.line().is_empty() {}
        listening
    }

    pub(crate) fn send(&self, args: &[&str], path: &str) -> Ran {
        self.send_with(SECRET, args, path)
    }

    pub(crate) fn send_with(&self, secret: &str, args: &[&str], path: &str) -> Ran {
        let url = format!("http://{}{path}", self.address);
        run(["send", &url, "--event", "batch.succeeded", "--secret", secret].into_iter().chain(args.iter().copied()))
    }

    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("another line")
    }

    /// The lines about the next request.
    pub(crate) fn shown(&self) -> Vec<String> {
        std::iter::repeat_with(|| self.line()).take_while(|line| !line.is_empty()).collect()
    }
}

fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || BufReader::new(pipe).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
    lines
}
