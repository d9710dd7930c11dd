use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use countersign_test::process::Process;
use http::Method;
use tempfile::TempDir;

use super::running::Running;
use super::{Backend, Delivery, OTHER_SECRET, Reply, SECRET, Wire, command, finished, free_address, get, send, until};

/// A source that signs with [`SECRET`].
pub(crate) const SOURCE: &str = "[sources.test]\nsecrets = [{ env = \"TEST_SECRET\" }]\n";

/// A route from `/hook` to this backend, with more keys if need be.
pub(crate) fn route(backend: &Backend, more: &str) -> String {
    let upstream = backend.address();
    format!("[[routes]]\npath = \"/hook\"\nsource = \"test\"\nupstream = [\"http://{upstream}\"]\n{more}\n")
}

/// A route from `/hook` to these upstreams, with more keys if need be.
pub(crate) fn route_to(upstreams: &[SocketAddr], more: &str) -> String {
    let upstreams: Vec<_> = upstreams.iter().map(|upstream| format!("\"http://{upstream}\"")).collect();
    let upstreams = upstreams.join(", ");
    format!("[[routes]]\npath = \"/hook\"\nsource = \"test\"\nupstream = [{upstreams}]\n{more}\n")
}

/// The gateway as a child process; it is killed when this is dropped.
pub(crate) struct Gateway {
    process: Process,
    folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Gateway {
    /// The source [`SOURCE`], and a route from `/hook` to this backend.
    pub(crate) async fn before(backend: &Backend) -> Self {
        Self::before_with(backend, "").await
    }

    /// The same, with more keys in the route.
    pub(crate) async fn before_with(backend: &Backend, more: &str) -> Self {
        Self::start(&[SOURCE, &route(backend, more)].concat()).await
    }

    /// With these sources and routes.
    pub(crate) async fn start(sources_and_routes: &str) -> Self {
        Self::start_with("", sources_and_routes, &["--log", "text"]).await
    }

    /// With these environment variables too; ready when this returns.
    pub(crate) async fn start_in(environment: &[(&str, &str)], sources_and_routes: &str) -> Self {
        for _ in 0..5 {
            let start = Self::try_start(("", ""), sources_and_routes, &["--log", "text"], environment, files);
            if let Some(gateway) = start.await {
                return gateway;
            }
        }
        panic!("no port stays free")
    }

    /// With more keys of the server, and these arguments; ready when this returns.
    pub(crate) async fn start_with(server: &str, sources_and_routes: &str, arguments: &[&str]) -> Self {
        // Another process may take the port between its choice and its use.
        for _ in 0..5 {
            if let Some(gateway) = Self::try_start(("", server), sources_and_routes, arguments, &[], files).await {
                return gateway;
            }
        }
        panic!("no port stays free")
    }

    /// With more keys of the listener for webhooks and of the server; ready when this returns.
    pub(crate) async fn listening(listener: &str, server: &str, sources_and_routes: &str) -> Self {
        for _ in 0..5 {
            if let Some(gateway) = Self::try_start((listener, server), sources_and_routes, &[], &[], files).await {
                return gateway;
            }
        }
        panic!("no port stays free")
    }

    /// Logs JSON, and writes to these instead of files: standard output and error. Ready when this returns.
    pub(crate) async fn start_writing_to(outputs: impl Fn() -> [Stdio; 2], sources_and_routes: &str) -> Self {
        for _ in 0..5 {
            let arguments = &["--log", "json"];
            let start = Self::try_start(("", ""), sources_and_routes, arguments, &[], |_| outputs());
            if let Some(gateway) = start.await {
                return gateway;
            }
        }
        panic!("no port stays free")
    }

    async fn try_start(
        (listener, server): (&str, &str),
        sources_and_routes: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
        outputs: impl Fn(&Path) -> [Stdio; 2],
    ) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let address = free_address();
        // The kernel may return the port that was free a moment ago.
        let admin = std::iter::repeat_with(free_address).find(|admin| *admin != address)?;
        let listen = if listener.is_empty() {
            format!("\"{address}\"")
        } else {
            format!("{{ address = \"{address}\", {listener} }}")
        };
        let config = format!("[server]\nlisten = [{listen}]\nadmin = \"{admin}\"\n{server}\n{sources_and_routes}");
        let file = write(folder.path(), &config);
        let mut gateway =
            Self { process: spawn(&file, arguments, environment, outputs(&file)), folder, address, admin };
        let mut clash = false;
        until("the gateway is up", async || {
            if gateway.process.ended().is_some() {
                assert!(gateway.output().contains("cannot listen on"), "it ended: {}", gateway.output());
                clash = true;
            }
            clash || get(admin, "/readyz").await.is_some_and(|reply| reply.status == 200)
        })
        .await;
        (!clash).then_some(gateway)
    }

    /// The folder of its configuration.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills it, as a loss of power does.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after it was killed, with the same configuration; ready when this returns.
    pub(crate) async fn restart(&mut self) {
        let config = self.folder.path().join("gateway.toml");
        self.process = spawn(&config, &[], &[], files(&config));
        let admin = self.admin;
        until("the gateway is up again", async || get(admin, "/readyz").await.is_some_and(|reply| reply.status == 200))
            .await;
    }

    /// All its output so far. A thread writes the lines, so this waits until no more follow.
    pub(crate) fn output(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        let written = || read("stdout") + &read("stderr");
        let mut before = written();
        for _ in 0..50 {
            std::thread::sleep(Duration::from_millis(40));
            let now = written();
            if now == before {
                break;
            }
            before = now;
        }
        before
    }

    /// Changes its configuration file. Each pair is a text that is there, and its replacement.
    pub(crate) fn edit(&self, changes: &[(&str, &str)]) {
        let file = self.folder.path().join("gateway.toml");
        let mut text = std::fs::read_to_string(&file).expect("a file");
        for (old, new) in changes {
            assert!(text.contains(old), "{old} is not in {text}");
            text = text.replace(old, new);
        }
        std::fs::write(&file, text).expect("a file");
    }

    /// Asks it to reload its configuration, and returns the response.
    pub(crate) async fn reload(&self) -> Reply {
        command(self.admin, Method::POST, "/-/reload", None).await
    }

    /// Sends a signal, for example `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Limits the size of its files, in bytes.
    pub(crate) fn limit_file_size(&self, bytes: u64) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let id = Pid::from_raw(i32::try_from(self.process.id()).expect("an id"));
        prlimit(id, Resource::Fsize, Rlimit { current: Some(bytes), maximum: None }).expect("it may be lowered");
    }

    /// The memory that it uses, in bytes.
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        1024 * line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number")
    }

    /// Limits the number of files that it may open, and returns the previous limit.
    pub(crate) fn limit_files(&self, limit: u64) -> u64 {
        use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
        let id = Pid::from_raw(i32::try_from(self.process.id()).expect("an id"));
        // The maximum stays, because only root may raise it again.
        let maximum = getrlimit(Resource::Nofile).maximum;
        let before = prlimit(id, Resource::Nofile, Rlimit { current: Some(limit), maximum });
        before.expect("it may be lowered and raised").current.expect("a limit")
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }
}

impl Running for Gateway {
    async fn send(&self, delivery: &Delivery, wire: Wire) -> Reply {
        send(self.address, delivery, wire).await
    }

    async fn metrics(&self) -> String {
        let reply = get(self.admin, "/metrics").await.expect("the admin listener responds");
        assert_eq!(reply.status, 200);
        String::from_utf8(reply.body.to_vec()).expect("text")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.process.kill();
        if !std::thread::panicking() {
            let output = self.output();
            assert!(!output.contains("panicked"), "{output}");
            assert!(![SECRET, OTHER_SECRET].iter().any(|secret| output.contains(secret_of(secret))), "{output}");
        }
    }
}

/// The confidential part of a secret.
pub(crate) fn secret_of(secret: &str) -> &str {
    secret.trim_start_matches("whsec_").trim_end_matches('=')
}

/// Runs the binary with this configuration until it ends by itself, as it does with `--check` and after an error.
pub(crate) fn run(folder: &Path, config: &str, arguments: &[&str]) -> Output {
    finished(binary(&write(folder, config)).args(arguments))
}

fn spawn(config: &Path, arguments: &[&str], environment: &[(&str, &str)], [stdout, stderr]: [Stdio; 2]) -> Process {
    let mut command = binary(config);
    for (name, value) in environment {
        command.env(name, value);
    }
    Process::spawn(command.args(arguments).stdout(stdout).stderr(stderr))
}

/// Files next to the configuration, to which it appends its output.
fn files(config: &Path) -> [Stdio; 2] {
    ["stdout", "stderr"].map(|name| {
        let file = config.with_file_name(name);
        File::options().create(true).append(true).open(file).expect("a file").into()
    })
}

fn write(folder: &Path, config: &str) -> std::path::PathBuf {
    let file = folder.join("gateway.toml");
    std::fs::write(&file, config).expect("a file");
    file
}

pub(crate) fn binary(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-gateway"));
    command.arg("--config").arg(config).env_remove("RUST_LOG");
    for name in ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    command.env("TEST_SECRET", SECRET).env("OTHER_SECRET", OTHER_SECRET);
    command
}
