//! A database whose connections are cut, that is restarted, that ends a transaction because of a deadlock, or that fails
//! over: what the sender sees, and that nothing is lost.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use countersign_test::postgres_server::PostgresServer;
use countersign_test::redis_server::RedisServer;
use http::StatusCode;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::common::{Backend, Cuttable, Gateway, Running, SOURCE, get, route, send_until_acknowledged, until};

const MESSAGES: usize = 300;
const SENDERS: usize = 16;
/// Deliveries whose lease is lost with a connection are due again soon.
const INBOX: &str =
    "delivery = \"inbox\"\nupstream_timeout = \"1s\"\nredelivery = { first = \"20ms\", max = \"200ms\" }";

fn table(engine: &str, folder: &TempDir, url: &str) -> String {
    let file = folder.path().join("url");
    fs::write(&file, url).expect("a file");
    format!("[store]\nengine = \"{engine}\"\nurl = {{ file = \"{}\" }}\n", file.display())
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Sends all messages, each until it is acknowledged, from several senders at once. Returns how many requests that were.
fn send_all(gateway: SocketAddr) -> JoinSet<usize> {
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(async move {
            let mut requests = 0;
            for number in (sender..MESSAGES).step_by(SENDERS) {
                requests += send_until_acknowledged(vec![gateway], number).await;
                sleep(Duration::from_millis(20)).await;
            }
            requests
        });
    }
    senders
}

/// How often each message was handled.
fn handled(backend: &Backend) -> BTreeMap<String, usize> {
    let mut handled = BTreeMap::new();
    for seen in backend.seen() {
        *handled.entry(seen.id().to_owned()).or_default() += 1;
    }
    handled
}

fn again(backend: &Backend) -> usize {
    handled(backend).values().map(|times| times - 1).sum()
}

async fn ready(gateway: &Gateway) -> StatusCode {
    get(gateway.admin, "/readyz").await.expect("a response").status
}

/// A number of messages as a metric.
fn count(messages: usize) -> f64 {
    f64::from(u32::try_from(messages).expect("a small number"))
}

/// A metric of the store.
async fn figure(gateway: &Gateway, name: &str) -> f64 {
    gateway.metric(&format!("countersign_store_{name}")).await.expect("a metric of the store")
}

/// Connections to the database are cut at random while messages arrive and are delivered.
#[tokio::test]
async fn cut_connections_to_postgres_lose_no_message_of_an_inbox() {
    let (backend, data, folder) = (Backend::start().await, folder(), folder());
    let server = PostgresServer::start(data.path(), &[]).await;
    server.run(&countersign_gateway::migrate::sql().expect("PostgreSQL"));
    let wire = Cuttable::start(server.address()).await;
    let url = format!("postgres://postgres@{}/postgres", wire.address());
    let gateway = Gateway::start(&[&table("postgres", &folder, &url), SOURCE, &route(&backend, INBOX)].concat()).await;
    let senders = send_all(gateway.address);
    let cuts = cut_while(&wire, senders).await;
    let done = "SELECT count(*) FROM countersign_delivery WHERE state = 2";
    until("all are delivered", async || server.run(done) == MESSAGES.to_string()).await;
    assert_eq!(handled(&backend).len(), MESSAGES);
    println!("postgres: {cuts} cuts, {MESSAGES} messages handled, {} handled again", again(&backend));
    assert_eq!(ready(&gateway).await, StatusCode::OK);
    assert!(figure(&gateway, "errors_total").await > 0.0, "no transaction was cut");
    assert_eq!((figure(&gateway, "failing").await, figure(&gateway, "messages").await), (0.0, count(MESSAGES)));
}

/// A claim whose response is lost is repeated with the same number, so nothing is handled twice.
#[tokio::test]
async fn cut_connections_to_redis_let_no_message_through_twice() {
    let (backend, data, folder) = (Backend::start().await, folder(), folder());
    let server = RedisServer::start(data.path(), &[]).await;
    let wire = Cuttable::start(server.address()).await;
    let store = table("redis", &folder, &format!("redis://{}", wire.address()));
    let gateway = Gateway::start(&[&store, SOURCE, &route(&backend, "")].concat()).await;
    let cuts = cut_while(&wire, send_all(gateway.address)).await;
    assert_eq!(handled(&backend).len(), MESSAGES);
    assert_eq!(again(&backend), 0, "after {cuts} cuts");
    assert_eq!(ready(&gateway).await, StatusCode::OK);
    assert!(figure(&gateway, "errors_total").await > 0.0, "no call was cut");
    let figures = (figure(&gateway, "failing").await, figure(&gateway, "full").await, figure(&gateway, "ids").await);
    assert_eq!(figures, (0.0, 0.0, count(MESSAGES)));
}

/// Cuts all connections again and again until the senders are done. Returns how often.
async fn cut_while(wire: &Cuttable, mut senders: JoinSet<usize>) -> usize {
    let mut cuts = 0;
    loop {
        tokio::select! {
            sender = senders.join_next() => match sender {
                Some(requests) => assert!(requests.expect("a sender") > 0),
                None => return cuts,
            },
            () = sleep(Duration::from_millis(fastrand::u64(50..500))) => {
                wire.cut();
                cuts += 1;
            }
        }
    }
}

/// An operator's transaction holds the row that counts messages, and then needs the id that the gateway stores. PostgreSQL
/// ends the transaction of the gateway, which repeats it.
#[tokio::test]
async fn a_deadlock_costs_the_sender_a_moment_and_no_message() {
    let (backend, data, folder) = (Backend::start().await, folder(), folder());
    let server = PostgresServer::start(data.path(), &["deadlock_timeout=400ms"]).await;
    server.run(&countersign_gateway::migrate::sql().expect("PostgreSQL"));
    let store = table("postgres", &folder, &server.url());
    let gateway = Gateway::start(&[&store, SOURCE, &route(&backend, INBOX)].concat()).await;
    for round in 0..5 {
        let id = format!("msg_{round}");
        let mut operator = server.begin(&format!(
            "SET deadlock_timeout = '10s'; BEGIN; UPDATE countersign_count SET messages = messages; SELECT pg_sleep(0.2);
             INSERT INTO countersign_claim (key, done, number, until) VALUES ('test {id}', true, 1, now());
             ROLLBACK;"
        ));
        let held = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        until("the operator holds the row", async || server.run(held) == "1").await;
        // On a slow machine, the repetition comes after the time limit of the store, and the sender repeats it.
        assert!(send_until_acknowledged(vec![gateway.address], round).await >= 1);
        until("the operator is done", async || operator.ended().is_some()).await;
    }
    let deadlocks = async || server.run("SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'");
    until("the server has counted them", async || deadlocks().await.parse::<u32>().expect("a number") >= 5).await;
    let done = "SELECT count(*) FROM countersign_delivery WHERE state = 2";
    until("all are delivered", async || server.run(done) == "5").await;
    assert_eq!((handled(&backend).len(), again(&backend)), (5, 0));
    assert_eq!(ready(&gateway).await, StatusCode::OK);
    assert!(figure(&gateway, "errors_total").await >= 5.0, "each deadlock is an error of the store");
    assert_eq!((figure(&gateway, "failing").await, figure(&gateway, "messages").await), (0.0, 5.0));
}

/// With synchronous replication, the standby has all that was acknowledged.
#[tokio::test]
async fn a_failover_of_postgres_loses_no_message_of_an_inbox() {
    let (backend, data, standby_data, folder) = (Backend::start().await, folder(), folder(), folder());
    let mut primary = PostgresServer::start(data.path(), &[]).await;
    primary.run(&countersign_gateway::migrate::sql().expect("PostgreSQL"));
    let standby = primary.standby(standby_data.path()).await;
    primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'");
    primary.run("SELECT pg_reload_conf()");
    let state = "SELECT sync_state FROM pg_stat_replication";
    until("the standby is synchronous", async || primary.run(state) == "sync").await;
    let hosts = format!("{},{}", primary.address(), standby.address());
    let url = format!("postgres://postgres@{hosts}/postgres?target_session_attrs=read-write");
    let gateway = Gateway::start(&[&table("postgres", &folder, &url), SOURCE, &route(&backend, INBOX)].concat()).await;
    let senders = send_all(gateway.address);
    until("some of them are handled", async || handled(&backend).len() > MESSAGES / 10).await;
    primary.kill();
    until("the gateway is not ready", async || ready(&gateway).await == StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(gateway.metric("countersign_store_failing").await, Some(1.0));
    assert!(figure(&gateway, "errors_total").await > 0.0);
    standby.run("SELECT pg_promote()");
    let requests: usize = senders.join_all().await.into_iter().sum();
    let done = "SELECT count(*) FROM countersign_delivery WHERE state = 2";
    until("all are delivered", async || standby.run(done) == MESSAGES.to_string()).await;
    assert_eq!(handled(&backend).len(), MESSAGES);
    println!("failover: {requests} requests for {MESSAGES} messages, {} handled again", again(&backend));
    until("the gateway is ready again", async || ready(&gateway).await == StatusCode::OK).await;
    assert_eq!((figure(&gateway, "failing").await, figure(&gateway, "messages").await), (0.0, count(MESSAGES)));
}
