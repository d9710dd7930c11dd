//! Kills at random: no message that was acknowledged is lost, and one is handled again only if a kill came between its
//! handling and the record of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use countersign::clock::{Clock, SystemClock};
use countersign_test::postgres_server::PostgresServer;
use countersign_test::redis_server::RedisServer;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::common::{Answer, Backend, Gateway, SOURCE, Seen, route_to, send_until_acknowledged};

/// How long after its handling a kill explains that a message was handled again. It is shorter than the time between two
/// kills, so that messages that are handled again without one are noticed.
const EXPLAINED: Duration = Duration::from_millis(500);
/// How many senders there are.
const SENDERS: usize = 16;
const INBOX: &str =
    "delivery = \"inbox\"\nupstream_timeout = \"1s\"\nredelivery = { first = \"20ms\", max = \"200ms\" }\n";

/// How many messages are sent, and how often each process is killed. `COUNTERSIGN_STORM=full` is the long form.
fn scale() -> (usize, usize) {
    if std::env::var("COUNTERSIGN_STORM").is_ok_and(|form| form == "full") { (20_000, 100) } else { (600, 3) }
}

/// When each message was handled.
type Handled = Arc<Mutex<BTreeMap<String, Vec<Instant>>>>;

/// A backend that handles each message, from the same address after it was killed.
async fn backend(address: SocketAddr, handled: &Handled) -> Backend {
    let handled = Arc::clone(handled);
    Backend::at(address, move |seen: &Seen| {
        let mut handled = handled.lock().unwrap_or_else(PoisonError::into_inner);
        handled.entry(seen.id().to_owned()).or_default().push(SystemClock.instant());
        Answer::Status(200)
    })
    .await
}

/// Kills the gateways and the backend in turn, at random times, and starts each again.
async fn storm(engine: &str, config: &str, gateways: usize, is_direct: bool) {
    let (messages, kills) = scale();
    let (handled, mut killed) = (Handled::default(), Vec::new());
    let mut sink = backend("127.0.0.1:0".parse().expect("an address"), &handled).await;
    let upstream = sink.address();
    let more = if is_direct { "upstream_timeout = \"1s\"\n" } else { INBOX };
    let config = [config, SOURCE, &route_to(&[upstream], more)].concat();
    let mut running = Vec::new();
    for _ in 0..gateways {
        running.push(Gateway::start(&config).await);
    }
    let addresses: Vec<_> = running.iter().map(|gateway| gateway.address).collect();
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut senders = JoinSet::new();
    // The messages are spread over all kills.
    let pause =
        Duration::from_millis(u64::try_from(kills * (gateways + 1) * 1400 * SENDERS / messages).expect("short"));
    for _ in 0..SENDERS {
        let (next, addresses) = (Arc::clone(&next), addresses.clone());
        senders.spawn(async move {
            let mut sent = 0;
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if number >= messages {
                    return sent;
                }
                sent += send_until_acknowledged(addresses.clone(), number).await;
                sleep(pause).await;
            }
        });
    }
    for kill in 0..kills * (gateways + 1) {
        sleep(Duration::from_millis(fastrand::u64(300..1500))).await;
        killed.push(SystemClock.instant());
        if let Some(gateway) = running.get_mut(kill % (gateways + 1)) {
            gateway.kill();
            gateway.restart().await;
        } else {
            sink.stop().await;
            sleep(Duration::from_millis(50)).await;
            sink = backend(upstream, &handled).await;
        }
    }
    let requests: usize = senders.join_all().await.into_iter().sum();
    // All of them are acknowledged now.
    let complete = async {
        while handled.lock().unwrap_or_else(PoisonError::into_inner).len() < messages {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let is_complete = timeout(Duration::from_secs(90), complete).await.is_ok();
    let handled = handled.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(is_complete, "{engine}: {} of {messages} messages were handled", handled.len());
    let mut again = 0;
    for (id, times) in handled.iter() {
        for pair in times.windows(2) {
            again += 1;
            let is_explained =
                |kill: &&Instant| **kill + Duration::from_millis(100) > pair[0] && **kill < pair[0] + EXPLAINED;
            assert!(killed.iter().any(|kill| is_explained(&kill)), "{engine}: {id} was handled again without a kill");
        }
    }
    println!(
        "{engine}: {} kills, {messages} messages acknowledged after {requests} requests, {messages} handled, \
         {again} handled again after a kill",
        killed.len()
    );
}

fn url(folder: &Path, url: &str) -> String {
    std::fs::write(folder.join("url"), url).expect("a file");
    format!("url = {{ file = \"{}\" }}\n", folder.join("url").display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_no_message_of_an_inbox_in_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("store.db");
    // Two processes with one file, as during an upgrade.
    let config = format!("[store]\nengine = \"sqlite\"\npath = \"{}\"\n", file.display());
    storm("sqlite", &config, 2, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_no_message_of_an_inbox_in_postgres() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = PostgresServer::start(folder.path(), &[]).await;
    server.run(&countersign_gateway::migrate::sql().expect("PostgreSQL"));
    let config = format!("[store]\nengine = \"postgres\"\n{}", url(folder.path(), &server.url()));
    storm("postgres", &config, 2, false).await;
}

/// In direct mode, the sender gets the response of the backend. A claim that a killed gateway held ends with its lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_no_message_with_claims_in_redis() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = RedisServer::start(folder.path(), &["--appendonly", "yes", "--appendfsync", "always"]).await;
    let config = format!("[store]\nengine = \"redis\"\n{}", url(folder.path(), &server.url()));
    let config = [&config, "[sources.test.replay]\nlease = \"2s\"\n"].concat();
    storm("redis", &config, 2, true).await;
}
