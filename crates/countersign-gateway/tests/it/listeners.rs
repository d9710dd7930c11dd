//! Listeners other than TCP sockets that the process binds: Unix sockets, and sockets that systemd passes.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_test::process::Process;
use http::StatusCode;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::common::{
    Backend, Delivery, SOURCE, Wire, binary, delivery, finished, free_address, get, noise, route, run, send, soon,
    until,
};

/// A configuration with these listeners.
struct Setup {
    folder: TempDir,
    backend: Backend,
    admin: SocketAddr,
    server: String,
}

impl Setup {
    async fn new(listen: impl FnOnce(&Path) -> String, server: &str) -> Self {
        let (folder, backend, admin) = (tempfile::tempdir().expect("a folder"), Backend::start().await, free_address());
        let server = format!("[server]\nlisten = [{}]\nadmin = \"{admin}\"\n{server}\n", listen(folder.path()));
        let setup = Self { folder, backend, admin, server };
        std::fs::write(setup.file("gateway.toml"), setup.config()).expect("a file");
        setup
    }

    fn config(&self) -> String {
        [&self.server, SOURCE, &route(&self.backend, "")].concat()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        binary(&self.file("gateway.toml"))
    }

    /// Starts this command, and waits until the gateway is ready.
    async fn start(&self, command: &mut Command) -> Process {
        let mut process = Process::spawn(command);
        until("it is ready", async || {
            assert!(process.ended().is_none(), "it ended");
            get(self.admin, "/readyz").await.is_some_and(|reply| reply.status == StatusCode::OK)
        })
        .await;
        process
    }

    async fn peer_seen(&self, sent: &Delivery) -> String {
        until("the backend sees it", async || self.backend.seen().iter().any(|seen| seen.id() == sent.id())).await;
        let seen = self.backend.seen().into_iter().find(|seen| seen.id() == sent.id()).expect("a request");
        seen.header("x-forwarded-for").expect("a header").to_owned()
    }
}

fn unix(folder: &Path) -> String {
    format!("\"unix:{}/gateway.sock\"", folder.display())
}

/// Sends these bytes over a Unix socket, and returns everything that comes back.
async fn exchange(path: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(path).await.expect("the gateway listens");
    stream.write_all(bytes).await.expect("the gateway reads");
    let mut all = Vec::new();
    soon(stream.read_to_end(&mut all)).await.expect("a response");
    String::from_utf8(all).expect("text")
}

fn closing(sent: &Delivery) -> Vec<u8> {
    sent.clone().set("connection", "close").bytes()
}

async fn stop(mut process: Process) {
    process.signal("TERM");
    until("it ends", async || process.ended().is_some_and(|status| status.success())).await;
}

#[tokio::test]
async fn deliveries_arrive_over_a_unix_socket_with_the_configured_mode() {
    let listen = |folder: &Path| format!("{{ address = {}, mode = \"0640\" }}", unix(folder));
    let setup = Setup::new(listen, "").await;
    let gateway = setup.start(&mut setup.command()).await;
    let path = setup.file("gateway.sock");
    assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o640);
    for (n, bytes) in [10, 70_000, 900_000].into_iter().enumerate() {
        let sent = delivery(&format!("msg_{n}"), noise(bytes));
        let reply = exchange(&path, &closing(&sent)).await;
        assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
        assert_eq!(setup.peer_seen(&sent).await, "unix:");
    }
    // A rejection whose body was not read still arrives.
    let large = delivery("msg_large", noise(2_000_000));
    assert!(exchange(&path, &closing(&large)).await.starts_with("HTTP/1.1 413 "));
    stop(gateway).await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_trusted_client_of_a_unix_socket_reports_the_sender() {
    let setup = Setup::new(unix, "trusted_proxies = [\"unix:\"]").await;
    let _gateway = setup.start(&mut setup.command()).await;
    let sent = delivery("msg_1", noise(9)).set("x-forwarded-for", "192.0.2.9");
    assert!(exchange(&setup.file("gateway.sock"), &closing(&sent)).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(setup.peer_seen(&sent).await, "192.0.2.9");
}

#[tokio::test]
async fn the_proxy_protocol_works_over_a_unix_socket() {
    let listen = |folder: &Path| format!("{{ address = {}, proxy_protocol = true }}", unix(folder));
    let setup = Setup::new(listen, "").await;
    let _gateway = setup.start(&mut setup.command()).await;
    let sent = delivery("msg_1", noise(9));
    let bytes = [b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n".as_slice(), &closing(&sent)].concat();
    assert!(exchange(&setup.file("gateway.sock"), &bytes).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(setup.peer_seen(&sent).await, "192.0.2.1");
}

#[tokio::test]
async fn curl_delivers_over_a_unix_socket_with_http1_and_http2() {
    let setup = Setup::new(unix, "").await;
    let _gateway = setup.start(&mut setup.command()).await;
    for (n, (version, argument)) in [("1.1", "--http1.1"), ("2", "--http2-prior-knowledge")].into_iter().enumerate() {
        let sent = delivery(&format!("msg_{n}"), noise(100));
        std::fs::write(setup.file("body"), &sent.body).expect("a file");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", argument, "--unix-socket"]);
        curl.arg(setup.file("gateway.sock"));
        for (name, value) in &sent.headers {
            curl.args(["-H", &format!("{name}: {}", value.to_str().expect("visible ASCII"))]);
        }
        curl.args(["--data-binary", &format!("@{}", setup.file("body").display()), "http://localhost/hook"]);
        let output = countersign_test::process::run(&mut curl).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{version} 200"));
    }
}

#[tokio::test]
async fn a_socket_file_is_taken_over_only_if_nothing_listens_on_it() {
    let setup = Setup::new(unix, "").await;
    let mut first = setup.start(&mut setup.command()).await;
    let other = format!("[server]\nlisten = [{}]\n{SOURCE}{}", unix(setup.folder.path()), route(&setup.backend, ""));
    let folder = tempfile::tempdir().expect("a folder");
    let output = run(folder.path(), &other, &[]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("gateway.sock: another process listens on it"), "{error}");
    // Killed, it leaves the file.
    first.kill();
    assert!(setup.file("gateway.sock").exists());
    let second = setup.start(&mut setup.command()).await;
    assert!(
        exchange(&setup.file("gateway.sock"), &closing(&delivery("msg_1", "{}"))).await.starts_with("HTTP/1.1 200 ")
    );
    stop(second).await;
}

/// Becomes the gateway with a TCP and a Unix socket, as systemd does: as descriptors from 3 on, for this process only.
const LAUNCHER: &str = r#"
import os, socket, sys
host, port, path, names, *command = sys.argv[1:]
tcp = socket.create_server((host, int(port)))
unix = socket.socket(socket.AF_UNIX)
unix.bind(path)
unix.listen()
kept = [os.dup(tcp.fileno()), os.dup(unix.fileno())]
for target, descriptor in zip((13, 14), kept):
    os.dup2(descriptor, target)
for target, descriptor in zip((3, 4), (13, 14)):
    os.dup2(descriptor, target, inheritable=True)
os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=names)
os.execv(command[0], command)
"#;

fn launched(setup: &Setup, address: SocketAddr, names: &str) -> Command {
    let gateway = setup.command();
    let mut python = Command::new("python3");
    python.args(["-c", LAUNCHER, &address.ip().to_string(), &address.port().to_string()]);
    python.arg(setup.file("passed.sock")).arg(names).arg(gateway.get_program()).args(gateway.get_args());
    python.envs(gateway.get_envs().filter_map(|(name, value)| Some((name, value?))));
    python
}

#[tokio::test]
async fn sockets_that_systemd_passes_are_listened_on_by_name() {
    let setup = Setup::new(|_| "\"systemd:hooks\", \"systemd:local\"".into(), "threads = 3").await;
    let address = free_address();
    let gateway = setup.start(&mut launched(&setup, address, "hooks:local")).await;
    for (n, wire) in Wire::ALL.into_iter().enumerate() {
        for m in 0..8 {
            let sent = delivery(&format!("msg_{n}_{m}"), noise(50));
            assert_eq!(send(address, &sent, wire).await.status, StatusCode::OK, "{wire:?}");
            assert_eq!(setup.peer_seen(&sent).await, "127.0.0.1");
        }
    }
    let sent = delivery("msg_unix", noise(50));
    assert!(exchange(&setup.file("passed.sock"), &closing(&sent)).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(setup.peer_seen(&sent).await, "unix:");
    stop(gateway).await;
    // The file belongs to systemd.
    assert!(setup.file("passed.sock").exists());
}

#[tokio::test]
async fn both_sockets_of_one_name_are_listened_on() {
    let setup = Setup::new(|_| "\"systemd:hooks\"".into(), "").await;
    let address = free_address();
    let _gateway = setup.start(&mut launched(&setup, address, "hooks:hooks")).await;
    assert_eq!(send(address, &delivery("msg_1", "{}"), Wire::Http1Length).await.status, StatusCode::OK);
    let sent = delivery("msg_2", "{}");
    assert!(exchange(&setup.file("passed.sock"), &closing(&sent)).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_name_that_systemd_does_not_pass_is_an_error_and_an_unused_socket_a_warning() {
    let setup = Setup::new(|_| "\"systemd:hooks\"".into(), "").await;
    let output = finished(&mut setup.command());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("cannot listen on systemd:hooks: systemd has not passed any socket"), "{error}");
    let output = finished(&mut launched(&setup, free_address(), "a:b"));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("has not passed a socket of this name, but `a`, `b`"), "{error}");
    std::fs::remove_file(setup.file("passed.sock")).expect("a file");
    let log = std::fs::File::create(setup.file("log")).expect("a file");
    let _gateway = setup.start(launched(&setup, free_address(), "hooks:extra").stdout(log)).await;
    let warning = "systemd passed a socket named `extra` that no listener uses";
    until("it warns", async || std::fs::read_to_string(setup.file("log")).is_ok_and(|log| log.contains(warning))).await;
}

#[tokio::test]
async fn systemds_own_tool_starts_the_gateway_at_the_first_connection() {
    let setup = Setup::new(|_| "\"systemd:hooks\"".into(), "").await;
    let address = free_address();
    let mut tool = Command::new("systemd-socket-activate");
    let gateway = setup.command();
    tool.args(["--fdname=hooks", &format!("--listen={address}")]);
    for (name, value) in gateway.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?))) {
        tool.arg(format!("--setenv={name}={value}"));
    }
    tool.arg(gateway.get_program()).args(gateway.get_args());
    let Ok(child) = tool.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn() else {
        eprintln!("skipped: systemd-socket-activate is not installed");
        return;
    };
    let _stopped = KilledAtTheEnd(child);
    until("it listens", async || TcpListener::bind(address).is_err()).await;
    // The connection waits in the queue of the socket until the gateway accepts it.
    assert_eq!(send(address, &delivery("msg_1", "{}"), Wire::Http1Length).await.status, StatusCode::OK);
}

struct KilledAtTheEnd(std::process::Child);

impl Drop for KilledAtTheEnd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
