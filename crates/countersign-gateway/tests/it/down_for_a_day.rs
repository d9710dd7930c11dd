//! A destination that is down for a day while messages arrive: the store fills up to its limits and not beyond, memory
//! stays bounded, and no message is lost that was acknowledged.
//!
//! The day takes seconds. An hour passes when all times in the store become an hour older.

use std::path::Path;
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign_test::postgres_server::PostgresServer;
use http::StatusCode;
use rusqlite::Connection;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::common::{Backend, Gateway, Running, SOURCE, Wire, delivery, free_address, route_to, send, until};

const HOURS: usize = 24;
/// How many messages arrive in each hour.
const ARRIVE: usize = 120;
/// How many messages the store has room for: those of ten hours.
const ROOM: usize = 1200;
const BODY: usize = 10_000;
const SENDERS: usize = 8;
/// How long the destination that is back may take for all of them.
const DRAINED: Duration = Duration::from_mins(4);

/// A store whose time can pass, and whose size is known.
trait Store {
    fn pass_an_hour(&self);
    /// The size of its files, in bytes.
    fn size(&self) -> u64;
}

struct Sqlite<'a>(&'a Path);

impl Store for Sqlite<'_> {
    fn pass_an_hour(&self) {
        let db = Connection::open(self.0).expect("a file");
        db.busy_timeout(Duration::from_secs(10)).expect("a setting");
        db.execute_batch(
            "BEGIN IMMEDIATE;
             UPDATE delivery SET since = since - 3600000, due = CASE state WHEN 1 THEN due ELSE due - 3600000 END;
             UPDATE seen SET until = until - 3600000;
             COMMIT",
        )
        .expect("an hour");
    }

    fn size(&self) -> u64 {
        let files = ["db", "db-wal"].map(|end| self.0.with_extension(end));
        files.iter().filter_map(|file| std::fs::metadata(file).ok()).map(|about| about.len()).sum()
    }
}

struct Postgres<'a>(&'a PostgresServer);

impl Store for Postgres<'_> {
    fn pass_an_hour(&self) {
        self.0.run(
            "BEGIN;
             UPDATE countersign_delivery SET since = since - interval '1 hour',
               due = CASE state WHEN 1 THEN due ELSE due - interval '1 hour' END;
             UPDATE countersign_claim SET until = until - interval '1 hour';
             COMMIT",
        );
        // As the server does by itself, in a real hour.
        self.0.run("VACUUM countersign_delivery, countersign_claim");
    }

    fn size(&self) -> u64 {
        let sum = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname LIKE 'countersign_%' AND relkind = 'r'";
        self.0.run(sum).parse().expect("a number")
    }
}

/// Sends the messages of an hour. Returns how many were acknowledged.
async fn send_an_hour(gateway: &Gateway, hour: usize) -> usize {
    let (address, mut senders) = (gateway.address, JoinSet::new());
    for sender in 0..SENDERS {
        senders.spawn(async move {
            let mut acknowledged = 0;
            for number in (sender..ARRIVE).step_by(SENDERS) {
                let sent = delivery(&format!("msg_{hour}_{number}"), vec![b'x'; BODY]);
                let reply = send(address, &sent, Wire::Http1Length).await;
                match reply.status {
                    StatusCode::ACCEPTED => acknowledged += 1,
                    status => {
                        let rejection = (status, reply.code(), reply.header("retry-after").is_some());
                        assert_eq!(rejection, (StatusCode::SERVICE_UNAVAILABLE, "store_full".to_owned(), true));
                    }
                }
            }
            acknowledged
        });
    }
    senders.join_all().await.into_iter().sum()
}

async fn deliveries(gateway: &Gateway, state: &str) -> usize {
    let labels = format!("{{destination=\"/hook\",state=\"{state}\"}}");
    let count = gateway.metric(&format!("countersign_inbox_deliveries{labels}")).await.unwrap_or(0.0);
    count.to_string().parse().expect("a whole number")
}

async fn a_day(engine: &str, table: &str, store: impl Store, largest: u64) {
    let upstream = free_address();
    // Attempts end after 23 h 30 min, so that the messages of the first hour become dead letters in the last one.
    let more = "delivery = \"inbox\"\nredelivery = { first = \"1s\", max = \"1h\", for = \"23h 30m\" }";
    let gateway = Gateway::start(&[table, SOURCE, &route_to(&[upstream], more)].concat()).await;
    let (mut acknowledged, mut sizes, mut memory) = (0, Vec::new(), Vec::new());
    let start = SystemClock.instant();
    for hour in 0..HOURS {
        acknowledged += send_an_hour(&gateway, hour).await;
        sizes.push(store.size());
        memory.push(gateway.resident());
        store.pass_an_hour();
    }
    let down = SystemClock.instant().saturating_duration_since(start);
    assert!((ROOM..ROOM + 300).contains(&acknowledged), "{engine}: {acknowledged} acknowledged");
    let (size, filled) = (sizes.iter().max().expect("sizes"), memory[HOURS / 2]);
    assert!(*size <= largest, "{engine}: {sizes:?}");
    let most = memory.iter().skip(HOURS / 2).max().expect("sizes");
    assert!(*most < filled + (16 << 20), "{engine}: {memory:?}");
    let of = async || {
        let states = ["waiting", "leased", "dead"];
        let mut counts = [0; 3];
        for (count, state) in counts.iter_mut().zip(states) {
            *count = deliveries(&gateway, state).await;
        }
        counts
    };
    until("all are there", async || of().await.iter().sum::<usize>() == acknowledged).await;

    // The destination is back. The next attempt is that of the circuit, which tries it once a minute at least.
    let backend = Backend::at(upstream, |_| crate::common::Answer::Status(200)).await;
    let mut rest = of().await;
    let back = SystemClock.instant();
    while rest[0] + rest[1] > 0 && SystemClock.instant().saturating_duration_since(back) < DRAINED {
        sleep(Duration::from_millis(200)).await;
        rest = of().await;
    }
    assert_eq!(rest[0] + rest[1], 0, "{engine}: deliveries that have not ended: {rest:?}");
    let mut ids: Vec<_> = backend.seen().iter().map(|seen| seen.id().to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), acknowledged - rest[2], "{engine}: delivered, the rest is dead");
    let again = send(gateway.address, &delivery("msg_new", "{}"), Wire::Http1Length).await.status;
    println!(
        "{engine}: {HOURS} hours in {down:?}, {} messages arrived, {acknowledged} were acknowledged, {} delivered, {} dead; \
         the files had {size} bytes at most, the gateway {filled} bytes of memory after half a day and {most} at most \
         after that; the next message gets {again}",
        HOURS * ARRIVE,
        ids.len(),
        rest[2],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbox_in_sqlite_stays_within_its_limits() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("store.db");
    let table = format!("[store]\nengine = \"sqlite\"\npath = \"{}\"\nmax_messages = {ROOM}\n", file.display());
    // The bodies and as much again for headers, ids, indexes and the write-ahead log of 16 MiB.
    a_day("sqlite", &table, Sqlite(&file), 2 * (ROOM * BODY) as u64 + (16 << 20)).await;
}

/// By its size: each message has a body of 10,000 bytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbox_in_sqlite_stays_within_its_size() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("store.db");
    let size = ROOM * BODY;
    let table = format!("[store]\nengine = \"sqlite\"\npath = \"{}\"\nmax_size = {size}\n", file.display());
    let gateway =
        Gateway::start(&[&table, SOURCE, &route_to(&[free_address()], "delivery = \"inbox\"")].concat()).await;
    let mut acknowledged = 0;
    for hour in 0..12 {
        acknowledged += send_an_hour(&gateway, hour).await;
        Sqlite(&file).pass_an_hour();
    }
    assert!(acknowledged > ROOM / 2 && acknowledged < 12 * ARRIVE, "{acknowledged}");
    let largest = std::fs::metadata(&file).expect("a file").len();
    assert!(largest <= 2 * size as u64, "{largest}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbox_in_postgres_stays_within_its_limits() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = PostgresServer::start(folder.path(), &[]).await;
    server.run(&countersign_gateway::migrate::sql().expect("PostgreSQL"));
    let url = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(url.path(), server.url()).expect("a file");
    let url = url.path().display();
    let table = format!("[store]\nengine = \"postgres\"\nurl = {{ file = \"{url}\" }}\nmax_messages = {ROOM}\n");
    a_day("postgres", &table, Postgres(&server), 2 * (ROOM * BODY) as u64 + (16 << 20)).await;
}
