//! The notifications to the service manager, over a socket of the test.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::common::{Backend, SOURCE, binary, free_address, route, soon};
use countersign::clock::{Clock, SystemClock};
use countersign_test::process::Process;
use tokio::net::UnixDatagram;

/// The gateway before this backend, with this notification socket and these variables.
fn start(folder: &Path, backend: &Backend, socket: &str, variables: &[(&str, &str)]) -> Process {
    let file = folder.join("gateway.toml");
    let server = format!("[server]\nlisten = [\"{}\"]\n", free_address());
    std::fs::write(&file, [&server, SOURCE, &route(backend, "")].concat()).expect("a file");
    Process::spawn(binary(&file).env("NOTIFY_SOCKET", socket).envs(variables.iter().copied()))
}

async fn received(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 1024];
    let length = soon(socket.recv(&mut bytes)).await.expect("a datagram");
    String::from_utf8(bytes[..length].to_vec()).expect("text")
}

#[tokio::test]
async fn it_is_told_of_the_start_of_reloads_and_of_the_end() {
    let (folder, backend) = (tempfile::tempdir().expect("a folder"), Backend::start().await);
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    // The watchdog of another process.
    let variables = [("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")];
    let mut gateway = start(folder.path(), &backend, path.to_str().expect("text"), &variables);
    assert_eq!(received(&socket).await, "READY=1\n");
    let config = folder.path().join("gateway.toml");
    let good = std::fs::read_to_string(&config).expect("a file");
    let mut last = 0;
    for text in [&good, "nothing = true", &good] {
        std::fs::write(&config, text).expect("a file");
        gateway.signal("HUP");
        let reloading = received(&socket).await;
        let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("a time").trim_end();
        let time = time.parse::<u64>().expect("a number");
        assert!(time > last, "{time}");
        last = time;
        assert_eq!(received(&socket).await, "READY=1\n");
    }
    gateway.signal("TERM");
    assert_eq!(received(&socket).await, "STOPPING=1\n");
    crate::common::until("it ends", async || gateway.ended().is_some_and(|status| status.success())).await;
}

#[tokio::test]
async fn the_watchdog_gets_a_ping_twice_in_its_time() {
    let (folder, backend) = (tempfile::tempdir().expect("a folder"), Backend::start().await);
    let name = format!("countersign-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let socket = std::os::unix::net::UnixDatagram::bind_addr(&address).expect("a socket");
    socket.set_nonblocking(true).expect("a socket");
    let socket = UnixDatagram::from_std(socket).expect("a socket");
    let _gateway = start(folder.path(), &backend, &format!("@{name}"), &[("WATCHDOG_USEC", "400000")]);
    let mut pings = Vec::new();
    while pings.len() < 5 {
        match received(&socket).await.as_str() {
            "WATCHDOG=1\n" => pings.push(SystemClock.instant()),
            other => assert_eq!(other, "READY=1\n"),
        }
    }
    let took = pings[4].duration_since(pings[0]);
    assert!((Duration::from_millis(700)..Duration::from_millis(1600)).contains(&took), "{took:?}");
}
