//! Two gateways that share a store, and many copies of each message through both at once: it is handled once.

use countersign_test::postgres_server::PostgresServer;
use countersign_test::redis_server::RedisServer;
use http::StatusCode;
use tokio::task::JoinSet;

use crate::common::{Backend, Gateway, SOURCE, Wire, delivery, route, send, until};

const COPIES: usize = 64;

/// How many messages are sent. `COUNTERSIGN_STORM=full` is the long form.
fn messages() -> usize {
    if std::env::var("COUNTERSIGN_STORM").is_ok_and(|form| form == "full") { 1000 } else { 50 }
}

async fn handled_once(store: &str, more: &str) {
    let backend = Backend::start().await;
    let config = [store, SOURCE, &route(&backend, more)].concat();
    let gateways = [Gateway::start(&config).await, Gateway::start(&config).await];
    for number in 0..messages() {
        let mut copies = JoinSet::new();
        for copy in 0..COPIES {
            let (address, sent) = (gateways[copy % 2].address, delivery(&format!("msg_{number}"), "{}"));
            copies.spawn(async move { send(address, &sent, Wire::Http1Length).await.status });
        }
        let statuses = copies.join_all().await;
        let expected = [StatusCode::OK, StatusCode::ACCEPTED, StatusCode::CONFLICT];
        assert!(statuses.iter().all(|status| expected.contains(status)), "{statuses:?}");
        assert!(statuses.iter().any(StatusCode::is_success), "{statuses:?}");
    }
    until("all are handled", async || backend.seen().len() >= messages()).await;
    let mut ids: Vec<_> = backend.seen().iter().map(|seen| seen.id().to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((backend.seen().len(), ids.len()), (messages(), messages()));
    println!("{COPIES} copies of {} messages through two gateways: each was handled once", messages());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_handled_once_with_one_sqlite_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = format!("[store]\nengine = \"sqlite\"\npath = \"{}\"\n", folder.path().join("store.db").display());
    handled_once(&store, "").await;
    handled_once(&store.replace("store.db", "inbox.db"), "delivery = \"inbox\"").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_handled_once_with_one_postgres() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = PostgresServer::start(folder.path(), &[]).await;
    server.run(&countersign_gateway::migrate::sql().expect("PostgreSQL"));
    let file = folder.path().join("url");
    std::fs::write(&file, server.url()).expect("a file");
    let store = format!("[store]\nengine = \"postgres\"\nurl = {{ file = \"{}\" }}\n", file.display());
    handled_once(&store, "").await;
    server.run("TRUNCATE countersign_claim");
    handled_once(&store, "delivery = \"inbox\"").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_handled_once_with_one_redis() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = RedisServer::start(folder.path(), &["--appendonly", "yes", "--appendfsync", "always"]).await;
    let file = folder.path().join("url");
    std::fs::write(&file, server.url()).expect("a file");
    let store = format!("[store]\nengine = \"redis\"\nurl = {{ file = \"{}\" }}\n", file.display());
    handled_once(&store, "").await;
}
