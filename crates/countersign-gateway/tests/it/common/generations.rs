//! A gateway whose process is replaced: by successors that take over its listeners, and after kills.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use countersign_test::process::Process;
use countersign_test::wait::eventually;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{SECRET, get, until};

/// The program, which its successors replace. All of them are killed when this is dropped.
pub(crate) struct Generations {
    folder: TempDir,
    admin: SocketAddr,
    environment: Vec<(&'static str, OsString)>,
    first: Process,
    successors: Vec<Pid>,
    notifications: UnixDatagram,
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).expect("an id")).expect("an id")
}

/// Whether this is one of our processes, and still runs.
fn runs(id: Pid, folder: &Path) -> bool {
    let file = |name: &str| fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
    let (command, folder) = (file("cmdline"), folder.as_os_str().as_encoded_bytes());
    command.windows(folder.len()).any(|part| part == folder)
}

fn spawn(folder: &Path, environment: &[(&'static str, OsString)]) -> Process {
    let path = |name: &str| folder.join(name);
    let log = File::options().create(true).append(true).open(path("log")).expect("a file");
    let errors = log.try_clone().expect("a file");
    let mut command = Command::new(path("gateway"));
    command.arg("--config").arg(path("gateway.toml")).env("NOTIFY_SOCKET", path("notify"));
    command.env("TEST_SECRET", SECRET).env_remove("RUST_LOG").stdout(log).stderr(errors);
    Process::spawn(command.envs(environment.iter().map(|(name, value)| (name, value))))
}

async fn is_ready(admin: SocketAddr) -> bool {
    get(admin, "/readyz").await.is_some_and(|reply| reply.status == 200)
}

impl Generations {
    /// Ready when this returns. `FOLDER` in the keys of the server stands for its folder.
    pub(crate) async fn start(server: &str, sources_and_routes: &str, admin: SocketAddr) -> Self {
        Self::start_in(Vec::new(), server, sources_and_routes, admin).await
    }

    /// The same, with these environment variables, which its successors get too.
    pub(crate) async fn start_in(
        environment: Vec<(&'static str, OsString)>,
        server: &str,
        sources_and_routes: &str,
        admin: SocketAddr,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let server = server.replace("FOLDER", &folder.path().display().to_string());
        fs::write(path("gateway.toml"), format!("{server}\n{sources_and_routes}")).expect("a file");
        symlink(env!("CARGO_BIN_EXE_countersign-gateway"), path("gateway")).expect("a link");
        let notifications = UnixDatagram::bind(path("notify")).expect("a socket");
        notifications.set_nonblocking(true).expect("a socket");
        let first = spawn(folder.path(), &environment);
        until("it is ready", async || is_ready(admin).await).await;
        Self { folder, admin, environment, first, successors: Vec::new(), notifications }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The process that accepts connections.
    pub(crate) fn current(&self) -> Pid {
        self.successors.last().copied().unwrap_or_else(|| pid(self.first.id()))
    }

    /// How many successors there were.
    pub(crate) fn successors(&self) -> usize {
        self.successors.len()
    }

    /// How the first process has ended.
    pub(crate) fn first_ended(&mut self) -> Option<ExitStatus> {
        self.first.ended()
    }

    /// Whether the process that accepts connections still runs.
    pub(crate) fn runs(&self) -> bool {
        runs(self.current(), self.folder.path())
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).expect("a file")
    }

    /// Changes its configuration file, which has this text.
    pub(crate) fn edit(&self, old: &str, new: &str) {
        let text = fs::read_to_string(self.path("gateway.toml")).expect("a file");
        assert!(text.contains(old), "{old} is not in {text}");
        fs::write(self.path("gateway.toml"), text.replace(old, new)).expect("a file");
    }

    /// Installs the program again, and waits until the new one has taken over.
    pub(crate) async fn upgrade(&mut self) {
        assert!(self.try_upgrade().await, "the next one has not taken over: {}", self.log());
    }

    /// The same. Returns whether the new one has taken over: if it cannot start, the current one goes on.
    pub(crate) async fn try_upgrade(&mut self) -> bool {
        symlink(env!("CARGO_BIN_EXE_countersign-gateway"), self.path("next")).expect("a link");
        fs::rename(self.path("next"), self.path("gateway")).expect("a link");
        let failures = || self.log().matches("no other process has taken over").count();
        let before = failures();
        kill_process(self.current(), Signal::USR2).expect("it runs");
        let successor = eventually("the next one has taken over, or could not start", async || {
            let mut bytes = [0; 256];
            let mut successor = None;
            while let Ok(length) = self.notifications.recv(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                successor = successor.or(text.strip_prefix("MAINPID=").map(|id| id.trim().parse().expect("an id")));
            }
            if failures() > before { Some(None) } else { successor.map(Some) }
        })
        .await;
        self.successors.extend(successor.map(pid));
        successor.is_some()
    }

    /// Kills the process that accepts connections, as a loss of power does, and those that are still ending.
    pub(crate) async fn kill(&mut self) {
        let folder = self.folder.path();
        for id in self.successors.drain(..).filter(|id| runs(*id, folder)) {
            let _ = kill_process(id, Signal::KILL);
            until("it is gone", async || !runs(id, folder)).await;
        }
        self.first.kill();
    }

    /// Starts it again after a kill, until it is ready. Returns how often it could not start.
    pub(crate) async fn restart(&mut self) -> usize {
        let mut failed = 0;
        self.first = spawn(self.folder.path(), &self.environment);
        eventually("it is ready again", async || {
            if self.first.ended().is_some() {
                failed += 1;
                self.first = spawn(self.folder.path(), &self.environment);
            }
            is_ready(self.admin).await.then_some(())
        })
        .await;
        failed
    }

    /// Stops the last one, and waits until all have ended.
    pub(crate) async fn stop(mut self) {
        self.end().await;
        let log = self.log();
        assert!(!log.contains("panicked") && !log.contains(" ERROR "), "{log}");
    }

    /// Stops the last one, and waits until all have ended without an error.
    pub(crate) async fn end(&mut self) {
        kill_process(self.current(), Signal::TERM).expect("it runs");
        until("all have ended", async || {
            let _ = self.first.ended();
            !self.successors.iter().any(|id| runs(*id, self.folder.path()))
        })
        .await;
        until("the first has ended", async || self.first.ended().is_some_and(|status| status.success())).await;
    }
}

impl Drop for Generations {
    fn drop(&mut self) {
        for id in self.successors.iter().filter(|id| runs(**id, self.folder.path())) {
            let _ = kill_process(*id, Signal::KILL);
        }
    }
}
