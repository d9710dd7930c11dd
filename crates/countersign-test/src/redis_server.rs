//! Redis servers that end with the test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::{Process, free_address};
use crate::wait::eventually;

/// A server on a free port of loopback. It keeps what it acknowledges: `appendonly yes` and `appendfsync always`.
#[derive(Debug)]
pub struct RedisServer {
    process: Process,
    address: SocketAddr,
    folder: PathBuf,
    options: Vec<String>,
}

impl RedisServer {
    /// Starts a server with its files in `folder`. The options are those of its command line, and have priority.
    pub async fn start(folder: &Path, options: &[&str]) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Self::start_on(free_address(), folder.to_owned(), options).await
    }

    async fn start_on(address: SocketAddr, folder: PathBuf, options: Vec<String>) -> Self {
        let mut command = Command::new("redis-server");
        command.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--dir"]).arg(&folder).args(&options);
        let process = Process::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()));
        let server = Self { process, address, folder, options };
        if !server.options.iter().any(|option| option == "--tls-port") {
            eventually("Redis responds", async || server.is_ready().await.then_some(())).await;
        }
        server
    }

    /// Whether it responds to commands without TLS.
    async fn is_ready(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address).await else { return false };
        let mut response = [0; 5];
        stream.write_all(b"PING\r\n").await.is_ok()
            && stream.read_exact(&mut response).await.is_ok()
            && matches!(&response, b"+PONG" | b"-NOAU")
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address for clients.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Runs a command with `redis-cli`, and returns the response.
    pub fn run(&self, command: &[&str]) -> String {
        let port = self.address.port().to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(command).output().expect("redis-cli");
        String::from_utf8(output.stdout).expect("a response in UTF-8").trim().to_owned()
    }

    /// Kills it, as a crash does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port, with what it has on disk.
    pub async fn restart(&mut self) {
        self.kill();
        *self = Self::start_on(self.address, self.folder.clone(), self.options.clone()).await;
    }

    /// Stops it without closing connections, as a machine does that hangs.
    pub fn hang(&self) {
        self.process.signal("STOP");
    }

    /// The opposite of [`hang`](Self::hang).
    pub fn resume(&self) {
        self.process.signal("CONT");
    }
}
