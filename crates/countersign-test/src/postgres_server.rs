//! PostgreSQL servers that end with the test.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use crate::process::{Process, free_address};
use crate::wait::eventually;

/// The user, and the database.
const NAME: &str = "postgres";

/// A server on a free port of loopback that trusts all local users.
#[derive(Debug)]
pub struct PostgresServer {
    process: Process,
    address: SocketAddr,
    data: PathBuf,
    options: Vec<String>,
}

impl PostgresServer {
    /// Starts a server with its files in `folder`. The options are settings: `fsync=off`.
    pub async fn start(folder: &Path, options: &[&str]) -> Self {
        let data = data_in(folder);
        run(as_user(&program("initdb")).args(["--auth", "trust", "--username", NAME, "--no-sync", "-D"]).arg(&data));
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Self::start_on(free_address(), data, options).await
    }

    async fn start_on(address: SocketAddr, data: PathBuf, options: Vec<String>) -> Self {
        let process = spawn(address, &data, &options);
        let mut server = Self { process, address, data, options };
        eventually("PostgreSQL responds", async || {
            if server.process.ended().is_some() {
                // Processes of a server that was killed can hold its memory for a moment.
                server.process = spawn(server.address, &server.data, &server.options);
            }
            server.query("SELECT 1").is_some_and(|response| response == "1").then_some(())
        })
        .await;
        server
    }

    /// Starts a standby of this server with its files in `folder`. It follows until it is promoted.
    pub async fn standby(&self, folder: &Path) -> Self {
        let data = data_in(folder);
        let mut backup = as_user(&program("pg_basebackup"));
        run(backup
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--dbname", &self.url(), "-D"])
            .arg(&data));
        Self::start_on(free_address(), data, self.options.clone()).await
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address for clients.
    pub fn url(&self) -> String {
        format!("postgres://{NAME}@{}/{NAME}", self.address)
    }

    /// Runs SQL with `psql`, and returns the response.
    pub fn run(&self, sql: &str) -> String {
        self.query(sql).unwrap_or_else(|| panic!("psql failed: {sql}"))
    }

    /// Starts SQL with `psql`, each statement on its own, and does not wait for it. It ends when the result is dropped.
    pub fn begin(&self, sql: &str) -> Process {
        let mut command = self.psql();
        // From a file, each statement is sent when the one before has ended.
        let file = self.data.with_extension("sql");
        fs::write(&file, sql).expect("a file");
        Process::spawn(command.arg("-f").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
    }

    fn psql(&self) -> Command {
        let mut command = Command::new(program("psql"));
        command.args(["-XAtq", "-d", &self.url()]);
        command
    }

    fn query(&self, sql: &str) -> Option<String> {
        let output = self.psql().args(["-c", sql]).output().expect("psql");
        let text = String::from_utf8(output.stdout).expect("a response in UTF-8");
        output.status.success().then(|| text.trim().to_owned())
    }

    /// Ends it at once, as a crash does. When it starts again, it recovers.
    pub fn kill(&mut self) {
        if self.process.ended().is_none() {
            self.process.signal("QUIT");
        }
        while self.process.ended().is_none() {
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts it again on the same port.
    pub async fn restart(self) -> Self {
        let (address, data, options) = (self.address, self.data.clone(), self.options.clone());
        drop(self);
        Self::start_on(address, data, options).await
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An empty folder for the files of a server, which belongs to its user.
fn data_in(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    fs::create_dir(&data).expect("a folder");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("a folder of our own");
    if is_root() {
        for path in [folder, &data] {
            run(Command::new("chown").arg(NAME).arg(path));
        }
    }
    data
}

fn spawn(address: SocketAddr, data: &Path, options: &[String]) -> Process {
    let mut command = as_user(&program("postgres"));
    command.arg("-D").arg(data).args(["-h", "127.0.0.1", "-p", &address.port().to_string(), "-k", ""]);
    for option in options {
        command.args(["-c", option]);
    }
    let log = fs::File::options().create(true).append(true).open(data.with_extension("log")).expect("a file");
    Process::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log))
}

/// The server does not run as root.
fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NAME, "--regid", NAME, "--clear-groups"]).arg(program);
    command
}

fn is_root() -> bool {
    // The folder of a process belongs to its user.
    fs::metadata("/proc/self").is_ok_and(|folder| folder.uid() == 0)
}

/// Debian keeps the programs of each version in a folder of its own.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> =
        versions.map(|version| version.path().join("bin").join(name)).filter(|path| path.exists()).collect();
    found.sort();
    found.pop().unwrap_or_else(|| name.into())
}

fn run(command: &mut Command) {
    let Output { status, stderr, .. } = command.current_dir("/").output().expect("the program starts");
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&stderr));
}
