//! `--doctor`, on machines where everything is right, and where each thing is wrong.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign::clock::{Clock as _, SystemClock};
use countersign_sqlite::{Options, SqliteStore};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{
    Backend, Gateway, Publish, Publisher, SECRET, binary, finished, free_address, jwk, route, route_to, run, until,
};
use crate::schema::refusals_of;

/// The results of a run.
struct Diagnosis {
    code: Option<i32>,
    report: Value,
}

impl Diagnosis {
    fn of(output: &Output) -> Self {
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        Self { code: output.status.code(), report }
    }

    /// Runs `--doctor --json` for this configuration, with the clock of a server.
    async fn run(folder: &Path, config: &str, clock: &str) -> Self {
        let (folder, config, clock) = (folder.to_owned(), config.to_owned(), clock.to_owned());
        let running =
            tokio::task::spawn_blocking(move || run(&folder, &config, &["--doctor", "--json", "--clock", &clock]));
        Self::of(&running.await.expect("it runs"))
    }

    /// The results of this check: each status and message.
    fn results(&self, check: &str) -> Vec<(&str, &str)> {
        let all = self.report["checks"].as_array().expect("a list");
        let of_check = all.iter().filter(|one| one["check"] == check);
        of_check.map(|one| (one["status"].as_str().unwrap_or(""), one["message"].as_str().unwrap_or(""))).collect()
    }

    #[track_caller]
    fn assert(&self, check: &str, status: &str, part: &str) {
        let results = self.results(check);
        assert!(results.iter().any(|(found, message)| *found == status && message.contains(part)), "{results:?}");
    }
}

/// A key set whose response was sent this many seconds from now.
fn published(keys: &[Value], seconds: i64) -> Publish {
    let shift = Duration::from_secs(seconds.unsigned_abs());
    let now = UNIX_EPOCH + Duration::from_secs(SystemClock.now().as_secs());
    let date = httpdate(if seconds < 0 { now - shift } else { now + shift });
    let body = serde_json::json!({ "keys": keys }).to_string();
    let length = body.len();
    let text = format!("HTTP/1.1 200 OK\r\ndate: {date}\r\ncontent-length: {length}\r\n\r\n{body}");
    Publish::Bytes(text.into_bytes())
}

fn httpdate(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}

fn secret_file(folder: &TempDir, mode: u32) {
    let path = folder.path().join("test.secret");
    fs::write(&path, SECRET).expect("a file");
    fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
}

/// A configuration with a secret in a file, a key set, a store and more keys of the server.
fn config(listen: &str, server: &str, keys: &Publisher, store: &str, route: &str) -> String {
    format!(
        "[server]\nlisten = [\"{listen}\"]\n{server}\n[store]\nengine = \"sqlite\"\npath = \"{store}\"\nmax_size = \"64MiB\"\n\
         [sources.test]\nsecrets = [{{ file = \"test.secret\" }}]\n{}{route}",
        keys.entry("")
    )
}

#[tokio::test]
async fn a_machine_where_everything_is_right_passes() {
    let folder = tempfile::tempdir().expect("a folder");
    secret_file(&folder, 0o600);
    let keys = Publisher::start(published(&[jwk(1)], 0)).await;
    let backend = Backend::start().await;
    drop(SqliteStore::open(folder.path().join("store.db"), Options::default()).expect("a store"));
    let unix = folder.path().join("gateway.sock");
    let server = format!("admin = \"{}\"\nmax_connections = 100", free_address());
    let listen = format!("{}\", \"unix:{}", free_address(), unix.display());
    let config = config(&listen, &server, &keys, "store.db", &route(&backend, ""));
    let clock = format!("http://127.0.0.1:{}/", keys.port());
    let found = Diagnosis::run(folder.path(), &config, &clock).await;
    assert_eq!(found.code, Some(0), "{:#}", found.report);
    found.assert("configuration", "ok", "no errors");
    found.assert("clock", "ok", &clock);
    assert_eq!(found.results("open_files").len(), 1);
    assert_eq!(found.results("listener").len(), 3);
    assert!(found.results("listener").iter().all(|(status, _)| *status == "ok"), "{:#}", found.report);
    assert!(!unix.exists(), "the socket stays");
    found.assert("permissions", "ok", "1 files of secrets");
    found.assert("store", "ok", "sound (schema version");
    found.assert("store", "ok", "free");
    found.assert("key_set", "ok", "1 usable key");
    found.assert("upstream", "ok", &format!("{}: reachable", backend.address()));
    assert!(!found.report.to_string().contains(SECRET));

    // The same as text.
    let file = folder.path().join("gateway.toml");
    let text = tokio::task::spawn_blocking(move || finished(binary(&file).args(["--doctor", "--clock", &clock]))).await;
    let text = text.expect("it runs");
    assert!(text.status.success() && text.stderr.is_empty(), "{text:?}");
    let text = String::from_utf8(text.stdout).expect("text");
    assert_eq!(text.lines().count(), found.report["checks"].as_array().expect("a list").len(), "{text}");
    assert!(text.contains("ok       key_set        http://localhost"), "{text}");

    let schema = include_str!("../../doctor.schema.json");
    let schema: Value = serde_json::from_str(schema).expect("JSON");
    let mut other = found.report.clone();
    other["checks"][0]["check"] = "weather".into();
    let [right, wrong] = &refusals_of(&schema, &[found.report, other])[..] else { panic!("two answers") };
    assert!(right.is_none() && wrong.is_some(), "{right:?} {wrong:?}");
}

#[tokio::test]
async fn each_thing_that_is_wrong_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    secret_file(&folder, 0o666);
    let keys = Publisher::start(published(&[], 400)).await;
    fs::write(folder.path().join("store.db"), "this is no database").expect("a file");
    let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = held.local_addr().expect("an address").to_string();
    let server = "max_connections = 1000000000";
    let routes = route_to(&[free_address()], "");
    let config = config(&taken, server, &keys, "store.db", &routes);
    let found = Diagnosis::run(folder.path(), &config, &format!("http://127.0.0.1:{}/", keys.port())).await;
    drop(held);
    assert_eq!(found.code, Some(1), "{:#}", found.report);
    assert_eq!(found.report["status"], "failed");
    found.assert("clock", "failed", "s behind that of");
    found.assert("open_files", "failed", "1000000000");
    found.assert("listener", "failed", &format!("{taken}: cannot be listened on"));
    found.assert("permissions", "failed", "test.secret: anybody on this machine can replace it");
    found.assert("store", "failed", "not an SQLite database");
    found.assert("key_set", "failed", "no key of the set can be used");
    found.assert("upstream", "failed", "start the backend");

    // Readable by all is a warning, and a key set that cannot be had is an error.
    secret_file(&folder, 0o644);
    keys.publish(Publish::answer("404 Not Found", "text/plain", "no"));
    fs::remove_file(folder.path().join("store.db")).expect("the file");
    let found = Diagnosis::run(folder.path(), &config, &format!("http://{}/", free_address())).await;
    found.assert("clock", "warning", "so the clock was not checked");
    found.assert("permissions", "warning", "anybody on this machine can read it");
    found.assert("store", "ok", "will be created");
    found.assert("key_set", "failed", "the response has status 404");
    assert!(!folder.path().join("store.db").exists());
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_still_has_a_clock() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = Publisher::start(published(&[], -60)).await;
    let found = Diagnosis::run(folder.path(), "[server]\n", &format!("http://127.0.0.1:{}/", keys.port())).await;
    assert_eq!(found.code, Some(1), "{:#}", found.report);
    found.assert("configuration", "failed", "gateway.toml");
    found.assert("clock", "warning", "s ahead of that of");
    assert_eq!(found.report["checks"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_running_gateway_has_its_addresses() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend).await;
    let file = gateway.folder().join("gateway.toml");
    let clock = format!("http://{}/healthz", gateway.admin);
    let output =
        tokio::task::spawn_blocking(move || finished(binary(&file).args(["--doctor", "--json", "--clock", &clock])));
    let found = Diagnosis::of(&output.await.expect("it runs"));
    let in_use = found.results("listener");
    assert!(
        in_use.len() == 2 && in_use.iter().all(|(status, text)| *status == "ok" && text.contains("in use")),
        "{in_use:?}"
    );
    assert_eq!(found.code, Some(0), "{:#}", found.report);
    until("it still responds", async || crate::common::get(gateway.admin, "/readyz").await.is_some()).await;
}
