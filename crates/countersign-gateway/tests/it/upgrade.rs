//! The program is replaced while it serves: another process takes over its listeners.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use countersign_test::process::Process;
use http::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::common::{
    Backend, Gateway, Raw, SECRET, SOURCE, Wire, delivery, free_address, get, route, send, soon, until,
};

/// The program, which its successors replace. All of them are killed when this is dropped.
struct Generations {
    folder: TempDir,
    first: Process,
    successors: Vec<Pid>,
    notifications: UnixDatagram,
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).expect("an id")).expect("an id")
}

/// Whether this is one of our processes, and still runs.
fn runs(id: Pid, folder: &Path) -> bool {
    let file = |name: &str| std::fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
    let (command, folder) = (file("cmdline"), folder.as_os_str().as_encoded_bytes());
    command.windows(folder.len()).any(|part| part == folder)
}

impl Generations {
    async fn start(server: &str, sources_and_routes: &str, admin: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let server = server.replace("FOLDER", &folder.path().display().to_string());
        std::fs::write(path("gateway.toml"), format!("{server}\n{sources_and_routes}")).expect("a file");
        symlink(env!("CARGO_BIN_EXE_countersign-gateway"), path("gateway")).expect("a link");
        let notifications = UnixDatagram::bind(path("notify")).expect("a socket");
        notifications.set_nonblocking(true).expect("a socket");
        let log = std::fs::File::create(path("log")).expect("a file");
        let mut command = Command::new(path("gateway"));
        command.arg("--config").arg(path("gateway.toml")).env("NOTIFY_SOCKET", path("notify"));
        command.env("TEST_SECRET", SECRET).env_remove("RUST_LOG").stdout(log);
        let first = Process::spawn(&mut command);
        until("it is ready", async || get(admin, "/readyz").await.is_some_and(|reply| reply.status == 200)).await;
        Self { folder, first, successors: Vec::new(), notifications }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn current(&self) -> Pid {
        self.successors.last().copied().unwrap_or_else(|| pid(self.first.id()))
    }

    /// Changes its configuration file, which has this text.
    fn edit(&self, old: &str, new: &str) {
        let text = std::fs::read_to_string(self.path("gateway.toml")).expect("a file");
        assert!(text.contains(old), "{old} is not in {text}");
        std::fs::write(self.path("gateway.toml"), text.replace(old, new)).expect("a file");
    }

    /// The names of the threads that serve webhooks, sorted.
    fn threads(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.current())).expect("a process");
        let name =
            |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.ok()?.path().join("comm")).ok();
        let mut names: Vec<_> = tasks.filter_map(name).map(|name| name.trim().to_owned()).collect();
        names.retain(|name| name.starts_with("webhooks-"));
        names.sort();
        names
    }

    /// Installs the program again, and waits until the new one has taken over.
    async fn upgrade(&mut self) {
        symlink(env!("CARGO_BIN_EXE_countersign-gateway"), self.path("next")).expect("a link");
        std::fs::rename(self.path("next"), self.path("gateway")).expect("a link");
        kill_process(self.current(), Signal::USR2).expect("it runs");
        let mut successor = None;
        until("the next one has taken over", async || {
            let mut bytes = [0; 256];
            while let Ok(length) = self.notifications.recv(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                successor = successor.or(text.strip_prefix("MAINPID=").map(|id| id.trim().parse().expect("an id")));
            }
            successor.is_some()
        })
        .await;
        self.successors.push(pid(successor.expect("an id")));
    }

    /// Stops the last one, and waits until all have ended.
    async fn stop(mut self) {
        kill_process(self.current(), Signal::TERM).expect("it runs");
        until("all have ended", async || {
            let _ = self.first.ended();
            !self.successors.iter().any(|id| runs(*id, self.folder.path()))
        })
        .await;
        until("the first has ended", async || self.first.ended().is_some_and(|status| status.success())).await;
        let log = std::fs::read_to_string(self.path("log")).expect("a file");
        assert!(!log.contains("panicked") && !log.contains(" ERROR "), "{log}");
    }
}

impl Drop for Generations {
    fn drop(&mut self) {
        for id in self.successors.iter().filter(|id| runs(**id, self.folder.path())) {
            let _ = kill_process(*id, Signal::KILL);
        }
    }
}

/// Sends deliveries, and counts those that were accepted.
#[derive(Clone, Default)]
struct Load {
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
}

impl Load {
    fn accept(&self, status: Option<StatusCode>, what: &str) {
        assert_eq!(status, Some(StatusCode::OK), "{what}");
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Over connections that are kept until a response says that it is the last.
    async fn keep_alive(self, address: SocketAddr, name: String) {
        let mut raw = None;
        for n in 0.. {
            if !self.goes_on() {
                break;
            }
            let mut connection = match raw.take() {
                Some(connection) => connection,
                None => Raw::open(address).await,
            };
            connection.write(delivery(&format!("{name}_{n}"), "{}").bytes()).await;
            let reply = connection.answer().await;
            self.accept(reply.as_ref().map(|reply| reply.status), &format!("{name} {n}"));
            let is_last = reply.is_some_and(|reply| reply.header("connection") == Some("close"));
            raw = (!is_last).then_some(connection);
        }
    }

    /// Over a new connection for each.
    async fn connect(self, address: SocketAddr, wire: Wire, name: String) {
        for n in 0.. {
            if !self.goes_on() {
                break;
            }
            let reply = send(address, &delivery(&format!("{name}_{n}"), "{}"), wire).await;
            self.accept(Some(reply.status), &name);
        }
    }

    async fn connect_unix(self, path: PathBuf, name: String) {
        for n in 0.. {
            if !self.goes_on() {
                break;
            }
            self.connect_once(&path, &format!("{name}_{n}")).await;
        }
    }

    async fn connect_once(&self, path: &Path, id: &str) {
        let mut stream = UnixStream::connect(path).await.expect("the gateway listens");
        let sent = delivery(id, "{}").set("connection", "close");
        stream.write_all(&sent.bytes()).await.expect("the gateway reads");
        let mut all = Vec::new();
        soon(stream.read_to_end(&mut all)).await.expect("a response");
        self.accept(all.starts_with(b"HTTP/1.1 200 ").then_some(StatusCode::OK), id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_delivery_is_refused_while_the_program_is_replaced_ten_times() {
    let (backend, address, admin) = (Backend::start().await, free_address(), free_address());
    let server =
        format!("[server]\nlisten = [\"{address}\", \"unix:FOLDER/gateway.sock\"]\nadmin = \"{admin}\"\nthreads = 2");
    let mut gateway = Generations::start(&server, &[SOURCE, &route(&backend, "")].concat(), admin).await;
    let (load, mut senders) = (Load::default(), JoinSet::new());
    for n in 0..3 {
        senders.spawn(load.clone().keep_alive(address, format!("kept_{n}")));
    }
    for (n, wire) in [Wire::Http1Length, Wire::Http1Chunked, Wire::Http2Length].into_iter().enumerate() {
        senders.spawn(load.clone().connect(address, wire, format!("new_{n}")));
    }
    senders.spawn(load.clone().connect_unix(gateway.path("gateway.sock"), "unix".into()));
    for n in 1..=10 {
        let enough = load.accepted.load(Ordering::Relaxed) + 200;
        until("deliveries go on", async || {
            assert!(senders.try_join_next().is_none(), "a sender has failed");
            load.accepted.load(Ordering::Relaxed) >= enough
        })
        .await;
        gateway.upgrade().await;
        assert_eq!(gateway.successors.len(), n);
        assert_eq!(get(admin, "/readyz").await.map(|reply| reply.status), Some(StatusCode::OK));
    }
    load.stop.store(true, Ordering::Relaxed);
    while let Some(sender) = soon(senders.join_next()).await {
        sender.expect("no delivery was lost");
    }
    assert!(load.accepted.load(Ordering::Relaxed) >= 2000);
    let file = gateway.path("gateway.sock");
    assert!(file.exists());
    gateway.stop().await;
    assert!(!file.exists());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_process_has_the_threads_and_listeners_that_its_configuration_says() {
    let (backend, kept, admin) = (Backend::start().await, free_address(), free_address());
    let (dropped, added) = (free_address(), free_address());
    let server = format!(
        "[server]\nlisten = [\"{kept}\", \"{dropped}\", \"unix:FOLDER/old.sock\"]\nadmin = \"{admin}\"\nthreads = 2"
    );
    let mut gateway = Generations::start(&server, &[SOURCE, &route(&backend, "")].concat(), admin).await;
    assert_eq!(gateway.threads(), [0, 1].map(|n| format!("webhooks-{n}")));
    let load = Load::default();
    let mut senders = JoinSet::new();
    senders.spawn(load.clone().keep_alive(kept, "kept".into()));
    senders.spawn(load.clone().connect(kept, Wire::Http1Length, "new".into()));
    senders.spawn(load.clone().connect(kept, Wire::Http2Length, "http2".into()));
    let (old, new) = (gateway.path("old.sock"), gateway.path("new.sock"));

    let listen = |last: SocketAddr, file: &Path| format!("\"{last}\", \"unix:{}\"", file.display());
    gateway.edit(&listen(dropped, &old), &listen(added, &new));
    for (before, threads) in [("threads = 2", 4), ("threads = 4", 1), ("threads = 1", 3)] {
        gateway.edit(before, &format!("threads = {threads}"));
        let enough = load.accepted.load(Ordering::Relaxed) + 100;
        until("deliveries go on", async || {
            assert!(senders.try_join_next().is_none(), "a sender has failed");
            load.accepted.load(Ordering::Relaxed) >= enough
        })
        .await;
        gateway.upgrade().await;
        assert_eq!(gateway.threads(), (0..threads).map(|n| format!("webhooks-{n}")).collect::<Vec<_>>());
        let sent = delivery(&format!("added_{threads}"), "{}");
        assert_eq!(send(added, &sent, Wire::Http1Length).await.status, StatusCode::OK);
        load.connect_once(&new, &format!("unix_{threads}")).await;
        // The previous process may close its sockets a moment later.
        until("the others are closed", async || tokio::net::TcpStream::connect(dropped).await.is_err()).await;
        until("its file is removed", async || !old.exists()).await;
    }
    load.stop.store(true, Ordering::Relaxed);
    while let Some(sender) = soon(senders.join_next()).await {
        sender.expect("no delivery was lost");
    }
    gateway.stop().await;
    assert!(!new.exists());
}

#[tokio::test]
async fn a_request_in_progress_is_finished_by_the_process_that_accepted_it_and_remembered_by_the_next() {
    let (backend, tell) = Backend::holding().await;
    let (address, admin) = (free_address(), free_address());
    let store = "[store]\nengine = \"sqlite\"\npath = \"FOLDER/ids.sqlite\"";
    let server = format!("{store}\n[server]\nlisten = [\"{address}\"]\nadmin = \"{admin}\"");
    let mut gateway = Generations::start(&server, &[SOURCE, &route(&backend, "")].concat(), admin).await;
    let mut raw = Raw::open(address).await;
    raw.write(delivery("msg_1", "{}").bytes()).await;
    backend.has_seen(1).await;
    let mut check = Raw::open(admin).await;
    let probe = format!("GET /readyz HTTP/1.1\r\nhost: {admin}\r\n\r\n");
    check.write(probe.as_bytes()).await;
    assert_eq!(check.answer().await.map(|reply| reply.status), Some(StatusCode::OK));
    gateway.upgrade().await;
    // A check that still reaches the process that ends must not take the service out of its load balancer.
    check.write(probe.as_bytes()).await;
    assert!(check.answer().await.is_none_or(|reply| reply.status == StatusCode::OK));
    tell.send(200).expect("the backend still works on it");
    let reply = raw.answer().await.expect("a response");
    assert_eq!((reply.status, reply.header("connection")), (StatusCode::OK, Some("close")));
    let again = send(address, &delivery("msg_1", "{}"), Wire::Http1Length).await;
    assert_eq!((again.status, again.outcome()), (StatusCode::OK, Some("duplicate")));
    until("it ends", async || gateway.first.ended().is_some_and(|status| status.success())).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_program_that_cannot_start_changes_nothing() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    gateway.edit(&[("path = \"/hook\"", "path = \"hook\"")]);
    gateway.signal("USR2");
    until("it is logged", async || gateway.output().contains("no other process has taken over")).await;
    assert!(gateway.output().contains("it ended at once (exit status: 1)"), "{}", gateway.output());
    assert_eq!(send(gateway.address, &delivery("msg_1", "{}"), Wire::Http1Length).await.status, StatusCode::OK);
}
