//! `[store]` in Redis or PostgreSQL: several gateways share the message ids.

use std::fs;

use countersign_test::postgres_server::PostgresServer;
use countersign_test::redis_fleet::{RedisCluster, RedisSentinel};
use countersign_test::redis_server::RedisServer;
use http::{Method, StatusCode};
use tempfile::TempDir;

use crate::common::{Answer, Backend, Gateway, Running, SOURCE, Seen, Wire, command, delivery, get, route, run, until};

const WIRE: Wire = Wire::Http1Length;

/// A table whose `url` is in a file in this folder.
fn table(engine: &str, folder: &TempDir, url: &str) -> String {
    format!("[store]\nengine = \"{engine}\"\nurl = {}\n", named(folder, url))
}

/// A reference to this address, which is in a file in this folder.
fn named(folder: &TempDir, url: &str) -> String {
    let file = folder.path().join("url");
    fs::write(&file, url).expect("a file");
    format!("{{ file = \"{}\" }}", file.display())
}

async fn gateways(backend: &Backend, table: &str) -> [Gateway; 2] {
    let config = [table, SOURCE, &route(backend, "")].concat();
    [Gateway::start(&config).await, Gateway::start(&config).await]
}

/// What one gateway has forwarded is a duplicate for the other, until its id is forgotten.
async fn share_ids(backend: &Backend, [one, other]: &[Gateway; 2]) {
    for gateway in [one, other, one] {
        assert_eq!(gateway.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
    }
    assert_eq!(backend.seen().len(), 1);
    let forget = async || command(other.admin, Method::DELETE, "/-/sources/test/ids/msg_1", None).await.status;
    assert_eq!((forget().await, forget().await), (StatusCode::OK, StatusCode::NOT_FOUND));
    assert_eq!(one.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
    assert_eq!(backend.seen().len(), 2);
}

async fn ready(gateway: &Gateway) -> StatusCode {
    get(gateway.admin, "/readyz").await.expect("a response").status
}

async fn rejects(gateway: &Gateway) {
    let reply = gateway.send(&delivery("msg_2", "{}"), WIRE).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready(gateway).await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn two_gateways_share_redis_and_reject_messages_while_it_is_down() {
    let (backend, folder) = (Backend::start().await, tempfile::tempdir().expect("a folder"));
    let mut redis = RedisServer::start(folder.path(), &["--appendfsync", "everysec"]).await;
    let gateways = gateways(&backend, &table("redis", &folder, &redis.url())).await;
    share_ids(&backend, &gateways).await;
    let [one, _] = &gateways;
    until("the weakness is logged", async || one.output().contains("set `appendfsync always`")).await;
    redis.kill();
    rejects(one).await;
    redis.restart().await;
    until("the gateway is ready again", async || ready(one).await == StatusCode::OK).await;
    assert_eq!(one.send(&delivery("msg_2", "{}"), WIRE).await.status, StatusCode::OK);
    assert_eq!(backend.seen().len(), 3);
}

/// `/readyz` asks the server.
#[tokio::test]
async fn the_metrics_show_how_full_redis_is_and_what_calls_take() {
    let (backend, folder) = (Backend::start().await, tempfile::tempdir().expect("a folder"));
    let mut redis = RedisServer::start(folder.path(), &["--maxmemory-policy", "noeviction"]).await;
    let [gateway, _] = gateways(&backend, &table("redis", &folder, &redis.url())).await;
    let send = async |id: &str| gateway.send(&delivery(id, "{}"), WIRE).await;
    assert_eq!(send("msg_1").await.status, StatusCode::OK);
    assert_eq!(ready(&gateway).await, StatusCode::OK);
    let metric = async |name: &str| gateway.metric(&format!("countersign_store_{name}")).await;
    assert_eq!((metric("ids").await, metric("errors_total").await), (Some(1.0), Some(0.0)));
    assert!(metric("operations_total").await >= Some(3.0) && metric("busy_seconds_total").await > Some(0.0));
    assert!(metric("size_bytes").await > Some(100_000.0) && metric("full").await == Some(0.0));
    redis.run(&["CONFIG", "SET", "maxmemory", "1"]);
    let full = send("msg_2").await;
    assert_eq!((full.status, full.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "store_full"));
    assert_eq!(send("msg_1").await.status, StatusCode::OK, "a duplicate needs no room");
    assert_eq!((metric("full").await, metric("failing").await), (Some(1.0), Some(0.0)));
    redis.run(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!((send("msg_2").await.status, metric("full").await), (StatusCode::OK, Some(0.0)));
    redis.kill();
    rejects(&gateway).await;
    assert!(metric("errors_total").await > Some(1.0) && metric("failing").await == Some(1.0));
}

#[tokio::test]
async fn two_gateways_share_a_redis_cluster() {
    let (backend, folder) = (Backend::start().await, tempfile::tempdir().expect("a folder"));
    let cluster = RedisCluster::start(folder.path(), &[]).await;
    let nodes = named(&folder, &cluster.nodes()[0].url());
    let gateways = gateways(&backend, &format!("[store]\nengine = \"redis\"\ncluster = [{nodes}]\n")).await;
    share_ids(&backend, &gateways).await;
    for number in 10..50 {
        let reply = gateways[number % 2].send(&delivery(&format!("msg_{number}"), "{}"), WIRE).await;
        assert_eq!(reply.status, StatusCode::OK);
    }
    let sizes = cluster.sizes();
    assert!(sizes.iter().all(|size| *size > 0), "each node has some of the ids: {sizes:?}");
    assert_eq!(ready(&gateways[0]).await, StatusCode::OK);
    assert_eq!(gateways[0].metric("countersign_store_ids").await, Some(41.0));
}

/// What was handled before the failover is a duplicate after it.
#[tokio::test]
async fn two_gateways_follow_a_failover_of_redis() {
    let (backend, folder) = (Backend::start().await, tempfile::tempdir().expect("a folder"));
    let [files, more_files] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let mut master = RedisServer::start(files.path(), &[]).await;
    let port = master.address().port().to_string();
    let replica = RedisServer::start(more_files.path(), &["--replicaof", "127.0.0.1", &port]).await;
    let sentinel = RedisSentinel::start(folder.path(), "main", master.address());
    until("the sentinel knows the replica", async || sentinel.knows("main", replica.address())).await;
    let url = named(&folder, &sentinel.url());
    let store = format!("[store]\nengine = \"redis\"\nsentinel = {{ master = \"main\", urls = [{url}] }}\n");
    let gateways = gateways(&backend, &store).await;
    share_ids(&backend, &gateways).await;
    until("the replica has the id", async || replica.run(&["DBSIZE"]) == "1").await;
    let [one, other] = &gateways;
    master.kill();
    until("both are ready again", async || ready(one).await == StatusCode::OK && ready(other).await == StatusCode::OK)
        .await;
    let handled = backend.seen().len();
    assert_eq!(other.send(&delivery("msg_1", "{}"), WIRE).await.status, StatusCode::OK);
    assert_eq!(backend.seen().len(), handled, "its id survived");
    assert_eq!(one.send(&delivery("msg_3", "{}"), WIRE).await.status, StatusCode::OK);
    assert_eq!(backend.seen().len(), handled + 1);
}

#[tokio::test]
async fn two_gateways_share_postgres_once_it_has_tables() {
    let (backend, folder) = (Backend::start().await, tempfile::tempdir().expect("a folder"));
    let mut server = PostgresServer::start(folder.path(), &[]).await;
    let table = table("postgres", &folder, &server.url());
    let text = format!("[server]\nlisten = [\"127.0.0.1:1\"]\n{table}{SOURCE}{}", route(&backend, ""));
    for _ in 0..2 {
        let output = run(folder.path(), &text, &["--migrate"]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
    }
    let gateways = gateways(&backend, &table).await;
    share_ids(&backend, &gateways).await;
    let [one, _] = &gateways;
    server.kill();
    rejects(one).await;
    let server = server.restart().await;
    until("the gateway is ready again", async || ready(one).await == StatusCode::OK).await;
    assert_eq!(one.send(&delivery("msg_2", "{}"), WIRE).await.status, StatusCode::OK);
    server.run("DROP TABLE countersign_schema, countersign_claim");
    assert_eq!(ready(one).await, StatusCode::SERVICE_UNAVAILABLE);
}

const INBOX: &str = "delivery = \"inbox\"\nredelivery = { first = \"20ms\", max = \"50ms\" }";

/// The backend fails each message once, so that the other gateway can have the next attempt.
#[tokio::test]
async fn two_gateways_share_an_inbox_in_postgres() {
    let is_first = |seen: &Seen| seen.header("countersign-attempt") == Some("1");
    let script = move |seen: &Seen| Answer::Status(if is_first(seen) { 500 } else { 200 });
    let (backend, folder) = (Backend::scripted(script).await, tempfile::tempdir().expect("a folder"));
    let mut server = PostgresServer::start(folder.path(), &[]).await;
    server.run(&countersign_gateway::migrate::sql().expect("PostgreSQL"));
    let config = [&table("postgres", &folder, &server.url()), SOURCE, &route(&backend, INBOX)].concat();
    let gateways = [Gateway::start(&config).await, Gateway::start(&config).await];
    let send = async |gateway: usize, n: usize| {
        gateways[gateway].send(&delivery(&format!("msg_{n}"), "{}"), WIRE).await.status
    };
    for n in 0..20 {
        assert_eq!(send(n % 2, n).await, StatusCode::ACCEPTED);
        assert_eq!(send((n + 1) % 2, n).await, StatusCode::OK, "the other gateway knows its id");
    }
    let done = "SELECT count(*) FROM countersign_delivery WHERE state = 2";
    until("all are delivered", async || server.run(done) == "20").await;
    assert_eq!(backend.seen().len(), 40);
    assert_eq!(ready(&gateways[0]).await, StatusCode::OK);
    let metric = async |name: &str| gateways[0].metric(name).await.unwrap_or_default();
    assert_eq!((metric("countersign_store_messages").await, metric("countersign_store_failing").await), (20.0, 0.0));
    assert!(metric("countersign_store_operations_total").await >= 20.0);

    server.kill();
    assert_eq!(send(0, 20).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready(&gateways[0]).await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(metric("countersign_store_failing").await > 0.0);
    let server = server.restart().await;
    // The attempt that got 503 may be stored by now. Then this one is a duplicate, and its response is 200.
    until("it is stored", async || send(0, 20).await.is_success()).await;
    until("it is delivered", async || server.run(done) == "21").await;
    assert_eq!(ready(&gateways[0]).await, StatusCode::OK);
    assert_eq!((metric("countersign_store_failing").await, metric("countersign_store_messages").await), (0.0, 21.0));
    assert!(metric("countersign_store_errors_total").await > 0.0);
}
