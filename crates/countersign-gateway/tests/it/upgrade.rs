//! The program is replaced while it serves: another process takes over its listeners.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::common::{
    Backend, Gateway, Generations, Raw, SOURCE, Wire, delivery, free_address, get, route, send, soon, until,
};

/// The names of the threads of the current process that serve webhooks, sorted.
fn webhook_threads(gateway: &Generations) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", gateway.current())).expect("a process");
    let name = |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.ok()?.path().join("comm")).ok();
    let mut names: Vec<_> = tasks.filter_map(name).map(|name| name.trim().to_owned()).collect();
    names.retain(|name| name.starts_with("webhooks-"));
    names.sort();
    names
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
        assert_eq!(gateway.successors(), n);
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
    assert_eq!(webhook_threads(&gateway), [0, 1].map(|n| format!("webhooks-{n}")));
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
        assert_eq!(webhook_threads(&gateway), (0..threads).map(|n| format!("webhooks-{n}")).collect::<Vec<_>>());
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
    until("it ends", async || gateway.first_ended().is_some_and(|status| status.success())).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_connection_that_was_accepted_a_moment_before_gets_a_response() {
    let (backend, address, admin) = (Backend::start().await, free_address(), free_address());
    let server = format!("[server]\nlisten = [\"{address}\"]\nadmin = \"{admin}\"");
    let mut gateway = Generations::start(&server, &[SOURCE, &route(&backend, "")].concat(), admin).await;
    let (mut sender, mut check) = (Raw::open(address).await, Raw::open(admin).await);
    // Accepted after them.
    assert_eq!(send(address, &delivery("msg_1", "{}"), Wire::Http1Length).await.status, StatusCode::OK);
    assert_eq!(get(admin, "/readyz").await.map(|reply| reply.status), Some(StatusCode::OK));
    gateway.upgrade().await;
    sender.write(delivery("msg_2", "{}").bytes()).await;
    assert_eq!(sender.answer().await.map(|reply| reply.status), Some(StatusCode::OK));
    until("nothing else keeps it", async || gateway.log().contains("stopping")).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    check.write(format!("GET /readyz HTTP/1.1\r\nhost: {admin}\r\n\r\n").as_bytes()).await;
    assert_eq!(check.answer().await.map(|reply| reply.status), Some(StatusCode::OK));
    until("it ends", async || gateway.first_ended().is_some_and(|status| status.success())).await;
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
