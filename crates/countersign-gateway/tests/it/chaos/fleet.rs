//! The gateways: two processes with one store, which are killed, replaced and reloaded.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign::clock::{Clock as _, SystemClock};
use countersign_test::disk::Disk;
use countersign_test::wait::eventually;
use http::Method;
use tempfile::TempDir;
use tokio::time::sleep;

use super::ledger::Ledger;
use crate::common::{Generations, command, free_address, get, route_to};

const INBOX: &str =
    "delivery = \"inbox\"\nupstream_timeout = \"1s\"\nredelivery = { first = \"20ms\", max = \"200ms\" }\n";

struct Member {
    gateway: Generations,
    address: SocketAddr,
    admin: SocketAddr,
    /// The process that accepts connections, for the measurements.
    process: Arc<AtomicI32>,
}

/// Gateways that share a store, and the files of their secrets.
pub(super) struct Fleet {
    members: Vec<Member>,
    folder: TempDir,
    ledger: Arc<Ledger>,
    rotations: usize,
}

fn new_secret() -> String {
    let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(32).collect();
    format!("whsec_{}", BASE64_STANDARD.encode(bytes))
}

impl Fleet {
    pub(super) async fn start(count: usize, upstream: SocketAddr, disk: &Disk, ledger: Arc<Ledger>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, full) = (folder.path().join("store"), folder.path().join("full"));
        fs::create_dir(&store).expect("a folder");
        let shown = |path: &Path| path.display().to_string();
        let secrets = [0, 1].map(|number| folder.path().join(format!("{number}.secret")));
        for file in &secrets {
            fs::write(file, new_secret()).expect("a file");
        }
        let rest = format!(
            "[store]\nengine = \"sqlite\"\npath = \"{}\"\n[sources.test]\nsecrets = [{{ file = \"{}\" }}, {{ file = \"{}\" }}]\n{}",
            shown(&store.join("store.db")),
            shown(&secrets[0]),
            shown(&secrets[1]),
            route_to(&[upstream], INBOX)
        );
        let mut members = Vec::new();
        for _ in 0..count {
            let (address, admin) = (free_address(), free_address());
            let server = format!("[server]\nlisten = [\"{address}\"]\nadmin = \"{admin}\"\nthreads = 2\n");
            let mut environment: Vec<_> =
                disk.filling(&store, &full).into_iter().map(|(name, path)| (name, path.into_os_string())).collect();
            environment.push(("RUST_LOG", "warn".into()));
            let gateway = Generations::start_in(environment, &server, &rest, admin).await;
            let process = Arc::new(AtomicI32::new(gateway.current().as_raw_nonzero().get()));
            members.push(Member { gateway, address, admin, process });
        }
        Self { members, folder, ledger, rotations: 0 }
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.members.iter().map(|member| member.address).collect()
    }

    /// While this file exists, the store cannot grow.
    pub(super) fn full_disk(&self) -> PathBuf {
        self.folder.path().join("full")
    }

    /// The secret that is signed with.
    pub(super) fn secret(&self) -> String {
        fs::read_to_string(self.secret_file()).expect("a file")
    }

    fn secret_file(&self) -> PathBuf {
        self.folder.path().join(format!("{}.secret", self.rotations % 2))
    }

    pub(super) async fn kill(&mut self, number: usize) {
        let member = &mut self.members[number];
        assert!(member.gateway.runs(), "it has ended by itself: {}", member.gateway.log());
        member.gateway.kill().await;
        member.gateway.restart().await;
        member.update();
    }

    pub(super) async fn upgrade(&mut self, number: usize) {
        let member = &mut self.members[number];
        if !member.gateway.try_upgrade().await {
            *self.ledger.entries().done.entry("upgrade that could not start").or_default() += 1;
        }
        member.update();
    }

    pub(super) async fn reload(&self, number: usize) {
        let reply = command(self.members[number].admin, Method::POST, "/-/reload", None).await;
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    }

    /// Replaces the secret that is not signed with, reloads all, and returns it.
    pub(super) async fn rotate(&mut self) -> String {
        self.rotations += 1;
        let secret = new_secret();
        fs::write(self.secret_file(), &secret).expect("a file");
        for number in 0..self.members.len() {
            self.reload(number).await;
        }
        secret
    }

    /// Waits until all are ready, and records how long that took.
    pub(super) async fn wait_until_ready(&self) {
        let start = SystemClock.instant();
        eventually("all are ready again", async || {
            for member in &self.members {
                if get(member.admin, "/readyz").await.is_none_or(|reply| reply.status != 200) {
                    return None;
                }
            }
            Some(())
        })
        .await;
        let mut entries = self.ledger.entries();
        entries.longest_unready = entries.longest_unready.max(SystemClock.instant() - start);
    }

    /// Records the memory and the open files of all, until it is aborted.
    pub(super) fn measure(&self) -> impl Future<Output = ()> + Send + 'static {
        let processes: Vec<_> = self.members.iter().map(|member| Arc::clone(&member.process)).collect();
        let ledger = Arc::clone(&self.ledger);
        async move {
            loop {
                for process in &processes {
                    // It may have been killed just now.
                    if let Some((memory, files)) = measure(process.load(Ordering::Relaxed)) {
                        let mut entries = ledger.entries();
                        entries.most_memory = entries.most_memory.max(memory);
                        entries.most_files = entries.most_files.max(files);
                    }
                }
                sleep(Duration::from_millis(250)).await;
            }
        }
    }

    /// Stops all, and returns what they have logged.
    pub(super) async fn stop(mut self) -> String {
        let mut logs = String::new();
        for member in &mut self.members {
            member.gateway.end().await;
            logs += &member.gateway.log();
        }
        logs
    }
}

impl Member {
    fn update(&self) {
        self.process.store(self.gateway.current().as_raw_nonzero().get(), Ordering::Relaxed);
    }
}

/// The resident memory of a process in bytes, and its open files.
fn measure(process: i32) -> Option<(usize, usize)> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: usize = line.trim().trim_end_matches(" kB").parse().ok()?;
    let files = fs::read_dir(format!("/proc/{process}/fd")).ok()?.count();
    Some((kibibytes << 10, files))
}
